import { type Range, readInteger, readRange, readValues } from '../../lib/cli/command-line';
import { readSubject, type SubjectOptions, withJsonValue } from '../arguments';
import { SHAPE_NAMES } from '../shapes';

/** What the command line of `bench:embed` asks for. */
export interface EmbedBenchOptions extends SubjectOptions {
  help: boolean;
  precision: string | undefined;
  /** Texts a round. */
  texts: number;
  /** Words a text, drawn evenly. */
  words: Range;
  rounds: number;
  /** A file, or `-` for standard output in place of the report. */
  json: string | undefined;
}

export const USAGE = `npm run bench:embed                              the embedded embedding model on this machine
npm run bench:embed -- --shape minilm-l6         random weights of a known shape

Embeds the same texts with the packed engine and with the same weights exported to ONNX and run padded, in turns.

  --model FOLDER      a Hugging Face model folder instead of the embedded model
  --shape NAME        random weights in the shape of a published model: ${SHAPE_NAMES.filter((name) => name !== 'tiny').join(', ')};
                      tiny is for trying the bench
  --precision NAME    arithmetic of the packed side, as the load option of that name; the exported graph is fp32
  --threads N         engine threads of both sides (default: all processors)
  --texts N           texts a round (default 200)
  --length MIN-MAX    words a text (default 60-130)
  --rounds N          rounds (default 7)
  --json [FILE]       everything measured as JSON, to a file or to standard output
  --help`;

const OPTIONS = {
  help: { type: 'boolean' },
  model: { type: 'string' },
  shape: { type: 'string' },
  precision: { type: 'string' },
  threads: { type: 'string' },
  texts: { type: 'string' },
  length: { type: 'string' },
  rounds: { type: 'string' },
  json: { type: 'string' },
} as const;

/** @throws UsageError that names the option, what it takes and what came */
export function parseEmbedArguments(args: readonly string[]): EmbedBenchOptions {
  const values = readValues(withJsonValue(args), OPTIONS);
  return {
    help: values.help !== undefined,
    ...readSubject(values),
    precision: values.precision,
    texts: readInteger('texts', values.texts ?? '200', 100_000),
    words: readRange(values.length ?? '60-130'),
    rounds: readInteger('rounds', values.rounds ?? '7', 10_000),
    json: values.json,
  };
}
