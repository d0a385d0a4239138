import {
  type Range,
  readChoice,
  readInteger,
  readList,
  readRange,
  readSeconds,
  readValues,
} from '../../lib/cli/command-line';
import { PRESETS, type Preset } from '../../lib/search/presets';
import { withJsonValue } from '../arguments';

/** What the command line of `bench:search` asks for. */
export interface SearchBenchOptions {
  help: boolean;
  documents: number;
  length: Range;
  /** File of the store; kept between runs, so that the next one embeds nothing. */
  index: string | undefined;
  preset: Preset;
  precision: 'fp32' | 'bf16' | 'int8' | 'auto';
  concurrency: number[];
  seconds: number;
  /** Only index: what it takes, and the memory it holds. */
  indexOnly: boolean;
  json: string | undefined;
}

export const USAGE = `npm run bench:search                             the whole search over 100,000 chunks, embedded models
npm run bench:search -- --documents 5000 --precision bf16
npm run bench:search -- --index-only --documents 1000000 --length 6-14

  --documents N       chunks in the store (default 100000)
  --length MIN-MAX    tokens of a chunk, about (default 80-120)
  --index FILE        the store; kept, so that the next run embeds nothing (default build/bench/search-N-MIN-MAX.store)
  --index-only        measure indexing alone: documents a second and memory
  --preset NAME       ${Object.keys(PRESETS).join(', ')} (default realtime)
  --precision NAME    of embedder and reranker: fp32, bf16, int8 or auto (default int8)
  --concurrency LIST  searches at the same time, one level after the other (default 1,4)
  --seconds N         time for each level (default 20)
  --json [FILE]       everything measured as JSON, to a file or to standard output
  --help`;

const OPTIONS = {
  help: { type: 'boolean' },
  documents: { type: 'string' },
  length: { type: 'string' },
  index: { type: 'string' },
  'index-only': { type: 'boolean' },
  preset: { type: 'string' },
  precision: { type: 'string' },
  concurrency: { type: 'string' },
  seconds: { type: 'string' },
  json: { type: 'string' },
} as const;

/** @throws UsageError that names the option, what it takes and what came */
export function parseSearchArguments(args: readonly string[]): SearchBenchOptions {
  const values = readValues(withJsonValue(args), OPTIONS);
  const presets = Object.keys(PRESETS) as Preset[];
  const precisions = ['fp32', 'bf16', 'int8', 'auto'] as const;
  return {
    help: values.help !== undefined,
    documents:
      values.documents === undefined ? 100_000 : readInteger('documents', values.documents, 100_000_000),
    length: readRange(values.length ?? '80-120'),
    index: values.index,
    preset: readChoice('preset', values.preset, presets) ?? 'realtime',
    precision: readChoice('precision', values.precision, precisions) ?? 'int8',
    concurrency: readList('concurrency', values.concurrency ?? '1,4'),
    seconds: readSeconds('seconds', values.seconds ?? '20'),
    indexOnly: values['index-only'] !== undefined,
    json: values.json,
  };
}
