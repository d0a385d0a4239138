import { CacheBackedEmbeddings } from '@langchain/classic/embeddings/cache_backed';
import { ContextualCompressionRetriever } from '@langchain/classic/retrievers/contextual_compression';
import { MemoryVectorStore } from '@langchain/classic/vectorstores/memory';
import { Document } from '@langchain/core/documents';
import { BaseDocumentCompressor } from '@langchain/core/retrievers/document_compressors';
import { InMemoryStore } from '@langchain/core/stores';
import { Embedder, type Ranker, Reranker } from '../lib';
import { documentCompressor, embeddings } from '../lib/integrations/langchain';
import { fixture } from './support/models';

const query = 'Which planet is red?';
const texts = [
  'Bread is made of flour and water.',
  'Mars is often called the Red Planet.',
  'Venus is the second planet from the Sun.',
  'Jupiter is the largest planet.',
];

let reranker: Reranker;
let embedder: Embedder;
beforeAll(async () => {
  reranker = await Reranker.load();
  embedder = await Embedder.load(fixture('bert-embedder'), {
    prefixes: { query: 'query: ', document: 'passage: ' },
  });
});
afterAll(async () => {
  await reranker.dispose();
  await embedder.dispose();
});

class Note extends Document {
  title = 'a note';
}

describe('the document compressor', () => {
  test('reranks in a ContextualCompressionRetriever', async () => {
    const metadata = texts.map((_, line) => ({ line }));
    const store = await MemoryVectorStore.fromTexts(texts, metadata, embeddings(embedder));
    const retriever = new ContextualCompressionRetriever({
      baseRetriever: store.asRetriever({ k: 4 }),
      baseCompressor: documentCompressor(reranker, { topK: 2 }),
    });
    const found = await retriever.invoke(query);
    const { results } = await reranker.rerank(query, texts, { topK: 2 });
    expect(found.map(({ pageContent, metadata }) => ({ pageContent, metadata }))).toEqual(
      results.map(({ index, score }) => ({
        pageContent: texts[index],
        metadata: { line: index, relevanceScore: score },
      })),
    );
  });

  test('is one by what LangChain looks at, and returns copies of the same class', async () => {
    const compressor = documentCompressor(reranker);
    expect(BaseDocumentCompressor.isBaseDocumentCompressor(compressor)).toBe(true);
    const documents = texts.map((pageContent, i) => new Note({ pageContent, id: `${i}`, metadata: { i } }));
    const compressed = await compressor.compressDocuments(documents, query);
    expect(compressed).toHaveLength(4);
    const [best] = compressed as Note[];
    expect(best).toBeInstanceOf(Note);
    expect(best).toMatchObject({ id: '1', title: 'a note', metadata: { i: 1 } });
    expect(best?.metadata.relevanceScore).toBeGreaterThan(0);
    expect(documents.map(({ metadata }) => metadata)).toEqual(texts.map((_, i) => ({ i })));
    expect(await compressor.compressDocuments([], query)).toEqual([]);
  });

  test('takes options of the reranker, and refuses others', async () => {
    const all = await reranker.rerank(query, texts);
    const minScore = all.results[1]?.score as number;
    const documents = texts.map((pageContent) => new Document({ pageContent }));
    const compressor = documentCompressor(reranker, { minScore, cache: false });
    expect(await compressor.compressDocuments(documents, query)).toHaveLength(2);
    expect(() => documentCompressor(reranker, { topN: 3 } as object)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    );
    const wrong = documentCompressor(reranker, { topK: 0 });
    await expect(wrong.compressDocuments(documents, query)).rejects.toThrow(/positive integer for topK/);
    const noText = [{ metadata: {} } as Document];
    await expect(compressor.compressDocuments(noText, query)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('documents[0] has no field "pageContent"'),
    });
  });

  test('its signal ends the work', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const ranker: Ranker = {
      async rerank(query, documents, options) {
        const answer = reranker.rerank(query, documents, { ...options, cache: false });
        controller.abort(reason);
        return answer;
      },
    };
    const before = reranker.stats().requests.aborted;
    const documents = Array.from(
      { length: 200 },
      (_, i) => new Document({ pageContent: `${i} ${texts.join(' ')}` }),
    );
    const compressor = documentCompressor(ranker, { signal: controller.signal });
    await expect(compressor.compressDocuments(documents, query)).rejects.toBe(reason);
    expect(reranker.stats().requests.aborted).toBe(before + 1);
  });
});

describe('the embeddings', () => {
  test('embed documents as documents and a query as a query', async () => {
    const model = embeddings(embedder);
    const documents = await embedder.embed(texts, { kind: 'document' });
    const [question] = await embedder.embed([query], { kind: 'query' });
    expect(await model.embedDocuments(texts)).toEqual(documents.map((vector) => [...vector]));
    expect(await model.embedQuery(query)).toEqual([...(question as Float32Array)]);
    expect(await model.embedDocuments([])).toEqual([]);
  });

  test('are taken where LangChain takes Embeddings', async () => {
    const kept = CacheBackedEmbeddings.fromBytesStore(embeddings(embedder), new InMemoryStore<Uint8Array>());
    const first = await kept.embedDocuments(texts);
    expect(await kept.embedDocuments(texts)).toEqual(first);
    const store = await MemoryVectorStore.fromTexts(texts, {}, embeddings(embedder));
    expect(await store.similaritySearch(query, 2)).toHaveLength(2);
  });

  test('end with their signal, and refuse what they do not know', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(embeddings(embedder, { signal }).embedQuery(query)).rejects.toThrow('enough');
    expect(() => embeddings(embedder, { batchSize: 4 } as object)).toThrow(/Unknown option "batchSize"/);
  });
});
