import { Reranker } from '../../lib';
import { RequestFailure } from '../../lib/server/failure';
import type { ServerOptions } from '../../lib/server/options';
import { startServer } from './server';

export const KEY = 'secret';
export const MAX_DOCUMENTS = 100;
export const NAME = 'crossrank-mini';
export const EMBEDDER_NAME = 'multilingual-e5-small-zh-en';

export const QUERY = 'What is the capital of the United States?';
export const DOCUMENTS = [
  'Carson City is the capital city of the American state of Nevada.',
  'Washington, D.C. is the capital of the United States.',
  '数据库连接超时',
  'Capital punishment has existed in the United States since before it was a country.',
];

/** Three servers of the embedded models, for clients to call. */
export interface HostedServers {
  /** What the library says of {@link QUERY} and {@link DOCUMENTS}. */
  expected: [index: number, score: number][];
  tokens: number;
  /** Takes any name of a model. */
  url: string;
  /** Takes only {@link NAME}. */
  strictUrl: string;
  /** Has a full queue every other time it is asked, and says to come back after a second. */
  busyUrl: string;
  /** Forgets how often the busy one was asked. */
  reset(): void;
  /** How often the busy one was asked since then. */
  asked(): number;
  close(): Promise<void>;
}

export async function startHostedServers(): Promise<HostedServers> {
  const reranker = await Reranker.load(undefined, { cache: false });
  const { results, usage } = await reranker.rerank(QUERY, DOCUMENTS, { scores: 'sigmoid' });
  await reranker.dispose();
  const options: ServerOptions = {
    models: [NAME],
    embedders: [EMBEDDER_NAME],
    apiKeys: [KEY],
    maxDocuments: MAX_DOCUMENTS,
  };
  const free = await startServer(options);
  const strict = await startServer({ ...options, strictModel: true });
  const busy = await startServer(options);
  let asked = 0;
  const find = busy.pool.reranker.bind(busy.pool);
  busy.pool.reranker = async (name) => {
    asked += 1;
    if (asked % 2 === 0) return find(name);
    throw new RequestFailure('queue-full', 'too much work waits already', { retryAfterMs: 1000 });
  };
  return {
    expected: results.map(({ index, score }) => [index, score]),
    tokens: usage.tokens,
    url: free.url,
    strictUrl: strict.url,
    busyUrl: busy.url,
    reset: () => {
      asked = 0;
    },
    asked: () => asked,
    async close() {
      await Promise.all([free, strict, busy].map(({ server }) => server.close()));
    },
  };
}
