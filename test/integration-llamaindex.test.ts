import {
  Document,
  IngestionPipeline,
  type LLM,
  MetadataMode,
  type NodeWithScore,
  Settings,
  VectorStoreIndex,
} from 'llamaindex';
import { Embedder, type Ranker, Reranker } from '../lib';
import { embedding, nodePostprocessor } from '../lib/integrations/llamaindex';
import { fixture } from './support/models';

const query = 'Which planet is red?';
const texts = [
  'Bread is made of flour and water.',
  'Mars is often called the Red Planet.',
  'Venus is the second planet from the Sun.',
  'Jupiter is the largest planet.',
];

/** Answers without a network. */
const llm = {
  metadata: { model: 'none', temperature: 0, topP: 1, contextWindow: 4096, tokenizer: undefined },
  complete: async () => ({ text: 'Mars', raw: null }),
} as unknown as LLM;

let reranker: Reranker;
let embedder: Embedder;
beforeAll(async () => {
  reranker = await Reranker.load();
  embedder = await Embedder.load(fixture('bert-embedder'), {
    prefixes: { query: 'query: ', document: 'passage: ' },
  });
  Settings.embedModel = embedding(embedder);
  Settings.llm = llm;
});
afterAll(async () => {
  await reranker.dispose();
  await embedder.dispose();
});

const nodesOf = (texts: readonly string[], metadata = {}): NodeWithScore[] =>
  texts.map((text) => ({ node: new Document({ text, metadata }), score: 0.1 }));
const textOf = ({ node }: NodeWithScore) => node.getContent(MetadataMode.NONE);

describe('the node postprocessor', () => {
  test('reranks what a query engine has retrieved', async () => {
    const index = await VectorStoreIndex.fromDocuments(texts.map((text) => new Document({ text })));
    const engine = index.asQueryEngine({
      similarityTopK: 4,
      nodePostprocessors: [nodePostprocessor(reranker, { topK: 2 })],
    });
    const { sourceNodes = [], message } = await engine.query({ query });
    const { results } = await reranker.rerank(query, texts, { topK: 2 });
    expect(sourceNodes.map((found) => [textOf(found), found.score])).toEqual(
      results.map(({ document, score }) => [document, score]),
    );
    expect(message.content).toBe('Mars');
  });

  test('reads metadata as the embedding does, or as it is told', async () => {
    const seen: string[][] = [];
    const ranker: Ranker = {
      rerank(query, documents, options) {
        const text = options?.text as (document: object) => string;
        seen.push(documents.map((document) => text(document as object)));
        return reranker.rerank(query, documents, options);
      },
    };
    const nodes = nodesOf(texts.slice(0, 1), { title: 'Baking', secret: 'x' });
    for (const { node } of nodes) node.excludedEmbedMetadataKeys = ['secret'];
    await nodePostprocessor(ranker).postprocessNodes(nodes, query);
    await nodePostprocessor(ranker, { metadataMode: 'NONE' }).postprocessNodes(nodes, query);
    expect(seen).toEqual([[expect.stringMatching(/^title: Baking\s+Bread/)], [texts[0]]]);
  });

  test('reads the text of a query with several parts, and leaves the given nodes as they are', async () => {
    const nodes = nodesOf(texts);
    const parts = [
      { type: 'text' as const, text: 'Which planet' },
      { type: 'image_url' as const, image_url: { url: 'http://127.0.0.1/mars.png' } },
      { type: 'text' as const, text: 'is red?' },
    ];
    const ranked = await nodePostprocessor(reranker).postprocessNodes(nodes, parts);
    const { results } = await reranker.rerank('Which planet\n\nis red?', texts);
    expect(ranked.map(({ score }) => score)).toEqual(results.map(({ score }) => score));
    expect(nodes.every(({ score }) => score === 0.1)).toBe(true);
    expect(ranked[0]?.node).toBe(nodes[1]?.node);
  });

  test('refuses a query without text, and options that it does not know', async () => {
    const processor = nodePostprocessor(reranker);
    for (const wrong of [undefined, '', [{ type: 'image_url' as const, image_url: { url: 'x:y' } }]]) {
      await expect(processor.postprocessNodes(nodesOf(texts), wrong)).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      });
    }
    expect(() => nodePostprocessor(reranker, { topN: 2 } as object)).toThrow(/Unknown option "topN"/);
    expect(() => nodePostprocessor(reranker, { metadataMode: 'none' as 'NONE' })).toThrow(/'ALL', 'EMBED'/);
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
    const nodes = nodesOf(Array.from({ length: 200 }, (_, i) => `${i} ${texts.join(' ')}`));
    const processor = nodePostprocessor(ranker, { signal: controller.signal });
    await expect(processor.postprocessNodes(nodes, query)).rejects.toBe(reason);
    expect(reranker.stats().requests.aborted).toBe(before + 1);
  });
});

describe('the embedding', () => {
  test('embeds texts as documents and a query as a query', async () => {
    const model = embedding(embedder);
    const documents = (await embedder.embed(texts, { kind: 'document' })).map((vector) => [...vector]);
    const [question] = await embedder.embed([query], { kind: 'query' });
    expect(await model.getTextEmbeddings(texts)).toEqual(documents);
    expect(await model.getTextEmbedding(texts[0] as string)).toEqual(documents[0]);
    expect(await model.getQueryEmbedding({ type: 'text', text: query })).toEqual([
      ...(question as Float32Array),
    ]);
    expect(await model.getQueryEmbedding({ type: 'image_url', image_url: { url: 'x:y' } })).toBeNull();
  });

  test('tells progress batch by batch', async () => {
    const model = embedding(embedder, { embedBatchSize: 3 });
    const progress: number[][] = [];
    const progressCallback = (done: number, all: number) => progress.push([done, all]);
    const vectors = await model.getTextEmbeddingsBatch(texts, { progressCallback });
    expect(vectors).toEqual(await model.getTextEmbeddings(texts));
    expect(progress).toEqual([
      [3, 4],
      [4, 4],
    ]);
    expect(await model.getTextEmbeddingsBatch([])).toEqual([]);
  });

  test('is a transformation of an ingestion pipeline', async () => {
    const pipeline = new IngestionPipeline({ transformations: [embedding(embedder)] });
    const nodes = await pipeline.run({ documents: texts.map((text) => new Document({ text })) });
    const expected = await embedder.embed(texts, { kind: 'document' });
    expect(nodes.map((node) => node.embedding)).toEqual(expected.map((vector) => [...vector]));
  });

  test('measures likeness as LlamaIndex does', () => {
    const { similarity } = embedding(embedder);
    const original = jest.requireActual<typeof import('@llamaindex/core/embeddings')>(
      '@llamaindex/core/embeddings',
    );
    const [a, b] = [
      [1, 2, -3],
      [0.5, 4, 1],
    ] as [number[], number[]];
    for (const mode of Object.values(original.SimilarityType)) {
      expect(similarity(a, b, mode)).toBeCloseTo(original.similarity(a, b, mode), 12);
    }
    expect(similarity(a, b)).toBeCloseTo(original.similarity(a, b), 12);
    expect(() => similarity(a, [1])).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
  });

  test('ends with its signal, and refuses what it does not know', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(embedding(embedder, { signal }).getTextEmbedding(query)).rejects.toThrow('enough');
    expect(() => embedding(embedder, { embedBatchSize: 0 })).toThrow(/embedBatchSize/);
    expect(() => embedding(embedder, { batch: 1 } as object)).toThrow(/Unknown option "batch"/);
  });
});
