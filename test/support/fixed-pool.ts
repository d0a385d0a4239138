import { type Embedder, Reranker } from '../../lib';
import { RequestFailure } from '../../lib/server/failure';
import type { ModelPool, ServedModel } from '../../lib/server/model-pool';
import type { Served } from '../../lib/server/served';

/** The models of a server that holds them already, for what only looks at them. */
export function fixedPool(models: Readonly<Record<string, Reranker | Embedder>>): ModelPool {
  const served = Object.entries(models).map(
    ([name, model]): ServedModel => ({
      name,
      task: model instanceof Reranker ? 'rerank' : 'embed',
      get loaded() {
        return model.info().loaded;
      },
      info: () => model.info(),
      stats: () => model.stats(),
    }),
  );
  const find = (name: string | undefined) => {
    const model = served.find((each) => name === undefined || each.name === name);
    if (model === undefined) throw new RequestFailure('unknown-model', 'no such model');
    return model;
  };
  return {
    list: () => served,
    reranker: async (name) => {
      const model = find(name);
      return { model, reranker: models[model.name] as Reranker };
    },
    embedder: async (name) => {
      const model = find(name);
      return { model, embedder: models[model.name] as Embedder };
    },
  };
}

/** What is known of a request that ranked three documents, but for what a test says of it. */
export function served(of: Partial<Served> = {}): Served {
  return {
    id: 'request-1',
    api: 'jina',
    path: '/v1/rerank',
    operation: 'rank',
    model: 'mini',
    items: 3,
    tokens: 40,
    cached: 0,
    degraded: false,
    timings: { tokenizeMs: 1, queueMs: 2, computeMs: 30, totalMs: 40 },
    scores: { count: 3, min: 0.1, max: 0.9, mean: 0.4 },
    failure: undefined,
    disconnected: false,
    ...of,
  };
}
