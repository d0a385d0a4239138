import {
  type Range,
  readChoice,
  readInteger,
  readList,
  readRange,
  readSeconds,
  readValues,
  UsageError,
} from '../lib/cli/command-line';
import { SHAPE_NAMES, type ShapeName } from './shapes';

export { type Range, UsageError };

/** Which model is measured, with how many threads. */
export interface ModelChoice {
  model: string | undefined;
  shape: ShapeName | undefined;
  threads: number | undefined;
}

/** What most benches are told. */
export interface SubjectOptions extends ModelChoice {
  help: boolean;
  precision: string | undefined;
  /** A file, or `-` for standard output in place of the report. */
  json: string | undefined;
}

export const SUBJECT_OPTIONS = {
  help: { type: 'boolean' },
  model: { type: 'string' },
  shape: { type: 'string' },
  precision: { type: 'string' },
  threads: { type: 'string' },
  json: { type: 'string' },
} as const;

/** Lines of `--help` about the model. */
export const SUBJECT_USAGE = `  --model FOLDER      a Hugging Face model folder instead of the embedded model
  --shape NAME        random weights in the shape of a published model: ${SHAPE_NAMES.filter((name) => name !== 'tiny').join(', ')};
                      tiny is for trying the bench`;

/** What the command line of the bench asks for. */
export interface BenchOptions extends SubjectOptions {
  /** Documents a query. */
  documents: number;
  /** Tokens a document, special tokens and query not counted. */
  length: Range;
  /** Requests at the same time; each is measured in turn. */
  concurrency: number[];
  /** Time for each concurrency. */
  seconds: number;
  /** Rounds of a comparison; each runs one query on either side. */
  rounds: number;
  compare: 'padded' | undefined;
  plot: string | undefined;
}

export const USAGE = `npm run bench                                    the embedded model on this machine
npm run bench -- --shape minilm-l6               random weights of a known shape
npm run bench -- --shape minilm-l6 --compare padded

${SUBJECT_USAGE}
  --precision NAME    arithmetic of the model, as the load option of that name
  --threads N         engine threads (default: all processors)
  --documents N       documents a query (default 100)
  --length MIN-MAX    tokens a document (default 60-130)
  --concurrency LIST  requests at the same time, one level after the other (default 1,2,4)
  --seconds N         time for each level (default 8)
  --compare padded    the same weights exported to ONNX and run padded, in turns with the packed engine
  --rounds N          rounds of a comparison (default 7)
  --json [FILE]       everything measured as JSON, to a file or to standard output
  --plot FILE.svg     latency distribution and throughput by concurrency
  --help`;

const OPTIONS = {
  ...SUBJECT_OPTIONS,
  documents: { type: 'string' },
  'documents-per-query': { type: 'string' },
  length: { type: 'string' },
  concurrency: { type: 'string' },
  seconds: { type: 'string' },
  rounds: { type: 'string' },
  compare: { type: 'string' },
  plot: { type: 'string' },
} as const;

type OptionName = keyof typeof OPTIONS;

/** @throws UsageError that names the option, what it takes and what came */
export function parseBenchArguments(args: readonly string[]): BenchOptions {
  const values = readValues(withJsonValue(args), OPTIONS);
  const integer = (name: OptionName, missing: number, max: number) =>
    values[name] === undefined ? missing : readInteger(name, values[name], max);
  const options: BenchOptions = {
    ...readSubject(values),
    documents: integer(values.documents === undefined ? 'documents-per-query' : 'documents', 100, 100_000),
    length: readRange(values.length ?? '60-130'),
    concurrency: readList('concurrency', values.concurrency ?? '1,2,4'),
    seconds: readSeconds('seconds', values.seconds ?? '8'),
    rounds: integer('rounds', 7, 10_000),
    compare: readChoice('compare', values.compare, ['padded'] as const),
    plot: values.plot,
  };
  if (options.plot !== undefined && options.compare !== undefined) {
    throw new UsageError(
      '--plot draws latency by concurrency, which --compare does not measure; give one of them',
    );
  }
  return options;
}

/** @throws UsageError */
export function readSubject({
  help,
  json,
  precision,
  ...model
}: Partial<Record<keyof typeof SUBJECT_OPTIONS, string>>): SubjectOptions {
  return { help: help !== undefined, ...readModelChoice(model), precision, json };
}

/** @throws UsageError */
export function readModelChoice({
  model,
  shape,
  threads,
}: Partial<Record<keyof ModelChoice, string>>): ModelChoice {
  if (model !== undefined && shape !== undefined) {
    throw new UsageError('--model and --shape name two models; give one of them');
  }
  return {
    model,
    shape: readChoice('shape', shape, SHAPE_NAMES),
    threads: threads === undefined ? undefined : readInteger('threads', threads, 1024),
  };
}

/** `--json` alone means standard output. */
export function withJsonValue(args: readonly string[]): string[] {
  return args.flatMap((arg, i) => {
    const next = args[i + 1];
    return arg === '--json' && (next === undefined || next.startsWith('--')) ? ['--json', '-'] : [arg];
  });
}
