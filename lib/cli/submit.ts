import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { requireBulkPeers } from '../bulk/peers';
import { type BulkKind, defaultQueue } from '../bulk/protocol';
import { unreadable } from '../files/lines';
import { type OptionValues, readChoice, readInteger, readValues, UsageError } from './command-line';
import { VECTOR_FORMATS, vectorFormatOf } from './embed/vector-writer';
import { TEXT_FORMATS } from './input/texts';
import { whileRead } from './output';
import { Progress } from './progress';
import { REDIS_HELP, REDIS_OPTIONS, readQueue, readRedis } from './redis-options';
import { COUNT_LIMIT, DEFAULT_RUN_DEPTH, RERANK_OPTIONS, readRerankOptions } from './rerank/options';
import type { SubmitTask, Way } from './submit/submit';

const OPTIONS = {
  batch: { type: 'string' },
  run: { type: 'string' },
  texts: { type: 'string' },
  output: { type: 'string' },
  restart: { type: 'boolean' },
  ...REDIS_OPTIONS,
  chunk: { type: 'string' },
  'in-flight': { type: 'string' },
  json: { type: 'boolean' },
  queries: { type: 'string' },
  corpus: { type: 'string' },
  'initial-k': { type: 'string' },
  tag: { type: 'string' },
  unknown: { type: 'string' },
  kind: { type: 'string' },
  format: { type: 'string' },
  'input-format': { type: 'string' },
  text: { type: 'string' },
  id: { type: 'string' },
  'no-documents': { type: 'boolean' },
  ...RERANK_OPTIONS,
} as const;

type Values = OptionValues<typeof OPTIONS>;

const RANKING = Object.keys(RERANK_OPTIONS);
/** What each way takes beside the options of all. */
const WAYS: Readonly<Record<Way, readonly string[]>> = {
  batch: ['text', 'id', 'no-documents', ...RANKING],
  run: ['queries', 'corpus', 'initial-k', 'tag', 'unknown', ...RANKING],
  texts: ['kind', 'format', 'input-format', 'text', 'id', 'max-length'],
};

const DEFAULT_PAIRS = 256;
/** Vectors are larger than scores. */
const DEFAULT_TEXTS = 128;

export const help = `crossrank submit             reranks or embeds millions of items on the workers of a queue (crossrank worker)

The input is read once and sent in chunks, so many at a time, through Redis; results are written in the order of the
input, each once, whatever is killed meanwhile. A submission that has ended before its input did is gone on with by the
same command. Needs the packages bullmq and ioredis.

  --batch FILE               lines of {"query", "documents"}, answered as by crossrank rerank --batch
  --run FILE --corpus PATH   a TREC run, answered as by crossrank rerank --run
  --texts FILE               a text a line, answered as by crossrank embed
  --output FILE              FILE.partial and FILE.journal until it is whole. Lines that are wrong and items that the
                             model refuses, or that workers died of, go into FILE.errors.jsonl with line, code and
                             message; the exit code is 1 then
  --restart                  begins anew, and drops what was under way
  --queue NAME               (default crossrank-rerank; with --texts crossrank-embed)
${REDIS_HELP}
  --redis-wait S             how long Redis may be away before this ends (default 300)
  --chunk N                  pairs or texts of a chunk, which a worker answers as a whole; a query stays in one
                             (default ${DEFAULT_PAIRS} pairs, ${DEFAULT_TEXTS} texts)
  --in-flight N              chunks under way at a time (default 64)
  --json                     what was done, as JSON

With --batch or --run:
  --top-k N, --min-score X, --max-length N, --long-documents HOW, --scores SCALE
                             as of crossrank rerank
With --batch or --texts:
  --text FIELD, --id FIELD   of objects (default text, and id or _id where they are there)
With --batch:
  --no-documents             leaves the documents out of results
With --run:
  --queries FILE, --initial-k N, --tag NAME, --unknown ignore
                             as of crossrank rerank; but without --unknown ignore, a query with a text that is missing
                             is set aside
With --texts:
  --kind K, --max-length N, --input-format F
                             as of crossrank embed
  --format F                 jsonl, f32 or npy (default by the name of --output). A text that was set aside has no line
                             in jsonl, and a row of NaN in the others

Example: crossrank submit --batch questions.jsonl --output answers.jsonl --top-k 10`;

