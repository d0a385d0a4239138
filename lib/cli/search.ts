import { Embedder } from '../embedder';
import { messageOf } from '../errors';
import { checkReadable, linesOf } from '../files/lines';
import { PRECISIONS, type Precision } from '../options';
import { Reranker } from '../reranker';
import { parseFilter } from '../search/filter';
import { SearchPipeline } from '../search/pipeline';
import type { IndexProgress, SearchOptions } from '../search/pipeline-options';
import { PRESETS, type Preset, searchDepth } from '../search/presets';
import { documentsOf } from '../search/read-documents';
import type { Filter } from '../search/types';
import {
  type OptionValues,
  readChoice,
  readInteger,
  readNumber,
  readValues,
  UsageError,
} from './command-line';
import { openSource } from './input/source';
import { UNBOUNDED_QUEUE } from './model-options';
import { type Output, whileRead } from './output';
import { Progress } from './progress';
import { answerRecord, answerText } from './search/answers';
import { type IndexFiles, openIndex } from './search/index-files';

const OPTIONS = {
  index: { type: 'string' },
  documents: { type: 'string' },
  preset: { type: 'string' },
  filter: { type: 'string' },
  'top-k': { type: 'string' },
  'initial-k': { type: 'string' },
  'min-score': { type: 'string' },
  'no-rerank': { type: 'boolean' },
  'no-hybrid': { type: 'boolean' },
  json: { type: 'boolean' },
  model: { type: 'string' },
  embedder: { type: 'string' },
  precision: { type: 'string' },
} as const;

const PRESET_NAMES = Object.keys(PRESETS) as Preset[];
const COUNT_LIMIT = 1_000_000;

export const help = `crossrank search [QUERY]...  finds documents by vectors and keywords, and reranks them

First the documents, then queries; both in one call is fine, too:
  --index FILE               the index; keywords are in FILE.keywords beside it
  --documents FILE           adds these to it: JSON lines with id (or _id) and text, and metadata in all other fields;
                             FILE or -. What is in the index unchanged is not embedded again, so an indexing that
                             was interrupted goes on where it was
  QUERY                      what to look for; - reads queries from standard input, one a line

  --preset NAME              ${PRESET_NAMES.join(', ')} (default realtime: best 5 of 50 candidates)
  --top-k N, --initial-k N   results, and candidates that are reranked (default the preset's)
  --filter JSON              on metadata, such as '{"lang": "zh", "year": {"$gte": 2020}}'
  --min-score X              only results that the reranker scores at least X
  --no-rerank                results in the first stage's order
  --no-hybrid                vectors alone, no keywords
  --json                     a line {"query", "results", ...} for each query
  --model FOLDER             of the reranker (default the embedded model)
  --embedder FOLDER          the index is bound to it (default the embedded one)
  --precision P              of both: auto, fp32, bf16x3, bf16 or int8 (default auto)

Example: crossrank search --index docs.index --documents docs.jsonl
         crossrank search --index docs.index "why is an index fast?"`;

type Values = OptionValues<typeof OPTIONS>;

interface SearchTask {
  index: string;
  documents: string | undefined;
  queries: string[];
  options: SearchOptions;
  json: boolean;
  model: string | undefined;
  embedder: string | undefined;
  precision: Precision;
}

export async function run(args: readonly string[]): Promise<number> {
  const task = readTask(args);
  const progress = new Progress();
  let stored = 0;
  try {
    return await whileRead(
      async (output, signal) => {
        await work(task, output, signal, (documents) => {
          stored = documents;
          progress.show(`indexing, ${documents} documents`, 0);
        });
        return 0;
      },
      () => {
        progress.clear();
        if (stored === 0) return 'interrupted';
        return `interrupted; ${stored} documents are in ${task.index}, and the same command goes on from there`;
      },
    );
  } finally {
    progress.clear();
  }
}

function readTask(args: readonly string[]): SearchTask {
  const queries: string[] = [];
  const values = readValues(args, OPTIONS, queries);
  const { index, documents, model, embedder } = values;
  if (index === undefined) throw new UsageError('--index is needed: the file of the index');
  if (documents === undefined && queries.length === 0) {
    throw new UsageError('nothing to do: give a QUERY, or --documents to add some');
  }
  if (queries.includes('')) throw new UsageError('expected a QUERY but received ""');
  if (queries.filter((query) => query === '-').length + (documents === '-' ? 1 : 0) > 1) {
    throw new UsageError(
      'standard input can be read once: name a file for --documents, or give queries as arguments',
    );
  }
  return {
    ...{ index, documents, queries, model, embedder },
    options: searchOptions(values),
    json: values.json !== undefined,
    precision: readChoice('precision', values.precision, PRECISIONS) ?? 'auto',
  };
}

