// npm run example:ai-sdk        the Vercel AI SDK: npm install crossrank ai
import { cosineSimilarity, embed, embedMany, rerank } from 'ai';
import { Embedder, Reranker } from 'crossrank';
import { embeddingModel, rerankingModel } from 'crossrank/ai-sdk';

const query = 'Which planet is known as the Red Planet?';
const notes = [
  { title: 'Venus', body: 'Venus is the second planet from the Sun.' },
  { title: 'Mars', body: 'Mars is often called the Red Planet.' },
  { title: 'Bread', body: 'Bread is made of flour and water.' },
];

await using reranker = await Reranker.load();
const model = rerankingModel(reranker, { text: 'body' });
const { ranking } = await rerank({
  model,
  query,
  documents: notes,
  topN: 2,
  abortSignal: AbortSignal.timeout(10_000),
});
for (const { score, document } of ranking) console.log(score.toFixed(3), document.title);

await using embedder = await Embedder.load();
const values = notes.map(({ body }) => body);
const documents = await embedMany({ model: embeddingModel(embedder, { kind: 'document' }), values });
const question = await embed({ model: embeddingModel(embedder, { kind: 'query' }), value: query });
const alike = documents.embeddings.map((vector) => cosineSimilarity(vector, question.embedding).toFixed(2));
console.log(alike.join(' '));
