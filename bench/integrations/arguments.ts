import { readChoices, readInteger, readValues } from '../../lib/cli/command-line';
import {
  readSubject,
  SUBJECT_OPTIONS,
  SUBJECT_USAGE,
  type SubjectOptions,
  withJsonValue,
} from '../arguments';
import { SIDES, type SideName } from './sides';

/** What the command line of `bench:integrations` asks for. */
export interface IntegrationBenchOptions extends SubjectOptions {
  only: readonly SideName[];
  rounds: number;
  /** Of either side in a round. */
  requests: number;
}

const NAMES = Object.keys(SIDES) as SideName[];
/** In a list, names end at commas. */
const known = (name: SideName) => name.replaceAll(/,? /g, '-');

export const USAGE = `npm run bench:integrations                       each framework and the library itself, in turns

${SUBJECT_USAGE}
  --precision NAME    arithmetic of the models, as the load option of that name
  --threads N         engine threads (default: all processors)
  --only LIST         of ${NAMES.map(known).join(', ')} (default all)
  --rounds N          of each (default 7)
  --requests N        of either side in a round (default 16)
  --json [FILE]       everything measured as JSON, to a file or to standard output
  --help

The first, library, is the library against itself: the noise of this machine.`;

const OPTIONS = {
  ...SUBJECT_OPTIONS,
  only: { type: 'string' },
  rounds: { type: 'string' },
  requests: { type: 'string' },
} as const;

/** @throws UsageError that names the option, what it takes and what came */
export function parseIntegrationArguments(args: readonly string[]): IntegrationBenchOptions {
  const values = readValues(withJsonValue(args), OPTIONS);
  const chosen = values.only === undefined ? undefined : readChoices('only', values.only, NAMES.map(known));
  return {
    ...readSubject(values),
    only: NAMES.filter((name) => chosen === undefined || chosen.includes(known(name))),
    rounds: readInteger('rounds', values.rounds ?? '7', 1000),
    requests: readInteger('requests', values.requests ?? '16', 100_000),
  };
}
