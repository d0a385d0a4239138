import { readChoices, readInteger, readSeconds, readValues } from '../../lib/cli/command-line';
import {
  readSubject,
  SUBJECT_OPTIONS,
  SUBJECT_USAGE,
  type SubjectOptions,
  withJsonValue,
} from '../arguments';

export const SCENARIOS = ['throughput', 'mixed', 'responsive', 'cancel', 'soak'] as const;
export type Scenario = (typeof SCENARIOS)[number];

/** What the command line of `bench:load` asks for. */
export interface LoadBenchOptions extends SubjectOptions {
  rounds: number;
  /** Time at saturation, in which the event loop is watched. */
  seconds: number;
  /** Requests of the soak. */
  soak: number;
  only: readonly Scenario[];
  svg: string | undefined;
}

export const USAGE = `npm run bench:load                               the embedded model on this machine
npm run bench:load -- --shape minilm-l6          random weights of a known shape
npm run bench:load -- --only soak --soak 2000

${SUBJECT_USAGE}
  --precision NAME    arithmetic of the model, as the load option of that name; mixed is fp32 on both sides
  --threads N         engine threads (default: all processors)
  --only LIST         of ${SCENARIOS.join(', ')} (default all)
  --rounds N          rounds of throughput, mixed, responsive and cancel (default 5)
  --seconds N         time at saturation (default 10)
  --soak N            requests of the soak (default 20000)
  --json [FILE]       everything measured as JSON, to a file or to standard output
  --svg FILE          latency beside bulk work, throughput, and memory during the soak
  --help

Exit code 1 when the soak finds a request that did not settle exactly once, a wrong result, or work that does not add up.`;

const OPTIONS = {
  ...SUBJECT_OPTIONS,
  only: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  soak: { type: 'string' },
  svg: { type: 'string' },
} as const;

/** @throws UsageError that names the option, what it takes and what came */
export function parseLoadArguments(args: readonly string[]): LoadBenchOptions {
  const values = readValues(withJsonValue(args), OPTIONS);
  return {
    ...readSubject(values),
    rounds: readInteger('rounds', values.rounds ?? '5', 1000),
    seconds: readSeconds('seconds', values.seconds ?? '10'),
    soak: readInteger('soak', values.soak ?? '20000', 1_000_000),
    only: values.only === undefined ? SCENARIOS : readChoices('only', values.only, SCENARIOS),
    svg: values.svg,
  };
}
