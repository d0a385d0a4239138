import { PRECISIONS } from './arguments';
import type { Measured, PeersResult } from './result';

/** Columns of the table: heading, width, and what stands in a row. */
const COLUMNS: readonly [string, number, (measured: Measured) => string][] = [
  ['pairs/s', 9, ({ pairsPerSecond }) => rate(pairsPerSecond.median)],
  ['(min to max)', 19, ({ pairsPerSecond: { min, max } }) => `(${rate(min)} to ${rate(max)})`],
  ['tokens/s', 10, ({ tokensPerSecond }) => tokensPerSecond.median.toFixed(0)],
  ['P50 ms', 9, ({ requestMs }) => requestMs.p50.toFixed(0)],
  ['P95 ms', 9, ({ requestMs }) => requestMs.p95.toFixed(0)],
  ['peak MB', 9, ({ peakBytes }) => (peakBytes / 1e6).toFixed(0)],
  ['max diff', 10, ({ agreement }) => agreement.maxDifference.toExponential(1)],
  ['tau', 8, ({ agreement }) => agreement.kendall.toFixed(4)],
  ['rho', 8, ({ agreement }) => agreement.spearman.toFixed(4)],
];
const NAME = 36;

export function peersReport(result: PeersResult): string {
  const { machine, model, measured, ratios, absent, probes } = result;
  const name = `${model.name}${model.synthetic ? ' (random weights)' : ''}`;
  const order = result.together ? 'all loaded at once' : 'one precision after the other (memory)';
  return [
    `Machine    ${machine.cpu}, ${machine.usableProcessors} of ${machine.processors} processors, ` +
      `${(machine.memoryBytes / 1e9).toFixed(0)} GB; ${machine.platform}, Node ${machine.node}`,
    `           ${machine.instructionSets}`,
    `Model      ${name}, ${(model.parameters / 1e6).toFixed(1)} M parameters`,
    `Load       ${result.documents} documents a query, ${result.tokensPerPair.toFixed(1)} tokens a pair; ` +
      `${result.rounds} rounds in turns, ${order}`,
    `           latency of ${result.requestDocuments} documents; agreement of logits with ${result.reference}`,
    `Command    ${result.command} (${result.date.slice(0, 10)})`,
    '',
    `${''.padEnd(NAME)}${COLUMNS.map(([heading, width]) => heading.padStart(width)).join('')}`,
    ...PRECISIONS.flatMap((precision) => {
      const rows = measured.filter((each) => each.precision === precision);
      return rows.length === 0 ? [] : [precision, ...rows.map(row)];
    }),
    ...section('Pairs a second, round by round', ratios, ({ of, over, ratio }) => {
      const factor = `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)} to ${ratio.max.toFixed(2)})`;
      return `  ${of} / ${over}`.padEnd(NAME + 18) + factor;
    }),
    ...section('How each was used', measured, ({ name, how, execution, versions, loadMs }) => {
      const of = Object.entries(versions).map(([library, version]) => `${library} ${version}`);
      return `  ${name.padEnd(NAME - 2)}${[how, execution, ...of, `loaded in ${loadMs.toFixed(0)} ms`].join('; ')}`;
    }),
    ...section(
      'Ways tried, pairs/s of the fastest request',
      probes,
      ({ contender, how, pairsPerSecond, error }) => {
        const found = pairsPerSecond === undefined ? `failed: ${error}` : rate(pairsPerSecond);
        return `  ${contender.padEnd(20)}${how.padEnd(58)}${found}`;
      },
    ),
    ...section('Not measured', absent, ({ name, reason }) => `  ${name.padEnd(NAME - 2)}${reason}`),
  ].join('\n');
}

function row(measured: Measured): string {
  return `  ${measured.name.padEnd(NAME - 2)}${COLUMNS.map(([, width, cell]) => cell(measured).padStart(width)).join('')}`;
}

function section<T>(title: string, items: readonly T[], line: (item: T) => string): string[] {
  return items.length === 0 ? [] : ['', title, ...items.map(line)];
}

function rate(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}
