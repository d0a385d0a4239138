import type { LoadResult } from '../lib/cli/bench/load';
import { type Spread, summarize } from '../lib/statistics';
import type { BenchOptions } from './arguments';
import type { Comparison, Side } from './compare';
import type { Machine, Memory } from './machine';
import type { ModelFacts, Profile } from './measure';
import { shareOfProducts } from './products';

const STAGES = ['tokenize', 'queue', 'compute', 'total'] as const;
/** Below this the 99th percentile by nearest rank is simply the slowest request. */
const ENOUGH_FOR_P99 = 100;

export function profileReport(profile: Profile, options: BenchOptions): string {
  const { machine, model, levels, memory } = profile;
  const fewest = Math.min(...levels.map(({ requests }) => requests));
  const idle = model.idleDelayMs.p99;
  return [
    ...facts(machine, model, options, levels),
    '',
    'Latency in ms      concurrency       P50       P95       P99',
    ...levels.flatMap(latencyRows),
    '',
    'Throughput         concurrency  requests   pairs/s  tokens/s    event-loop delay P99, max (ms)',
    ...levels.map(throughputRow),
    '',
    ...productLines(profile),
    `Memory             ${memoryLine(model, memory)}`,
    '',
    ...(fewest < ENOUGH_FOR_P99
      ? [`P99 of fewer than ${ENOUGH_FOR_P99} requests is the slowest one; --seconds gives more.`]
      : []),
    `Event-loop delay: time between ticks of a 1 ms timer, less that 1 ms; idle before loading P99 ${fixed(idle, 2)} ms.`,
  ].join('\n');
}

export function comparisonReport(comparison: Comparison, options: BenchOptions): string {
  const {
    machine,
    packed,
    padded,
    ratio,
    processorRatio,
    rounds,
    scoreDifference,
    scoreSize,
    tokensPerPair,
  } = comparison;
  return [
    ...facts(machine, packed.model, options, undefined),
    `                   ${rounds.length} rounds in turns, one query each; ${fixed(tokensPerPair, 1)} tokens a pair`,
    'Padded             the same weights as an exported model.onnx, 32 rows a batch, sorted by length, same ONNX Runtime',
    '',
    'pairs/s                    min    median       max',
    `  packed            ${spread(packed.pairsPerSecond, 1)}`,
    `  padded            ${spread(padded.pairsPerSecond, 1)}`,
    `  packed / padded   ${spread(ratio, 2)}`,
    'pairs per second of processor time',
    `  packed            ${spread(packed.pairsPerProcessorSecond, 1)}`,
    `  padded            ${spread(padded.pairsPerProcessorSecond, 1)}`,
    `  packed / padded   ${spread(processorRatio, 2)}`,
    '',
    'Loading                 load ms   resident after, at most (MB)   growth by loading (MB)',
    sideRow('packed', packed),
    sideRow('padded', padded),
    '',
    `Agreement          raw scores differ by at most ${scoreDifference.toExponential(1)}; the largest is ${fixed(scoreSize, 3)}`,
    `Memory             ${memoryLine(packed.model, packed.memory)}`,
  ].join('\n');
}

function productLines({ products, model, levels }: Profile): string[] {
  if (products === null) return [];
  const shares = levels.map((level) => shareOfProducts(products, model.info, level));
  return [
    `Matrix products    ${fixed((products.multiplyAddsPerSecond * 2) / 1e9, 0)} billion operations a second when nothing else runs; ` +
      `the whole encoder reached ${fixed(Math.max(...shares) * 100, 0)} % of it`,
  ];
}

function facts(
  machine: Machine,
  model: ModelFacts,
  options: BenchOptions,
  levels: LoadResult[] | undefined,
): string[] {
  const { info } = model;
  const { min, max } = options.length;
  const pairs = levels?.reduce((sum, level) => sum + level.pairs, 0) ?? 0;
  const tokens = levels?.reduce((sum, level) => sum + level.tokens, 0) ?? 0;
  const measured =
    levels === undefined ? '' : `; ${fixed(tokens / pairs, 1)} tokens a pair, ${options.seconds} s a level`;
  return [
    `Machine            ${machine.cpu}, ${machine.usableProcessors} of ${machine.processors} processors, ` +
      `${fixed(machine.memoryBytes / 1e9, 0)} GB; ${machine.platform}, Node ${machine.node}`,
    `                   ${machine.instructionSets}`,
    `Model              ${model.name}${model.synthetic ? ' (random weights)' : ''}: ${info.architecture}, ` +
      `${fixed(info.parameters / 1e6, 1)} M parameters, ${info.layers} layers of ${info.hiddenSize}`,
    `                   ${info.precision}, ${info.threads} threads, ${info.kernels.linear} and ${info.kernels.attention} kernels, ` +
      `ONNX Runtime ${info.onnxRuntime.version}; loaded in ${fixed(model.loadMs, 0)} ms`,
    `Load               ${options.documents} documents of ${min === max ? min : `${min}-${max}`} tokens a query${measured}`,
  ];
}

function latencyRows({ concurrency, times }: LoadResult): string[] {
  return STAGES.map((stage, i) => {
    const { p50, p95, p99 } = summarize(times[stage]);
    const level = i === 0 ? String(concurrency) : '';
    return `  ${stage.padEnd(17)}${level.padStart(11)}${[p50, p95, p99].map((value) => fixed(value, 1).padStart(10)).join('')}`;
  });
}

function throughputRow({
  concurrency,
  requests,
  pairs,
  tokens,
  elapsedMs,
  eventLoopDelayMs,
}: LoadResult): string {
  const rate = (count: number, digits: number) => fixed((count / elapsedMs) * 1000, digits).padStart(10);
  const delay = `${fixed(eventLoopDelayMs.p99, 2)}, ${fixed(eventLoopDelayMs.max, 2)}`.padStart(20);
  return `${String(concurrency).padStart(30)}${String(requests).padStart(10)}${rate(pairs, 1)}${rate(tokens, 0)}${delay}`;
}

function memoryLine({ info, before, after }: ModelFacts, { residentBytes, peakBytes }: Memory): string {
  const fp32 = info.parameters * 4;
  const [start, loaded, now, peak] = [before, after]
    .map((memory) => memory.residentBytes)
    .concat(residentBytes, peakBytes)
    .map(megabytes);
  const budget = info.packed ? `; 1.3 x fp32 weights + 150 MB is ${megabytes(fp32 * 1.3 + 150e6)}` : '';
  return (
    `weights ${megabytes(info.memory.weights)} MB (as fp32 ${megabytes(fp32)}); resident ${start} before loading, ` +
    `${loaded} after, ${now} at the end, ${peak} at most${budget}`
  );
}

function sideRow(name: string, { model, memory }: Side): string {
  const after = megabytes(model.after.residentBytes).padStart(15);
  const growth = megabytes(model.after.residentBytes - model.before.residentBytes).padStart(25);
  return `  ${name.padEnd(18)}${fixed(model.loadMs, 0).padStart(11)}${after}, ${megabytes(memory.peakBytes).padEnd(8)}${growth}`;
}

function spread({ min, median, max }: Spread, digits: number): string {
  return [min, median, max].map((value) => fixed(value, digits).padStart(10)).join('');
}

function megabytes(bytes: number): string {
  return fixed(bytes / 1e6, 0);
}

function fixed(value: number, digits: number): string {
  return value.toFixed(digits);
}
