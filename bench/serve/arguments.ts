import { readChoices, readInteger, readSeconds, readValues } from '../../lib/cli/command-line';
import {
  readSubject,
  SUBJECT_OPTIONS,
  SUBJECT_USAGE,
  type SubjectOptions,
  withJsonValue,
} from '../arguments';

export const PARTS = ['throughput', 'small', 'held'] as const;
export type Part = (typeof PARTS)[number];

/** What the command line of `bench:serve` asks for. */
export interface ServeBenchOptions extends SubjectOptions {
  only: readonly Part[];
  rounds: number;
  /** Time of either side in a round of throughput. */
  seconds: number;
  connections: number;
  /** Time for which the connections are held. */
  holdSeconds: number;
}

export const USAGE = `npm run bench:serve                              the embedded model, served and as a library, in turns
npm run bench:serve -- --only held --hold 600    200 connections for ten minutes

${SUBJECT_USAGE}
  --precision NAME    arithmetic of the model, as the load option of that name
  --threads N         engine threads (default: all processors)
  --only LIST         of ${PARTS.join(', ')} (default all)
  --rounds N          rounds of throughput and small (default 7)
  --seconds N         time of either side in a round of throughput (default 3)
  --connections N     held at the same time (default 200)
  --hold N            seconds for which they are held (default 60)
  --json [FILE]       everything measured as JSON, to a file or to standard output
  --help

The server and the library run in processes of their own, and so does the load. Exit code 1 where a held connection met an
error other than 429.`;

const OPTIONS = {
  ...SUBJECT_OPTIONS,
  only: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  connections: { type: 'string' },
  hold: { type: 'string' },
} as const;

/** @throws UsageError that names the option, what it takes and what came */
export function parseServeArguments(args: readonly string[]): ServeBenchOptions {
  const values = readValues(withJsonValue(args), OPTIONS);
  return {
    ...readSubject(values),
    only: values.only === undefined ? PARTS : readChoices('only', values.only, PARTS),
    rounds: readInteger('rounds', values.rounds ?? '7', 1000),
    seconds: readSeconds('seconds', values.seconds ?? '3'),
    connections: readInteger('connections', values.connections ?? '200', 10_000),
    holdSeconds: readSeconds('hold', values.hold ?? '60'),
  };
}
