import type { RankedDocument, TextEmbedder } from '../../lib';
import type { Models } from './sides';

const DIMENSION = 384;

/** Answers at once, so that what a request takes is what lies between. */
const reranker: Models['reranker'] = {
  async rerank<T>(_query: string, documents: readonly T[], { topK }: { topK?: number } = {}) {
    const results: RankedDocument<T>[] = documents.slice(0, topK).map((document, index) => ({
      index,
      score: 1 / (1 + index),
      truncated: false,
      tokensLost: 0,
      document,
    }));
    const pairs = documents.length;
    return {
      ...{ results, degraded: false, scored: pairs },
      usage: { pairs, windows: pairs, cached: 0, tokens: 0, cachedTokens: 0 },
      timings: { tokenizeMs: 0, queueMs: 0, computeMs: 0, totalMs: 0 },
    };
  },
  predict: async (pairs) => new Float32Array(pairs.length),
};

const embedder: TextEmbedder = {
  space: { model: 'instant', dimension: DIMENSION },
  embed: async (texts) => texts.map(() => new Float32Array(DIMENSION)),
};

export const INSTANT: Models = { reranker, embedder, serverArguments: [] };
