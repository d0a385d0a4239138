import type { Embedder, Reranker } from '../../lib';
import type { ServerPlugin } from '../../lib/server/plugin';
import { until } from './server';

/** Far more than {@link QUEUED_TOKENS}, and more than any model does before it is ended. */
const TEXTS = Array.from({ length: 600 }, (_, i) => `number ${i} of those that nobody waits for`);

/** `maxQueuedTokens` of a server for {@link fillQueue}. */
export const QUEUED_TOKENS = 100;

/**
 * Fills the queue of the embedder, and of the reranker, with real work for every other POST: that one is refused, and the
 * work is ended as soon as it has been. So a client that comes back finds the queue empty.
 */
export function fillQueue(): { plugin: ServerPlugin; asked: () => number } {
  let asked = 0;
  const plugin: ServerPlugin = (app, { pool }) => {
    const work = new WeakMap<object, () => Promise<void>>();
    app.addHook('onRequest', async (request) => {
      if (request.method !== 'POST') return;
      asked += 1;
      if (asked % 2 === 0) return;
      const { embedder } = await pool.embedder(undefined);
      const { reranker } = await pool.reranker(undefined);
      const ends = await Promise.all([
        occupy(embedder, (signal) => embedder.embed(TEXTS, { signal })),
        occupy(reranker, (signal) => reranker.rerank('what waits?', TEXTS, { signal })),
      ]);
      work.set(request, async () => {
        await Promise.all(ends.map((end) => end()));
      });
    });
    app.addHook('onSend', async (request) => {
      await work.get(request)?.();
    });
  };
  return { plugin, asked: () => asked };
}

/** @returns what ends the work, once it has ended */
async function occupy(
  model: Embedder | Reranker,
  call: (signal: AbortSignal) => Promise<unknown>,
): Promise<() => Promise<void>> {
  const controller = new AbortController();
  const ended = call(controller.signal).then(
    () => {
      throw new Error('the work that fills the queue ended by itself');
    },
    () => undefined,
  );
  await until(() => model.stats().queue.tokens > QUEUED_TOKENS);
  return () => {
    controller.abort();
    return ended;
  };
}
