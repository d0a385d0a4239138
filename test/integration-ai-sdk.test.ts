import type { EmbeddingModelV3, RerankingModelV3 } from '@ai-sdk/provider';
import type { EmbeddingModelV4, RerankingModelV4 } from '@ai-sdk/provider-4' with {
  'resolution-mode': 'import',
};
import { embed, embedMany, rerank } from 'ai';
import { Embedder, type Ranker, Reranker } from '../lib';
import { embeddingModel, rerankingModel, type Warning } from '../lib/integrations/ai-sdk';
import { fixture } from './support/models';
import { runModule } from './support/module-child';

const query = 'Which planet is red?';
const texts = [
  'Bread is made of flour and water.',
  'Mars is often called the Red Planet.',
  'Venus is the second planet from the Sun.',
];
const notes = texts.map((body, number) => ({ number, body }));

let reranker: Reranker;
let embedder: Embedder;
/** What `ai` would print. */
let logged: Warning[] = [];

beforeAll(async () => {
  reranker = await Reranker.load();
  embedder = await Embedder.load(fixture('bert-embedder'));
  Object.assign(globalThis, {
    AI_SDK_LOG_WARNINGS: ({ warnings }: { warnings: Warning[] }) => logged.push(...warnings),
  });
});
beforeEach(() => {
  logged = [];
});
afterAll(async () => {
  await reranker.dispose();
  await embedder.dispose();
});

test('the models are those of @ai-sdk/provider, in version 3 and 4', () => {
  const reranking: [RerankingModelV3, RerankingModelV4] = [
    rerankingModel(reranker),
    rerankingModel(reranker, { specificationVersion: 'v4' }),
  ];
  const embedding: [EmbeddingModelV3, EmbeddingModelV4] = [
    embeddingModel(embedder),
    embeddingModel(embedder, { specificationVersion: 'v4', modelId: 'mine' }),
  ];
  const identities = [...reranking, ...embedding].map(({ provider, modelId, specificationVersion }) => [
    provider,
    modelId,
    specificationVersion,
  ]);
  expect(identities).toEqual([
    ['crossrank', 'crossrank-mini', 'v3'],
    ['crossrank', 'crossrank-mini', 'v4'],
    ['crossrank', 'bert-embedder', 'v3'],
    ['crossrank', 'mine', 'v4'],
  ]);
});

describe('rerank()', () => {
  test('ranks as the reranker does', async () => {
    const { ranking, rerankedDocuments, providerMetadata } = await rerank({
      ...{ model: rerankingModel(reranker), query, documents: texts, topN: 2 },
    });
    const { results } = await reranker.rerank(query, texts, { topK: 2 });
    expect(ranking).toEqual(
      results.map(({ index, score, document }) => ({ originalIndex: index, score, document })),
    );
    expect(rerankedDocuments[0]).toBe(texts[1]);
    expect(providerMetadata).toMatchObject({
      crossrank: { degraded: false, scored: 3, truncated: 0, usage: { pairs: 3 } },
    });
    expect(logged).toEqual([]);
  });

  test.each([
    ['the option text', { text: 'body' }, undefined],
    ['a function', { text: (document: object) => (document as { body: string }).body }, undefined],
    ['providerOptions', {}, { crossrank: { text: 'body' } }],
  ])('reads document objects where %s says', async (_, options, providerOptions) => {
    const model = rerankingModel(reranker, options);
    const answer = await rerank({
      ...{ model, query, documents: notes },
      ...(providerOptions === undefined ? {} : { providerOptions }),
    });
    const { results } = await reranker.rerank(query, texts);
    expect(answer.ranking.map(({ originalIndex, score }) => [originalIndex, score])).toEqual(
      results.map(({ index, score }) => [index, score]),
    );
    expect(answer.ranking[0]?.document).toBe(notes[1]);
    expect(logged).toEqual([]);
  });

  test('reads a field text by itself, and an object without it as JSON, which it says', async () => {
    const model = rerankingModel(reranker);
    await rerank({ model, query, documents: texts.map((text) => ({ text })) });
    expect(logged).toEqual([]);
    const { ranking } = await rerank({ model, query, documents: notes });
    const { results } = await reranker.rerank(
      query,
      notes.map((note) => JSON.stringify(note)),
    );
    expect(ranking.map(({ score }) => score)).toEqual(results.map(({ score }) => score));
    expect(logged).toEqual([
      expect.objectContaining({
        type: 'compatibility',
        details: expect.stringMatching(/^documents\[0\] has no field "text".*providerOptions/),
      }),
    ]);
  });

  test('takes options of the reranker for all calls and for one', async () => {
    const model = rerankingModel(reranker, { scores: 'raw', longDocuments: 'window' });
    const long = [`${'Bread is made of flour. '.repeat(200)}Mars is red.`];
    const ask = (crossrank: { scores?: string; maxLength?: number }) =>
      rerank({ model, query, documents: long, providerOptions: { crossrank } });
    const raw = await ask({});
    const sigmoid = await ask({ scores: 'sigmoid' });
    const score = raw.ranking[0]?.score as number;
    expect(sigmoid.ranking[0]?.score).toBeCloseTo(1 / (1 + Math.exp(-score)), 5);
    const { results } = await reranker.rerank(query, long, { longDocuments: 'window' });
    expect(raw.providerMetadata?.crossrank?.spans).toEqual([{ index: 0, ...results[0]?.span }]);
  });

  test('refuses an option that is unknown, or the AI SDK has its own word for', async () => {
    const model = rerankingModel(reranker);
    for (const crossrank of [{ topk: 1 }, { topK: 1 }, { signal: 1 }]) {
      const [name] = Object.keys(crossrank);
      const call = rerank({ model, query, documents: texts, providerOptions: { crossrank } });
      await expect(call).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining(`"${name}"`),
      });
    }
    expect(() => rerankingModel(reranker, { topK: 1 } as object)).toThrow(/Unknown option "topK"/);
    expect(() => rerankingModel(reranker, { specificationVersion: 'v2' as 'v3' })).toThrow(/'v3', 'v4'/);
  });

  test('an abort ends the work, with its reason', async () => {
    const controller = new AbortController();
    const reason = new Error('the user went away');
    const before = reranker.stats().requests.aborted;
    const ranker: Ranker = {
      async rerank(query, documents, options) {
        const answer = reranker.rerank(query, documents, { ...options, cache: false });
        controller.abort(reason);
        return answer;
      },
    };
    const documents = Array.from({ length: 200 }, (_, i) => `${i} ${texts.join(' ').repeat(5)}`);
    const model = rerankingModel(ranker);
    const call = rerank({ model, query, documents, abortSignal: controller.signal });
    await expect(call).rejects.toBe(reason);
    expect(reranker.stats().requests.aborted).toBe(before + 1);
  });

  test('says what it could not honour, and that a call was cut short', async () => {
    const model = rerankingModel(reranker, { timeoutMs: 0.001, onTimeout: 'partial', cache: false });
    const documents = Array.from({ length: 50 }, (_, i) => `${i} ${texts.join(' ')}`);
    const answer = await rerank({ model, query, documents, headers: { 'x-mine': '1' } });
    expect(answer.ranking).toHaveLength(50);
    expect(answer.providerMetadata?.crossrank).toMatchObject({ degraded: true });
    expect(logged).toEqual([
      expect.objectContaining({ type: 'unsupported', feature: 'headers' }),
      { type: 'other', message: expect.stringMatching(/^the call took too long: \d+ of 50 /) },
    ]);
  });
});

