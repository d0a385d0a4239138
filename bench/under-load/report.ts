import { median, percentile, type Spread, spreadOf } from '../../lib/statistics';
import type { Aborts } from './cancel';
import type { Responsive } from './responsive';
import type { UnderLoadResult } from './result';
import type { MemorySample, Soak } from './soak';
import { TARGETS } from './targets';

/** Name, what is asked, what was measured, and its spread. */
type Row = readonly [name: string, asked: string, measured: string, spread: string];

const WIDTHS = [50, 12, 14] as const;

export function underLoadReport(result: UnderLoadResult): string {
  const { machine, model, settings } = result;
  const { info } = model;
  return [
    `Machine    ${machine.cpu}, ${machine.usableProcessors} of ${machine.processors} processors, ` +
      `${(machine.memoryBytes / 1e9).toFixed(0)} GB; ${machine.platform}, Node ${machine.node}`,
    `           ${machine.instructionSets}`,
    `Model      ${model.name}${model.synthetic ? ' (random weights)' : ''}: ${info.layers} layers of ${info.hiddenSize}, ` +
      `${info.precision}, ${info.threads} threads, chunks of ${info.maxTokensPerChunk} tokens`,
    `Load       ${settings.rounds} rounds, ${settings.seconds} s at saturation`,
    `Command    ${result.command} (${result.date.slice(0, 10)})`,
    '',
    line(['', 'asked', 'measured', '  spread']),
    ...section('Throughput, pairs/s', throughputRows(result)),
    ...section('Mixed lengths, fp32, pairs/s', mixedRows(result)),
    ...section('Responsive, ms', result.responsive && responsiveRows(result.responsive)),
    ...section('Cancel, ms', result.cancel && cancelRows(result.cancel)),
    ...section('Soak', result.soak && soakRows(result.soak)),
    ...problemLines(result.soak),
  ].join('\n');
}

function throughputRows({ throughput }: UnderLoadResult): Row[] | undefined {
  if (throughput === undefined) return undefined;
  const { callers, pairs, tokensPerPair, callersPerSecond, oneCallPerSecond, ratio } = throughput;
  return [
    [
      `${callers} callers of ${pairs / callers} documents, ${tokensPerPair.toFixed(0)} tokens a pair`,
      '',
      ...spread(callersPerSecond),
    ],
    [`one call of ${pairs} pairs`, '', ...spread(oneCallPerSecond)],
    ['callers / one call', `>= ${TARGETS.callersOverOneCall}`, ...spread(ratio, 3)],
  ];
}

function mixedRows({ mixed }: UnderLoadResult): Row[] | undefined {
  if (mixed === undefined) return undefined;
  const { callers, tokensPerPair, paddingShare, packedPerSecond, paddedPerSecond, ratio } = mixed;
  return [
    [`${callers} callers, ${tokensPerPair.toFixed(0)} tokens a pair`, '', ...spread(packedPerSecond)],
    [`first come, padded by ${(paddingShare * 100).toFixed(0)} %`, '', ...spread(paddedPerSecond)],
    ['packed / padded', `>= ${TARGETS.packedOverPadded}`, ...spread(ratio, 2)],
  ];
}

function responsiveRows({ eventLoopDelayMs, chunkMs, requests, withinShare }: Responsive): Row[] {
  const { idle, saturated, besideBulk } = eventLoopDelayMs;
  const delay = ({ p50, max }: { p50: number; max: number }) => `(P50 ${ms(p50)}, max ${ms(max)})`;
  const overLimit = requests.map(({ besideBulkMs, limitMs }) => besideBulkMs / limitMs);
  return [
    ['event-loop delay P99, idle', '', ms(idle.p99), delay(idle)],
    ['  at saturation', `< ${TARGETS.eventLoopP99Ms}`, ms(saturated.p99), delay(saturated)],
    ['  beside bulk work', '', ...spread(spreadOf(besideBulk.map(({ p99 }) => p99)), 2)],
    ['a chunk on every lane', '', ...spread(spreadOf(chunkMs))],
    ['interactive request, idle engine', '', ...percentiles(requests.map(({ idleMs }) => idleMs))],
    [
      '  beside bulk work that fills the queue',
      '',
      ...percentiles(requests.map(({ besideBulkMs }) => besideBulkMs)),
    ],
    ['  its limit: 3 chunks + its own time', '', ...percentiles(requests.map(({ limitMs }) => limitMs))],
    [
      `  within its limit, of ${requests.length}`,
      `${TARGETS.withinShare * 100} %`,
      `${(withinShare * 100).toFixed(1)} %`,
      `(time / limit: P50 ${percentile(overLimit, 50).toFixed(2)}, P95 ${percentile(overLimit, 95).toFixed(2)}, max ${Math.max(...overLimit).toFixed(2)})`,
    ],
  ];
}