function searchOptions(values: Values): SearchOptions {
  const preset = readChoice('preset', values.preset, PRESET_NAMES);
  const topK = values['top-k'];
  const initialK = values['initial-k'];
  const minScore = values['min-score'];
  const depth = {
    ...(preset === undefined ? {} : { preset }),
    ...(topK === undefined ? {} : { topK: readInteger('top-k', topK, COUNT_LIMIT) }),
    ...(initialK === undefined ? {} : { initialK: readInteger('initial-k', initialK, COUNT_LIMIT) }),
  };
  asUsage('--top-k and --initial-k', () => searchDepth(depth));
  if (minScore !== undefined && values['no-rerank'] !== undefined) {
    throw new UsageError("--min-score is on the reranker's scale, and --no-rerank leaves it out");
  }
  return {
    ...depth,
    ...(values.filter === undefined ? {} : { filter: readFilter(values.filter) }),
    ...(minScore === undefined ? {} : { minScore: readNumber('min-score', minScore) }),
    ...(values['no-rerank'] === undefined ? {} : { rerank: false }),
    ...(values['no-hybrid'] === undefined ? {} : { hybrid: false }),
  };
}

function readFilter(text: string): Filter {
  return asUsage('--filter', () => {
    const filter = JSON.parse(text) as Filter;
    parseFilter(filter);
    return filter;
  });
}

/** What a check of the library finds wrong is wrong on the command line. */
function asUsage<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UsageError(`${name}: ${messageOf(error)}`);
  }
}

async function work(
  task: SearchTask,
  output: Output,
  signal: AbortSignal,
  onStored: (documents: number) => void,
): Promise<void> {
  // Before an index is made for what is not there.
  if (task.documents !== undefined && task.documents !== '-') await checkReadable(task.documents);
  await using embedder = await Embedder.load(task.embedder, {
    precision: task.precision,
    ...UNBOUNDED_QUEUE,
  });
  const files = await openIndex(task.index, embedder, task.documents !== undefined);
  try {
    const pipeline = new SearchPipeline({ embedder, store: files.store, keywords: files.keywords });
    if (task.documents !== undefined) {
      const { documents, embedded, unchanged } = await addDocuments(
        pipeline,
        files,
        task.documents,
        signal,
        onStored,
      );
      console.error(
        `${documents} documents: ${embedded} embedded and stored, ${unchanged} were there already`,
      );
    }
    if (task.queries.length > 0) await answerAll(task, embedder, files, output, signal);
  } finally {
    await files.store.close();
  }
}

async function addDocuments(
  pipeline: SearchPipeline,
  files: IndexFiles,
  path: string,
  signal: AbortSignal,
  onStored: (documents: number) => void,
): Promise<IndexProgress> {
  const { name, chunks } = openSource(path, signal);
  await files.outdateKeywords();
  try {
    return await pipeline.index(documentsOf(linesOf(chunks, name), name), {
      signal,
      onProgress: ({ embedded, unchanged }) => onStored(embedded + unchanged),
    });
  } finally {
    await files.saveKeywords();
  }
}

async function answerAll(
  { queries, options, model, precision, json }: SearchTask,
  embedder: Embedder,
  { store, keywords }: IndexFiles,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const reranker = options.rerank === false ? undefined : await Reranker.load(model, { precision });
  try {
    const pipeline = new SearchPipeline({
      ...{ embedder, store, keywords },
      ...(reranker === undefined ? {} : { reranker }),
    });
    for await (const query of eachQuery(queries, signal)) {
      const response = await pipeline.search(query, { ...options, signal });
      const answer = json
        ? JSON.stringify(answerRecord(query, response))
        : answerText(query, response, process.stdout);
      await output.write(`${answer}\n`);
    }
  } finally {
    await reranker?.dispose();
  }
}

async function* eachQuery(queries: readonly string[], signal: AbortSignal): AsyncGenerator<string> {
  for (const query of queries) {
    if (query !== '-') yield query;
    else {
      const { name, chunks } = openSource('-', signal);
      for await (const { texts } of linesOf(chunks, name)) {
        for (const text of texts) if (text.trim() !== '') yield text;
      }
    }
  }
}
