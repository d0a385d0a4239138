import { access, constants } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { RerankOptions } from '../options';
import { Reranker } from '../reranker';
import { type OptionValues, readChoice, readInteger, readValues, UsageError } from './command-line';
import { TEXT_FORMATS } from './input/texts';
import { MODEL_OPTIONS, readLoadOptions, UNBOUNDED_QUEUE } from './model-options';
import { whileRead } from './output';
import { Progress } from './progress';
import { rerankBatch } from './rerank/batch';
import { rerankOneQuery } from './rerank/one-query';
import { COUNT_LIMIT, DEFAULT_RUN_DEPTH, RERANK_OPTIONS, readRerankOptions } from './rerank/options';
import type { RerankTask } from './rerank/records';
import { describeRun, exitCodeOf, rerankRun, type TrecRunTask } from './rerank/trec-run';

const OPTIONS = {
  query: { type: 'string' },
  documents: { type: 'string' },
  batch: { type: 'string' },
  run: { type: 'string' },
  queries: { type: 'string' },
  corpus: { type: 'string' },
  output: { type: 'string' },
  format: { type: 'string' },
  text: { type: 'string' },
  id: { type: 'string' },
  'no-documents': { type: 'boolean' },
  strict: { type: 'boolean' },
  'initial-k': { type: 'string' },
  tag: { type: 'string' },
  unknown: { type: 'string' },
  restart: { type: 'boolean' },
  ...RERANK_OPTIONS,
  json: { type: 'boolean' },
  ...MODEL_OPTIONS,
} as const;

type Values = OptionValues<typeof OPTIONS>;

/** What each of the three ways takes beside the options of all; the first is what asks for it. */
const WAYS = {
  documents: ['documents', 'query', 'format', 'text', 'id', 'no-documents', 'json'],
  batch: ['batch', 'text', 'id', 'no-documents', 'strict', 'json'],
  run: ['run', 'queries', 'corpus', 'output', 'initial-k', 'tag', 'unknown', 'restart', 'json'],
} as const;
type Way = keyof typeof WAYS;

export const help = `crossrank rerank             puts documents into order by how well they answer a query

One query:
  --query TEXT --documents FILE
                             FILE, or - for standard input: a document a line, as .jsonl (a string or an object),
                             .tsv (id, tab, text) or plain text; prints score, id (or number) and text, best first
  --format F                 jsonl, tsv or text (default by the name; of standard input by its first line)

Many queries with their documents:
  --batch FILE               lines of {"query": ..., "documents": [...]}, and "id" where you like; FILE or -.
                             Each is answered by a line {"line", "id", "results"}, or {"line", "error"}, in order
  --strict                   the first wrong line ends it (default: it is answered, and the exit code is 1)

A TREC run of any size, in constant memory; a run that was interrupted goes on where it was:
  --run FILE                 query Q0 document rank score tag, or .jsonl; grouped by query; FILE or -
  --corpus PATH              texts of documents: a BEIR folder, or its corpus.jsonl, or id, tab, text as .tsv
  --queries FILE             texts of queries, likewise (default queries.jsonl in the folder)
  --output FILE              the new run; FILE.partial until it is whole. Queries that are there already are kept
  --restart                  ranks them again
  --initial-k N              the best N of each query are reranked, the rest is left out (default ${DEFAULT_RUN_DEPTH})
  --tag NAME                 last column of the new run (default crossrank)
  --unknown ignore           leaves out documents and queries that have no text (default: an error)

All:
  --top-k N                  the best N of each query (default all)
  --min-score X              only documents that score at least X
  --max-length N             tokens of query and document together (default 512, or the model's limit)
  --long-documents HOW       truncate, window or chunk (default truncate)
  --scores SCALE             model, raw or sigmoid (default model)
  --text FIELD, --id FIELD   of document objects (default text, and id or _id where they are there)
  --no-documents             leaves the document out of JSON results
  --json                     JSON lines with index, id, score, truncated, span and document
  --model FOLDER             a model folder (default the embedded model)
  --precision P              auto, fp32, bf16x3, bf16 or int8 (default auto)
  --threads N                (default all processors)

Example: crossrank rerank --query "why is an index fast?" --documents passages.jsonl --top-k 5`;

