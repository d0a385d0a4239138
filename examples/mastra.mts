// npm run example:mastra        Mastra: npm install crossrank @mastra/core @mastra/rag
import { rerankWithScorer } from '@mastra/rag';
import { Reranker } from 'crossrank';
import { relevanceScorer } from 'crossrank/mastra';

// What a vector store of Mastra answers: best first, the text in metadata.
const results = [
  { id: 'venus', score: 0.82, metadata: { text: 'Venus is the second planet from the Sun.' } },
  { id: 'bread', score: 0.8, metadata: { text: 'Bread is made of flour and water.' } },
  { id: 'mars', score: 0.79, metadata: { text: 'Mars is often called the Red Planet.' } },
];

await using reranker = await Reranker.load();
const ranked = await rerankWithScorer({
  results,
  query: 'Which planet is known as the Red Planet?',
  scorer: relevanceScorer(reranker),
  options: { topK: 2, weights: { semantic: 0.8, vector: 0.1, position: 0.1 } },
});
for (const { score, result } of ranked) console.log(score.toFixed(3), result.id);