function cancelRows({ alone, besideOthers }: { alone: Aborts; besideOthers: Aborts }): Row[] {
  const rows = (name: string, { settledMs, answeredBefore, endedRuns, others }: Aborts): Row[] => [
    settledMs.length === 0
      ? [`${name}: abort to rejection`, '', 'none', '']
      : [`${name}: abort to rejection`, '', ...percentiles(settledMs)],
    [
      '  abort to lane free, mean',
      '',
      ms(endedRuns.meanMs),
      `(max ${ms(endedRuns.maxMs)}; ${endedRuns.count} runs ended)`,
    ],
    [
      '  requests aborted',
      '',
      String(settledMs.length),
      `(${answeredBefore} answered before; ${others} of others, all complete)`,
    ],
  ];
  return [...rows('alone', alone), ...rows('beside other callers', besideOthers)];
}

function soakRows(soak: Soak): Row[] {
  const { counts, stats, early, end, requests, callers, elapsedMs } = soak;
  const native = (sample: MemorySample) => sample.residentBytes - sample.heapBytes;
  const most = Math.max(...soak.memory.map(({ residentBytes }) => residentBytes));
  const cachedShare = (counts.cached / Math.max(1, counts.scored)) * 100;
  return [
    [
      `settled exactly once, of ${requests}`,
      String(requests),
      String(counts.settled),
      `(${callers} callers, ${(elapsedMs / 1000).toFixed(0)} s)`,
    ],
    ['complete', '', String(counts.complete), `(${cachedShare.toFixed(0)} % of pairs not scored anew)`],
    ['degraded, timed out', '', `${counts.degraded}, ${counts.timedOut}`, ''],
    ['aborted', '', String(counts.aborted), `(${counts.abortedBefore} before the call)`],
    ['refused, failed', '-, 0', `${counts.refused}, ${counts.failed}`, ''],
    [
      'wrong results, lost or doubled work',
      '0',
      String(soak.problemCount),
      `(${stats.scored.pairs} pairs scored)`,
    ],
    [
      'resident memory at the end',
      `within ${TARGETS.memoryGrowth * 100} %`,
      growth(early.residentBytes, end.residentBytes),
      `(${megabytes(early.residentBytes)} MB after a tenth, ${megabytes(end.residentBytes)} at the end, ${megabytes(most)} at most)`,
    ],
    [
      '  of it outside the JavaScript heap',
      '',
      growth(native(early), native(end)),
      `(${megabytes(native(early))} MB, ${megabytes(native(end))})`,
    ],
  ];
}

function problemLines(soak: Soak | undefined): string[] {
  if (soak === undefined || soak.problemCount === 0) return [];
  return ['', `Faults of the soak (${soak.problemCount})`, ...soak.problems.map((problem) => `  ${problem}`)];
}

function section(title: string, rows: readonly Row[] | undefined): string[] {
  if (rows === undefined) return [];
  return [title, ...rows.map(([name, ...cells]) => line([`  ${name}`, ...cells]))];
}

function line([name, asked, measured, rest]: Row): string {
  return `${name.padEnd(WIDTHS[0])}${asked.padStart(WIDTHS[1])}${measured.padStart(WIDTHS[2])}  ${rest}`.trimEnd();
}

function spread({ min, median, max }: Spread, digits = 1): [string, string] {
  return [median.toFixed(digits), `(${min.toFixed(digits)} to ${max.toFixed(digits)})`];
}

function percentiles(values: readonly number[]): [string, string] {
  return [ms(median(values)), `(P95 ${ms(percentile(values, 95))}, max ${ms(Math.max(...values))})`];
}

function ms(value: number): string {
  return value.toFixed(2);
}

function growth(from: number, to: number): string {
  const percent = (to / from - 1) * 100;
  return `${percent >= 0 ? '+' : ''}${percent.toFixed(1)} %`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}
