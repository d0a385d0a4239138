import { Embedder } from '../embedder';
import type { EmbedTextOptions } from '../embedding/options';
import { type OptionValues, readChoice, readInteger, readValues, UsageError } from './command-line';
import { openVectorWriter, VECTOR_FORMATS, type VectorFormat, vectorFormatOf } from './embed/vector-writer';
import { inOrder } from './in-order';
import { readTexts, TEXT_FORMATS, type TextRecord, type TextsOptions } from './input/texts';
import { MODEL_OPTIONS, readLoadOptions, UNBOUNDED_QUEUE } from './model-options';
import { type Output, whileRead } from './output';
import { Progress } from './progress';

const OPTIONS = {
  kind: { type: 'string' },
  normalize: { type: 'string' },
  'max-length': { type: 'string' },
  format: { type: 'string' },
  output: { type: 'string' },
  'input-format': { type: 'string' },
  text: { type: 'string' },
  id: { type: 'string' },
  ...MODEL_OPTIONS,
} as const;

export const help = `crossrank embed [FILE]...    turns texts into vectors, in constant memory

FILE, or - for standard input (default): a text a line, as .jsonl (a string or an object), .tsv (id, tab, text) or
plain text. Vectors come in the order of the texts.

  --kind K                   query or document: puts the model's prefix before each text (default: none)
  --format F                 jsonl: {"id", "embedding"} a line; f32: values alone, little-endian float32; npy: an array
                             for numpy.load, which needs --output (default by the name of --output, else jsonl)
  --output FILE              FILE.partial until it is whole (default standard output)
  --input-format F           jsonl, tsv or text (default by the name; of standard input by its first line)
  --text FIELD, --id FIELD   of JSON objects (default text, and id or _id where they are there)
  --normalize yes|no         whether vectors have length 1 (default as the model says)
  --max-length N             tokens of a text (default as the model says)
  --model FOLDER             a model folder (default the embedded model)
  --precision P              auto, fp32, bf16x3, bf16 or int8 (default auto)
  --threads N                (default all processors)

Example: crossrank embed corpus.jsonl --kind document --output corpus.npy`;

interface EmbedTask {
  paths: string[];
  input: TextsOptions;
  format: VectorFormat;
  path: string | undefined;
  options: EmbedTextOptions;
}

/** A batch ends with as many texts, or UTF-16 units. */
const BATCH_TEXTS = 128;
const BATCH_UNITS = 1 << 18;
/** Batches under way: one is written while the next is embedded. */
const AT_ONCE = 3;

export async function run(args: readonly string[]): Promise<number> {
  const positionals: string[] = [];
  const values = readValues(args, OPTIONS, positionals);
  const task = readTask(values, positionals);
  const normalize = readChoice('normalize', values.normalize, ['yes', 'no'] as const);
  const load = () =>
    Embedder.load(values.model, {
      ...readLoadOptions(values),
      ...UNBOUNDED_QUEUE,
      cache: false,
      ...(normalize === undefined ? {} : { normalize: normalize === 'yes' }),
    });
  const progress = new Progress();
  const done = { texts: 0, partial: undefined as string | undefined };
  try {
    return await whileRead(
      (output, signal) =>
        embedAll(load, task, output, signal, (texts, partial) => {
          Object.assign(done, { texts, partial });
          if (task.path !== undefined) progress.show(`${texts} texts`, 0);
        }),
      () => {
        progress.clear();
        const where = done.partial === undefined ? '' : `; they are in ${done.partial}`;
        return `interrupted after ${done.texts} texts${where}`;
      },
    );
  } finally {
    progress.clear();
  }
}

function readTask(values: OptionValues<typeof OPTIONS>, paths: readonly string[]): EmbedTask {
  const { output, text, id } = values;
  const path = output === '-' ? undefined : output;
  const format = readChoice('format', values.format, VECTOR_FORMATS) ?? vectorFormatOf(path);
  if (format === 'npy' && path === undefined) {
    throw new UsageError('--format npy needs --output FILE: how many rows there are stands at its start');
  }
  if (format === 'f32' && path === undefined && process.stdout.isTTY) {
    throw new UsageError('--format f32 is not for a terminal: give --output FILE, or a pipe');
  }
  if (paths.filter((each) => each === '-').length > 1) throw new UsageError('- stands twice among the files');
  if (paths.includes('')) throw new UsageError('expected the path of a file but received ""');
  const kind = readChoice('kind', values.kind, ['query', 'document'] as const);
  const maxLength = values['max-length'];
  return {
    paths: paths.length === 0 ? ['-'] : [...paths],
    input: {
      format: readChoice('input-format', values['input-format'], TEXT_FORMATS),
      text: text ?? 'text',
      id,
    },
    format,
    path,
    options: {
      ...(kind === undefined ? {} : { kind }),
      ...(maxLength === undefined ? {} : { maxLength: readInteger('max-length', maxLength, 1_000_000) }),
    },
  };
}

async function embedAll(
  load: () => Promise<Embedder>,
  { paths, input, format, path, options }: EmbedTask,
  output: Output,
  signal: AbortSignal,
  onWritten: (texts: number, partial: string | undefined) => void,
): Promise<number> {
  await using embedder = await load();
  const writer = await openVectorWriter(path, format, embedder.space.dimension, output);
  let texts = 0;
  onWritten(texts, writer.partial);
  try {
    const embed = async (batch: TextRecord[]) => {
      const vectors = await embedder.embed(
        batch.map(({ text }) => text),
        { ...options, signal },
      );
      return batch.map(({ id }, i) => ({ id, vector: vectors[i] as Float32Array }));
    };
    for await (const batch of inOrder(batchesOf(paths, input, signal), AT_ONCE, embed)) {
      await writer.write(batch);
      texts += batch.length;
      onWritten(texts, writer.partial);
    }
  } catch (error) {
    await writer.abandon();
    throw error;
  }
  await writer.finish();
  return 0;
}

/** A batch does not wait for lines that are still to come. */
async function* batchesOf(
  paths: readonly string[],
  input: TextsOptions,
  signal: AbortSignal,
): AsyncGenerator<TextRecord[]> {
  for (const path of paths) {
    for await (const records of readTexts(path, input, signal)) {
      let batch: TextRecord[] = [];
      let units = 0;
      for (const record of records) {
        batch.push(record);
        units += record.text.length;
        if (batch.length < BATCH_TEXTS && units < BATCH_UNITS) continue;
        yield batch;
        batch = [];
        units = 0;
      }
      if (batch.length > 0) yield batch;
    }
  }
}
