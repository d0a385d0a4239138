import { modelName } from '../embedding/model-name';
import { CPU_LEVELS, type Precision } from '../options';
import { PASSAGES, QUERIES } from '../precision/pairs';
import { significant } from '../precision/parity';
import { COMPARED_PRECISIONS, type VerifyReport, verifyPrecisions } from '../precision/verify';
import { Reranker } from '../reranker';
import { readChoice, readModel, readValues } from './command-line';
import { modelFolder } from './model-folder';
import { Progress } from './progress';
import { formatTable } from './table';

const OPTIONS = {
  precision: { type: 'string' },
  cpu: { type: 'string' },
  json: { type: 'boolean' },
} as const;

export const help = `crossrank verify [MODEL]     whether precisions keep the scores and rankings of fp32, and fp32 those of golden.json

MODEL is a model folder, or ORGANISATION/NAME of the hub; without it the embedded model.

  --precision P              bf16x3, bf16, int8 or all (default all), or fp32: golden.json alone
  --cpu LEVEL                kernels of a lower instruction set, as the option cpu of load
  --json                     the report as JSON`;

export async function run(args: readonly string[]): Promise<number> {
  const positionals: string[] = [];
  const values = readValues(args, OPTIONS, positionals);
  const model = readModel(positionals);
  const choices = ['all', 'fp32', ...COMPARED_PRECISIONS] as const;
  const asked = readChoice('precision', values.precision, choices) ?? 'all';
  const level = readChoice('cpu', values.cpu, CPU_LEVELS);
  const cpu = level === undefined ? {} : { cpu: level };

  const progress = new Progress();
  let report: VerifyReport;
  try {
    const folder = await modelFolder(model, progress);
    const open = (precision: Precision) => Reranker.load(folder, { ...cpu, precision, profile: false });
    report = await verifyPrecisions(open, asked === 'all' ? COMPARED_PRECISIONS : [asked], (what, done) =>
      progress.show(`scoring in ${what}`, done),
    );
  } finally {
    progress.clear();
  }
  const holds = report.holds && (asked === 'all' || report.refused.length === 0);
  console.log(values.json === undefined ? describeReport(report) : JSON.stringify({ ...report, holds }));
  return holds ? 0 : 1;
}

function describeReport({ model, golden, precisions, refused }: VerifyReport): string {
  const lines = [`${modelName(model)}  ${model}`];
  if (golden === undefined) lines.push('golden.json  none beside the model');
  else {
    const { cases, maxDifference, broken } = golden;
    const verdict = broken.length === 0 ? 'holds' : `FAILS in ${broken.length}: ${broken[0]}`;
    lines.push(`golden.json  ${cases} cases, largest difference ${significant(maxDifference)}: ${verdict}`);
  }
  const [first] = precisions;
  if (first !== undefined) {
    const pairs = QUERIES.length * PASSAGES.length;
    const spread = first.parity.spread.toFixed(2);
    lines.push(
      '',
      `against fp32 on ${pairs} built-in pairs, ${QUERIES.length} queries; raw scores spread over ${spread}`,
    );
    lines.push(formatTable(HEADINGS, precisions.map(rowOf)));
    for (const { precision, broken } of precisions) {
      if (broken.length > 0) lines.push(`${precision}: ${broken.join(', and ')}`);
    }
  }
  for (const { precision, reason } of refused) lines.push(`${precision} not compared: ${reason}`);
  return lines.join('\n');
}

const HEADINGS = ['precision', 'max diff', 'mean diff', 'tau', 'at least', 'left top 10', 'worst', ''];

function rowOf({ precision, parity, limits, broken }: VerifyReport['precisions'][number]): string[] {
  const { maxDifference, meanDifference, tau, top10 } = parity;
  return [
    precision,
    significant(maxDifference),
    significant(meanDifference),
    tau === null ? '-' : tau.toFixed(4),
    tau === null ? '-' : String(limits.tau),
    top10 === null ? '-' : top10.meanChanged.toFixed(2),
    top10 === null ? '-' : String(top10.mostChanged),
    broken.length === 0 ? 'holds' : 'FAILS',
  ];
}