describe('embed() and embedMany()', () => {
  test('give the vectors of the embedder, with the prefix of their kind', async () => {
    const prefixed = await Embedder.load(fixture('bert-embedder'), {
      prefixes: { query: 'query: ', document: 'passage: ' },
    });
    try {
      const model = embeddingModel(prefixed, { kind: 'document' });
      const { embeddings } = await embedMany({ model, values: texts });
      const expected = await prefixed.embed(texts, { kind: 'document' });
      expect(embeddings).toEqual(expected.map((vector) => [...vector]));
      const asked = { crossrank: { kind: 'query' } };
      const { embedding } = await embed({ model, value: query, providerOptions: asked });
      const [question] = await prefixed.embed([query], { kind: 'query' });
      expect(embedding).toEqual([...(question as Float32Array)]);
    } finally {
      await prefixed.dispose();
    }
  });

  test('an abort ends the work, with its reason', async () => {
    const controller = new AbortController();
    const reason = new Error('the user went away');
    const { space } = embedder;
    const aborting = {
      space,
      embed: (texts: readonly string[], options: object) => {
        const answer = embedder.embed(texts, options);
        controller.abort(reason);
        return answer;
      },
    };
    const values = Array.from({ length: 500 }, (_, i) => `${i} ${texts.join(' ')}`);
    const call = embedMany({ model: embeddingModel(aborting), values, abortSignal: controller.signal });
    await expect(call).rejects.toBe(reason);
  });

  test('dimensions other than its own are not cut to, which it says', async () => {
    const model = embeddingModel(embedder, { specificationVersion: 'v4' });
    expect((await model.doEmbed({ values: texts, dimensions: 64 })).warnings).toEqual([]);
    expect((await model.doEmbed({ values: texts, dimensions: 8 })).warnings).toEqual([
      expect.objectContaining({ type: 'unsupported', feature: 'dimensions' }),
    ]);
  });
});

test('ai 7 takes both versions, a full queue is tried again after its time, other errors are not', () => {
  expect(runModule('test/support/ai-sdk-child.mjs')).toEqual({
    v3: [1, 2, 0],
    v4: [1, 2, 0],
    embedded: 3,
    refusedTwice: { attempts: 3, best: 0 },
    neverRetried: { name: 'AI_APICallError', statusCode: 429, cause: 'ERR_QUEUE_FULL', retryAfter: '2' },
    invalid: { attempts: 1, code: 'ERR_INVALID_ARGUMENT' },
    warnings: 0,
  });
});
