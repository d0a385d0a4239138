import { type Range, readInteger, readRange, readValues } from '../../lib/cli/command-line';
import {
  readSubject,
  SUBJECT_OPTIONS,
  SUBJECT_USAGE,
  type SubjectOptions,
  withJsonValue,
} from '../arguments';

/** What the command line of `bench:embed` asks for. */
export interface EmbedBenchOptions extends SubjectOptions {
  /** Texts a round. */
  texts: number;
  /** Words a text, drawn evenly. */
  words: Range;
  rounds: number;
}

export const USAGE = `npm run bench:embed                              the embedded embedding model on this machine
npm run bench:embed -- --shape minilm-l6         random weights of a known shape

Embeds the same texts with the packed engine and with the same weights exported to ONNX and run padded, in turns.

${SUBJECT_USAGE}
  --precision NAME    arithmetic of the packed side, as the load option of that name; the exported graph is fp32
  --threads N         engine threads of both sides (default: all processors)
  --texts N           texts a round (default 200)
  --length MIN-MAX    words a text (default 60-130)
  --rounds N          rounds (default 7)
  --json [FILE]       everything measured as JSON, to a file or to standard output
  --help`;

const OPTIONS = {
  ...SUBJECT_OPTIONS,
  texts: { type: 'string' },
  length: { type: 'string' },
  rounds: { type: 'string' },
} as const;

/** @throws UsageError that names the option, what it takes and what came */
export function parseEmbedArguments(args: readonly string[]): EmbedBenchOptions {
  const values = readValues(withJsonValue(args), OPTIONS);
  return {
    ...readSubject(values),
    texts: readInteger('texts', values.texts ?? '200', 100_000),
    words: readRange(values.length ?? '60-130'),
    rounds: readInteger('rounds', values.rounds ?? '7', 10_000),
  };
}
