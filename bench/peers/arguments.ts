import { type Range, readChoice, readInteger, readRange, readValues } from '../../lib/cli/command-line';
import { readModelChoice } from '../arguments';
import { SHAPE_NAMES, type ShapeName } from '../shapes';
import { PEERS } from './contenders';

/** Contenders are compared with those whose scores are of the same kind. */
export const PRECISIONS = ['fp32', 'bf16', 'int8'] as const;
export type PrecisionClass = (typeof PRECISIONS)[number];

export interface PeersOptions {
  help: boolean;
  install: boolean;
  model: string | undefined;
  shape: ShapeName;
  rounds: number;
  documents: number;
  /** Tokens a document. */
  length: Range;
  /** Requests of 50 documents in each round. */
  requests: number;
  /** Requests by which a way to use a peer is tried; 0 takes the documented one. */
  probe: number;
  only: readonly string[];
  precision: readonly PrecisionClass[];
  threads: number | undefined;
  json: string | undefined;
  svg: string | undefined;
}

export const USAGE = `npm run bench:peers -- --install                 puts the peers into build/peers (about 7 GB)
npm run bench:peers -- --shape minilm-l6         random weights of a known shape
npm run bench:peers -- --model FOLDER            a Hugging Face model folder

  --shape NAME        ${SHAPE_NAMES.join(', ')} (default minilm-l6)
  --rounds N          each contender scores one query a round (default 5)
  --documents N       documents a query (default 100)
  --length MIN-MAX    tokens a document (default 60-130)
  --requests N        requests of 50 documents a round (default 2)
  --only LIST         of ${PEERS.join(', ')} (default all)
  --precision LIST    of ${PRECISIONS.join(', ')} (default all)
  --probe N           requests by which each way to use a peer is tried first (default 2; 0: as documented)
  --threads N         engine threads of crossrank (default all processors, as the peers)
  --json FILE         everything measured
  --svg FILE          a chart
  --help`;

const OPTIONS = {
  help: { type: 'boolean' },
  install: { type: 'boolean' },
  model: { type: 'string' },
  shape: { type: 'string' },
  rounds: { type: 'string' },
  documents: { type: 'string' },
  length: { type: 'string' },
  requests: { type: 'string' },
  probe: { type: 'string' },
  only: { type: 'string' },
  precision: { type: 'string' },
  threads: { type: 'string' },
  json: { type: 'string' },
  svg: { type: 'string' },
} as const;

/** @throws UsageError that names the option, what it takes and what came */
export function parsePeersArguments(args: readonly string[]): PeersOptions {
  const values = readValues(args, OPTIONS);
  const integer = (name: 'rounds' | 'documents' | 'requests', missing: string, max: number) =>
    readInteger(name, values[name] ?? missing, max);
  const subject = readModelChoice(values);
  const length = readRange(values.length ?? '60-130');
  return {
    help: values.help !== undefined,
    install: values.install !== undefined,
    ...subject,
    shape: subject.shape ?? 'minilm-l6',
    rounds: integer('rounds', '5', 1000),
    documents: integer('documents', '100', 10_000),
    length,
    requests: integer('requests', '2', 1000),
    probe: values.probe === '0' ? 0 : readInteger('probe', values.probe ?? '2', 100),
    only: readChoices('only', values.only, PEERS),
    precision: readChoices('precision', values.precision, PRECISIONS),
    json: values.json,
    svg: values.svg,
  };
}

function readChoices<T extends string>(
  name: string,
  text: string | undefined,
  choices: readonly T[],
): readonly T[] {
  if (text === undefined) return choices;
  return text.split(',').map((item) => readChoice(name, item, choices) as T);
}
