import { type Range, readInteger, readRange, readValues, UsageError } from '../../lib/cli/command-line';
import {
  readSubject,
  SUBJECT_OPTIONS,
  SUBJECT_USAGE,
  type SubjectOptions,
  withJsonValue,
} from '../arguments';

/** Documents of a query. */
export const DOCUMENTS = 20;

/** What the command line of `bench:bulk` asks for. */
export interface BulkBenchOptions extends SubjectOptions {
  /** Of either side, all rounds together. */
  pairs: number;
  rounds: number;
  workers: number;
  /** Tokens a document. */
  length: Range;
  /** Undefined: a Redis of its own. */
  redis: string | undefined;
}

export const USAGE = `npm run bench:bulk                               two workers through Redis and the library itself, in turns
npm run bench:bulk -- --pairs 200000 --length 20-40

${SUBJECT_USAGE}
  --precision NAME    arithmetic of the model, as the load option of that name
  --threads N         engine threads of the library (default: all processors); the workers divide them
  --pairs N           of either side, all rounds together (default 10000)
  --rounds N          (default 5)
  --workers N         (default 2)
  --length MIN-MAX    tokens a document (default 60-130)
  --redis URL         (default: redis-server of this machine is started for the bench, appendonly)
  --json [FILE]       everything measured as JSON, to a file or to standard output
  --help

A round of the workers is crossrank submit from its start to its end, files read and written; one of the library is the
same questions, read from the same file, with 16 under way.`;

const OPTIONS = {
  ...SUBJECT_OPTIONS,
  pairs: { type: 'string' },
  rounds: { type: 'string' },
  workers: { type: 'string' },
  length: { type: 'string' },
  redis: { type: 'string' },
} as const;

/** @throws UsageError that names the option, what it takes and what came */
export function parseBulkArguments(args: readonly string[]): BulkBenchOptions {
  const values = readValues(withJsonValue(args), OPTIONS);
  const rounds = readInteger('rounds', values.rounds ?? '5', 1000);
  const pairs = readInteger('pairs', values.pairs ?? '10000', 1_000_000_000);
  if (pairs < rounds * DOCUMENTS) throw new UsageError(`--pairs takes ${DOCUMENTS} a round at least`);
  return {
    ...readSubject(values),
    ...{ pairs, rounds, redis: values.redis },
    workers: readInteger('workers', values.workers ?? '2', 256),
    length: readRange(values.length ?? '60-130'),
  };
}
