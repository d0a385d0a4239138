// npm run example:langchain     LangChain.js: npm install crossrank @langchain/core @langchain/classic
import { ContextualCompressionRetriever } from '@langchain/classic/retrievers/contextual_compression';
import { MemoryVectorStore } from '@langchain/classic/vectorstores/memory';
import { Embedder, Reranker } from 'crossrank';
import { documentCompressor, embeddings } from 'crossrank/langchain';

const texts = [
  'Venus is the second planet from the Sun.',
  'Mars is often called the Red Planet.',
  'Jupiter is the largest planet.',
  'Bread is made of flour and water.',
];

await using embedder = await Embedder.load();
await using reranker = await Reranker.load();
const metadata = texts.map((_, line) => ({ line }));
const store = await MemoryVectorStore.fromTexts(texts, metadata, embeddings(embedder));
const retriever = new ContextualCompressionRetriever({
  baseRetriever: store.asRetriever({ k: 3 }),
  baseCompressor: documentCompressor(reranker, { topK: 2 }),
});
for (const { pageContent, metadata } of await retriever.invoke('Which planet is red?')) {
  console.log(metadata.relevanceScore.toFixed(3), pageContent);
}