export async function run(args: readonly string[]): Promise<number> {
  const values = readValues(args, OPTIONS);
  const way = wayOf(values);
  const { model } = values;
  const options = readRerankOptions(values);
  const load = readLoadOptions(values);
  const common: RerankTask = {
    options,
    text: values.text ?? 'text',
    id: values.id,
    documents: values['no-documents'] === undefined,
  };
  const nothing = () => 'interrupted: nothing was printed that was not whole';
  if (way === 'documents') {
    const task = {
      ...common,
      query: needed(values, 'query', 'what is looked for'),
      path: needed(values, 'documents', 'a file, or - for standard input'),
      format: readChoice('format', values.format, TEXT_FORMATS),
      json: values.json !== undefined,
    };
    const open = () => Reranker.load(model, { ...load, ...UNBOUNDED_QUEUE, cache: false });
    return whileRead((output, signal) => rerankOneQuery(open, task, output, signal), nothing);
  }
  if (way === 'batch') {
    const path = needed(values, 'batch', 'a file, or - for standard input');
    const task = { ...common, path, strict: values.strict !== undefined };
    const open = () => Reranker.load(model, { ...load, ...UNBOUNDED_QUEUE });
    return whileRead((output, signal) => rerankBatch(open, task, output, signal), nothing);
  }
  const open = () => Reranker.load(model, { ...load, ...UNBOUNDED_QUEUE, cache: false });
  return runTrec(open, await readRunTask(values, options), values.json !== undefined);
}

function wayOf(values: Values): Way {
  const asked = (Object.keys(WAYS) as Way[]).filter((way) => values[way] !== undefined);
  const way = asked[0] ?? (values.query === undefined ? undefined : 'documents');
  if (way === undefined) {
    throw new UsageError('nothing to rank: give --query and --documents, or --batch, or --run');
  }
  if (asked.length > 1) throw new UsageError(`--${asked.join(' and --')} are two ways; give one of them`);
  const others = Object.values(WAYS)
    .flat()
    .filter((name) => !(WAYS[way] as readonly string[]).includes(name));
  const wrong = others.find((name) => values[name] !== undefined);
  if (wrong !== undefined) throw new UsageError(`--${wrong} does not go with --${way}`);
  return way;
}

function needed(values: Values, name: keyof Values, what: string): string {
  const value = values[name];
  if (typeof value !== 'string') throw new UsageError(`--${name} is needed: ${what}`);
  return value;
}

async function readRunTask(values: Values, options: RerankOptions): Promise<TrecRunTask> {
  const output = needed(values, 'output', 'the file that the new run is written to');
  const task = {
    run: needed(values, 'run', 'a run file, or - for standard input'),
    corpus: needed(values, 'corpus', 'a BEIR folder, or a corpus.jsonl or .tsv'),
    queries: values.queries,
    output,
    initialK: readInteger('initial-k', values['initial-k'] ?? String(DEFAULT_RUN_DEPTH), COUNT_LIMIT),
    tag: values.tag ?? 'crossrank',
    unknown: readChoice('unknown', values.unknown, ['error', 'ignore'] as const) ?? 'error',
    restart: values.restart !== undefined,
    options,
  };
  if (/\s/.test(task.tag)) throw new UsageError('--tag is a column of the run: give it without white space');
  if (resolve(task.run) === resolve(output)) {
    throw new UsageError('--output is the run that is read; name another file');
  }
  await access(dirname(resolve(output)), constants.W_OK).catch(() => {
    throw new UsageError(
      `--output ${output} cannot be written: ${dirname(resolve(output))} is no folder that this user may write to`,
    );
  });
  return task;
}

async function runTrec(load: () => Promise<Reranker>, task: TrecRunTask, json: boolean): Promise<number> {
  const progress = new Progress();
  try {
    return await whileRead(
      async (output, signal) => {
        const report = await rerankRun(load, task, signal, progress);
        progress.clear();
        await output.write(`${json ? JSON.stringify(report) : describeRun(report, task)}\n`);
        return exitCodeOf(report);
      },
      () => 'interrupted before the first query was ranked',
    );
  } finally {
    progress.clear();
  }
}
