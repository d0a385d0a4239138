import { Embedder, Reranker } from '../../lib';
import type { ServerOptions } from '../../lib/server/options';
import { fillQueue, QUEUED_TOKENS } from './full-queue';
import { DOCUMENTS, EMBEDDER_NAME, KEY, MAX_DOCUMENTS, NAME, QUERY } from './hosted-servers';
import { startServer } from './server';

export const DIMENSIONS = 64;

/** Three servers of the embedded models, and what the library makes of the texts that clients send them. */
export interface OpenServers {
  /** Of {@link DOCUMENTS}, of length 1. */
  embeddings: number[][];
  /** The first {@link DIMENSIONS} values of these, of length 1 again. */
  short: number[][];
  /** Of {@link DOCUMENTS}, special tokens included. */
  tokens: number;
  /** Between {@link QUERY} and each of {@link DOCUMENTS}. */
  cosines: number[];
  /** The library's ranks of these. */
  ranked: [index: number, score: number][];
  /** Takes any name of a model. */
  url: string;
  /** Takes only the names of its models. */
  strictUrl: string;
  /** Has a queue that is full every other time it is asked. */
  busyUrl: string;
  /** How often the busy one was asked. */
  asked(): number;
  close(): Promise<void>;
}

export async function startOpenServers(): Promise<OpenServers> {
  const options: ServerOptions = {
    models: [NAME],
    embedders: [EMBEDDER_NAME],
    apiKeys: [KEY],
    maxDocuments: MAX_DOCUMENTS,
  };
  const full = fillQueue();
  const free = await startServer(options);
  const strict = await startServer({ ...options, strictModel: true });
  const busy = await startServer({
    ...options,
    // Without a cache, so that what fills the queue is work each time.
    engine: { cache: false, maxQueuedTokens: QUEUED_TOKENS },
    plugins: [full.plugin],
  });
  return {
    ...(await expected()),
    url: free.url,
    strictUrl: strict.url,
    busyUrl: busy.url,
    asked: full.asked,
    async close() {
      await Promise.all([free, strict, busy].map(({ server }) => server.close()));
    },
  };
}

async function expected() {
  await using embedder = await Embedder.load(undefined, { cache: false });
  await using reranker = await Reranker.load(undefined, { cache: false });
  const { embeddings, usage } = await embedder.embedWithUsage(DOCUMENTS);
  const [query = new Float32Array()] = await embedder.embed([QUERY]);
  const { results } = await reranker.rerank(QUERY, DOCUMENTS, { scores: 'sigmoid' });
  return {
    embeddings: embeddings.map((each) => Array.from(each)),
    short: embeddings.map((each) => toUnit(Array.from(each.subarray(0, DIMENSIONS)))),
    tokens: usage.tokens,
    cosines: embeddings.map((each) => each.reduce((sum, value, i) => sum + value * (query[i] as number), 0)),
    ranked: results.map(({ index, score }): [number, number] => [index, score]),
  };
}

function toUnit(vector: number[]): number[] {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}
