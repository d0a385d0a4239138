// What Mastra, which Jest does not load, makes of the scorer.
import type { RelevanceScoreProvider } from '@mastra/core/relevance';
import { rerankWithScorer } from '@mastra/rag';
import { Reranker } from 'crossrank';
import { relevanceScorer } from 'crossrank/mastra';

const [query = '', other = '', ...texts] = process.argv.slice(2);
const results = texts.map((text, i) => ({ id: `${i}`, score: 0.5, metadata: { text } }));
const options = { topK: 2, weights: { semantic: 1, vector: 0, position: 0 } };

await using reranker = await Reranker.load();
const scorer: RelevanceScoreProvider = relevanceScorer(reranker);
const ranked = await rerankWithScorer({ results, query, scorer, options });

const sizes: number[] = [];
const counting: RelevanceScoreProvider = relevanceScorer({
  predict(pairs, options) {
    sizes.push(pairs.length);
    return reranker.predict(pairs, options);
  },
});
const both = await Promise.all(
  [query, other].map((query) => rerankWithScorer({ results, query, scorer: counting, options })),
);

const aborted = relevanceScorer(reranker, { signal: AbortSignal.abort(new Error('enough')) });
const reason = await rerankWithScorer({ results, query, scorer: aborted, options }).catch(
  (error: Error) => error.message,
);

console.log(
  JSON.stringify({
    ranked: ranked.map(({ result, score }) => [Number(result.id), score]),
    sizes,
    best: both.map(([first]) => Number(first?.result.id)),
    reason,
  }),
);
