import cluster from 'node:cluster';
import { readFile } from 'node:fs/promises';
import { CPU_LEVELS, type EngineOptions } from '../options';
import { packageVersion } from '../package-version';
import { Cluster } from '../server/cluster';
import { API_NAMES } from '../server/dialect';
import { createLog, LOG_LEVELS } from '../server/log';
import { observe } from '../server/observe';
import type { ServerOptions } from '../server/options';
import { page } from '../server/page';
import type { ServerPlugin } from '../server/plugin';
import { createServer } from '../server/server';
import { usableProcessors } from '../threads';
import { type OptionValues, readChoice, readInteger, readValues, UsageError } from './command-line';
import { INTERRUPTED } from './interrupt';
import { downloadBar } from './model-folder';
import { readLoadOptions } from './model-options';
import { Progress } from './progress';

const OPTIONS = {
  model: { type: 'string', multiple: true },
  embedder: { type: 'string', multiple: true },
  host: { type: 'string' },
  port: { type: 'string' },
  workers: { type: 'string' },
  api: { type: 'string' },
  'strict-model': { type: 'boolean' },
  lazy: { type: 'boolean' },
  'idle-unload-ms': { type: 'string' },
  precision: { type: 'string' },
  cpu: { type: 'string' },
  threads: { type: 'string' },
  nice: { type: 'string' },
  'special-tokens': { type: 'string' },
  'max-queued-tokens': { type: 'string' },
  'memory-budget': { type: 'string' },
  'api-key-file': { type: 'string' },
  'protect-metrics': { type: 'boolean' },
  cors: { type: 'string', multiple: true },
  'max-body-bytes': { type: 'string' },
  'max-documents': { type: 'string' },
  'max-length': { type: 'string' },
  'timeout-ms': { type: 'string' },
  'max-timeout-ms': { type: 'string' },
  'drain-ms': { type: 'string' },
  'log-level': { type: 'string' },
  'log-texts': { type: 'boolean' },
} as const;

export const help = `crossrank serve              answers the rerank and embedding APIs that clients call already, over HTTP

TEI, Jina, Cohere v1 and v2, Voyage, vLLM, OpenAI embeddings, Hugging Face: change a client's base URL to this server's.
A browser at that address gets a page: both orders, best spans, timings, and each call as curl.

  --model MODEL[=ALIAS]      reranker: a folder, or ORGANISATION/NAME of the hub; may come more than once
  --embedder MODEL[=ALIAS]   the same for embeddings (default without --model and --embedder: the embedded ones)
  --host HOST                address to listen on (default 127.0.0.1, this machine alone)
  --port N                   0 for any that is free (default 8080)
  --workers N                processes that share the port; each loads the models (default 1)
  --api NAME                 for bodies that several APIs could mean:
                             ${API_NAMES.join(', ')}
  --strict-model             refuse names of models that are not served, also where there is one only
  --lazy                     load models by the first request, not before listening
  --idle-unload-ms N         unload a model that has had no request for so long (default never)

  --precision P              auto, fp32, bf16x3, bf16 or int8 (default auto)
  --threads N                engine threads of a process (default the processors, divided among the workers)
  --nice N                   how far these stand back behind HTTP, 0 to 19 (default 5)
  --cpu LEVEL                kernels of a lower instruction set
  --special-tokens HOW       a text that spells a special token is that token, as transformers have it, with reference;
                             or text, so that no document forges the end of itself, with text (default reference)
  --max-queued-tokens N      what may wait before requests are told to come back (default about 10 s of work)
  --memory-budget N          bytes that the models of a process may take (default no limit)

  --api-key-file FILE        keys, one a line, of which each request needs one; also CROSSRANK_API_KEYS, with commas
  --protect-metrics          /metrics needs a key, too
  --cors ORIGIN              a page of this origin may call; may come more than once (default none)
  --max-body-bytes N         (default 16777216)
  --max-documents N          documents, pairs or texts of a request (default 10000)
  --max-length N             tokens of a pair or text that are read (default as many as the model reads)
  --timeout-ms N             of a request that names none in x-timeout-ms (default 60000)
  --max-timeout-ms N         the most that one may name (default 600000)
  --drain-ms N               what SIGTERM leaves to requests under way (default 30000)

  --log-level LEVEL          ${LOG_LEVELS.join(', ')} (default info); JSON lines on standard error
  --log-texts                log bodies of requests, cut; without it no text is ever logged

crossrank serve --model BAAI/bge-reranker-v2-m3 --port 8080
curl localhost:8080/rerank -H 'content-type: application/json' -d '{"query": "red planet", "texts": ["Mars", "Venus"]}'`;

const MAX_MS = 24 * 3600 * 1000;
const MAX_BYTES = 2 ** 30;
const MAX_WORKERS = 256;

type Values = OptionValues<typeof OPTIONS>;

/** Resolves when the server has been closed by SIGTERM or SIGINT. */
export async function run(args: readonly string[]): Promise<number> {
  const values = readValues(args, OPTIONS);
  const workers = integer(values, 'workers', MAX_WORKERS) ?? 1;
  const options = await readOptions(values, workers);
  if (workers === 1) return serve(values, options);
  if (cluster.isPrimary) return supervise(workers, options);
  try {
    return await serve(values, options);
  } finally {
    process.disconnect(); // the channel to the primary would keep a worker that has ended, or could not start
  }
}