export async function run(args: readonly string[]): Promise<number> {
  const values = readValues(args, OPTIONS);
  const task = await readTask(values);
  requireBulkPeers('crossrank submit');
  const { describeSubmitted, submit } = await import('./submit/submit.js');
  const progress = new Progress();
  let done: string | undefined;
  try {
    return await whileRead(
      async (output, signal) => {
        const report = await submit(task, signal, progress, (text) => {
          done = text;
        });
        progress.clear();
        const text = values.json === undefined ? describeSubmitted(report) : JSON.stringify(report);
        await output.write(`${text}\n`);
        return report.setAside > 0 ? 1 : 0;
      },
      () => {
        progress.clear();
        const where = done === undefined ? 'before anything was sent' : `after ${done}`;
        return `interrupted ${where}; the same command goes on from there`;
      },
    );
  } finally {
    progress.clear();
  }
}

async function readTask(values: Values): Promise<SubmitTask> {
  const way = wayOf(values);
  const path = values[way] as string;
  const { output } = values;
  if (output === undefined || output === '-') {
    throw new UsageError('--output is needed: a file, as it is gone on with');
  }
  if (path === '-') throw new UsageError(`--${way} takes a file: it is read again when this goes on`);
  const kind: BulkKind = way === 'texts' ? 'embed' : 'rerank';
  const inputs = await Promise.all(inputsOf(way, path, values).map(factsOf));
  if (inputs.some((input) => input.path === resolve(output))) {
    throw new UsageError('--output is a file that is read; name another one');
  }
  return {
    way,
    path,
    output,
    bytes: inputs[0]?.bytes ?? 0,
    inputs,
    restart: values.restart !== undefined,
    queue: readQueue(values.queue, defaultQueue(kind)),
    redis: readRedis(values, 300),
    chunkPairs: readInteger(
      'chunk',
      values.chunk ?? String(kind === 'embed' ? DEFAULT_TEXTS : DEFAULT_PAIRS),
      100_000,
    ),
    inFlight: readInteger('in-flight', values['in-flight'] ?? '64', 4096),
    fields: { text: values.text ?? 'text', id: values.id },
    documents: values['no-documents'] === undefined,
    rerank: readRerankOptions(values),
    run: readRun(values, path),
    embed: readEmbed(values, output),
  };
}

function wayOf(values: Values): Way {
  const asked = (Object.keys(WAYS) as Way[]).filter((way) => values[way] !== undefined);
  const [way, other] = asked;
  if (way === undefined) throw new UsageError('nothing to submit: give --batch, --run or --texts');
  if (other !== undefined) throw new UsageError(`--${asked.join(' and --')} are two ways; give one of them`);
  const others = new Set(Object.values(WAYS).flat());
  const wrong = [...others].find(
    (name) => values[name as keyof Values] !== undefined && !WAYS[way].includes(name),
  );
  if (wrong !== undefined) throw new UsageError(`--${wrong} does not go with --${way}`);
  return way;
}

function inputsOf(way: Way, path: string, { corpus, queries }: Values): string[] {
  if (way !== 'run') return [path];
  if (corpus === undefined)
    throw new UsageError('--corpus is needed: a BEIR folder, or a corpus.jsonl or .tsv');
  return [path, corpus, ...(queries === undefined ? [] : [queries])];
}

/** What tells whether a file is still the one that was begun with. */
async function factsOf(path: string): Promise<SubmitTask['inputs'][number]> {
  const { size, mtime } = await stat(path).catch((cause) => {
    throw unreadable(path, cause);
  });
  return { path: resolve(path), bytes: size, changed: mtime };
}

function readRun(values: Values, run: string): SubmitTask['run'] {
  const tag = values.tag ?? 'crossrank';
  if (/\s/.test(tag)) throw new UsageError('--tag is a column of the run: give it without white space');
  return {
    run,
    corpus: values.corpus ?? '',
    queries: values.queries,
    unknown: readChoice('unknown', values.unknown, ['error', 'ignore'] as const) ?? 'error',
    initialK: readInteger('initial-k', values['initial-k'] ?? String(DEFAULT_RUN_DEPTH), COUNT_LIMIT),
    tag,
  };
}

function readEmbed(values: Values, output: string): SubmitTask['embed'] {
  const kind = readChoice('kind', values.kind, ['query', 'document'] as const);
  const maxLength = values['max-length'];
  return {
    options: {
      ...(kind === undefined ? {} : { kind }),
      ...(maxLength === undefined ? {} : { maxLength: readInteger('max-length', maxLength, COUNT_LIMIT) }),
    },
    format: readChoice('format', values.format, VECTOR_FORMATS) ?? vectorFormatOf(output),
    inputFormat: readChoice('input-format', values['input-format'], TEXT_FORMATS),
  };
}
