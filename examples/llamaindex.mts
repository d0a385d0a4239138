// npm run example:llamaindex    LlamaIndex.TS: npm install crossrank llamaindex @llamaindex/core
import { Embedder, Reranker } from 'crossrank';
import { embedding, nodePostprocessor } from 'crossrank/llamaindex';
import { Document, Settings, VectorStoreIndex } from 'llamaindex';

const texts = [
  'Venus is the second planet from the Sun.',
  'Mars is often called the Red Planet.',
  'Jupiter is the largest planet.',
  'Bread is made of flour and water.',
];

await using embedder = await Embedder.load();
await using reranker = await Reranker.load();
Settings.embedModel = embedding(embedder);
const index = await VectorStoreIndex.fromDocuments(texts.map((text) => new Document({ text })));
const query = 'Which planet is red?';
const found = await index.asRetriever({ similarityTopK: 3 }).retrieve({ query });
// Or in a query engine: index.asQueryEngine({ nodePostprocessors: [nodePostprocessor(reranker)] })
const best = await nodePostprocessor(reranker, { topK: 2 }).postprocessNodes(found, query);
for (const { node, score } of best) console.log(score?.toFixed(3), node.toJSON().text);
