/** crossrank in a process of its own, used as an application does: `rerank` from JavaScript. */
import { type LoadOptions, Reranker } from '../../lib';
import { servePeer } from './serve';

let reranker: Reranker;

servePeer({
  async load({ model, settings }) {
    reranker = await Reranker.load(model, { ...(settings as LoadOptions), profile: false, cache: false });
    const { threads, kernels, onnxRuntime, precision } = reranker.info();
    return {
      versions: { 'onnxruntime (ours)': onnxRuntime.version },
      execution: `${threads} threads, ${precision}, ${kernels.linear} and ${kernels.attention} kernels`,
    };
  },

  async score({ query, documents }) {
    const { results } = await reranker.rerank(query, [...documents], {
      scores: 'raw',
      returnDocuments: false,
    });
    const scores = new Array<number>(documents.length);
    for (const { index, score } of results) scores[index] = score;
    return scores;
  },
});