async function readOptions(values: Values, workers: number): Promise<ServerOptions> {
  const api = readChoice('api', values.api, API_NAMES);
  const port = values.port === undefined ? undefined : readPort(values.port);
  const limits = {
    maxBodyBytes: integer(values, 'max-body-bytes', MAX_BYTES),
    maxDocuments: integer(values, 'max-documents', 10_000_000),
    maxLength: integer(values, 'max-length', 10_000_000),
    timeoutMs: integer(values, 'timeout-ms', MAX_MS),
    maxTimeoutMs: integer(values, 'max-timeout-ms', MAX_MS),
    drainMs: integer(values, 'drain-ms', MAX_MS),
  };
  const { model, embedder, host, cors } = values;
  return {
    ...(model === undefined && embedder === undefined
      ? {}
      : { models: model ?? [], embedders: embedder ?? [] }),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(api === undefined ? {} : { api }),
    ...(cors === undefined ? {} : { cors }),
    ...defined(limits),
    engine: readEngine(values, workers),
    lazy: values.lazy !== undefined,
    strictModel: values['strict-model'] !== undefined,
    protectMetrics: values['protect-metrics'] !== undefined,
    apiKeys: await readKeys(values['api-key-file']),
  };
}

/** Workers divide the processors: more engine threads than those would only take turns. */
function readEngine(values: Values, workers: number): EngineOptions {
  const { precision, threads } = readLoadOptions(values);
  const cpu = readChoice('cpu', values.cpu, CPU_LEVELS);
  const share = workers === 1 ? undefined : Math.max(1, Math.floor(usableProcessors() / workers));
  return defined({
    precision,
    cpu,
    threads: threads ?? share,
    specialTokens: readChoice('special-tokens', values['special-tokens'], ['reference', 'text'] as const),
    nice: values.nice === undefined ? undefined : readNice(values.nice),
    idleUnloadMs: integer(values, 'idle-unload-ms', 365 * MAX_MS),
    maxQueuedTokens: integer(values, 'max-queued-tokens', Number.MAX_SAFE_INTEGER),
    memoryBudget: integer(values, 'memory-budget', Number.MAX_SAFE_INTEGER),
  });
}

async function serve(values: Values, options: ServerOptions): Promise<number> {
  const level = readChoice('log-level', values['log-level'], LOG_LEVELS) ?? 'info';
  const log = createLog({ level });
  const isWorker = cluster.isWorker;
  const logTexts = values['log-texts'] !== undefined;
  const observer = observe({ log, logTexts, version: packageVersion(), workers: isWorker });
  const plugins: ServerPlugin[] = [observer, page];
  const stopped = untilStopped();
  const progress = new Progress();
  const engine = { ...options.engine, hub: { onProgress: downloadBar(progress) } };
  const server = await createServer({ ...options, engine, logger: log, plugins });
  try {
    const address = await server.listen();
    progress.clear();
    if (!isWorker) announce(address);
    await stopped;
  } finally {
    await server.close();
  }
  return 0;
}

async function supervise(workers: number, options: ServerOptions): Promise<number> {
  const group = new Cluster({
    workers,
    drainMs: options.drainMs ?? 30_000,
    onEvent: (event) => {
      if ('replaced' in event) return console.error(`crossrank: ${event.replaced}; another takes its place`);
      const { port } = event.listening;
      announce(
        `http://${options.host?.includes(':') ? `[${options.host}]` : (options.host ?? '127.0.0.1')}:${port}`,
      );
    },
  });
  const stopped = untilStopped();
  try {
    await Promise.race([group.start(), stopped]);
    await Promise.race([group.failed, stopped]);
  } finally {
    await group.close();
  }
  return 0;
}

function announce(address: string): void {
  console.log(`crossrank ${packageVersion()} listens on ${address}`);
}

/** Resolves with the first SIGTERM or SIGINT; a second one ends the process at once. */
function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    let signals = 0;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (++signals > 1) process.exit(INTERRUPTED);
        resolve();
      });
    }
  });
}

/** Of the file and of the environment. Neither is ever repeated. */
async function readKeys(path: string | undefined): Promise<string[]> {
  const named = (process.env.CROSSRANK_API_KEYS ?? '').split(',');
  const lines = path === undefined ? [] : (await readKeyFile(path)).split('\n');
  const keys = [...named, ...lines.filter((line) => !line.startsWith('#'))].map((key) => key.trim());
  const given = keys.filter((key) => key !== '');
  if (path !== undefined && given.length === 0) {
    throw new UsageError(`--api-key-file ${path} has no key; write one a line`);
  }
  return given;
}

async function readKeyFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'is not there' : `cannot be read (${code})`;
    throw new UsageError(`--api-key-file ${path} ${why}`);
  }
}

function integer(values: Values, name: keyof Values & string, max: number): number | undefined {
  const text = values[name];
  return typeof text === 'string' ? readInteger(name, text, max) : undefined;
}

function readPort(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text);
  throw new UsageError(`--port takes an integer from 0 to 65535, not ${JSON.stringify(text)}`);
}

function readNice(text: string): number {
  if (/^\d{1,2}$/.test(text) && Number(text) <= 19) return Number(text);
  throw new UsageError(`--nice takes an integer from 0 to 19, not ${JSON.stringify(text)}`);
}

/** Without what is undefined. */
function defined<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
