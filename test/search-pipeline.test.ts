import {
  Chunker,
  CrossrankError,
  Embedder,
  KeywordIndex,
  MemoryStore,
  PRESETS,
  Reranker,
  SearchPipeline,
  type StoredDocument,
  type StoreHit,
  type TextEmbedder,
} from '../lib';

const DOCUMENTS: StoredDocument[] = [
  { id: 'mars', text: 'Mars is often called the Red Planet.', metadata: { topic: 'planets', year: 1976 } },
  {
    id: 'venus',
    text: 'Venus is the second planet from the Sun.',
    metadata: { topic: 'planets', year: 1990 },
  },
  {
    id: 'bread',
    text: 'Bread is made of flour, water, yeast and salt.',
    metadata: { topic: 'food', year: 2001 },
  },
  { id: 'rice', text: '米饭是用大米和水煮成的。', metadata: { topic: 'food', year: 2010 } },
  { id: 'index', text: '数据库索引可以加快查询速度。', metadata: { topic: 'databases', year: 2015 } },
  {
    id: 'btree',
    text: 'A B-tree keeps keys sorted, so that a lookup reads few pages.',
    metadata: { topic: 'databases' },
  },
];

let embedder: Embedder;
let reranker: Reranker;
let store: MemoryStore;
let keywords: KeywordIndex;
let pipeline: SearchPipeline;

beforeAll(async () => {
  embedder = await Embedder.load();
  reranker = await Reranker.load();
  store = await MemoryStore.open({ space: embedder.space });
  keywords = new KeywordIndex();
  pipeline = new SearchPipeline({ embedder, store, reranker, keywords });
  await pipeline.index(DOCUMENTS);
});

afterAll(async () => {
  await store.close();
  await Promise.all([embedder.dispose(), reranker.dispose()]);
});

const ids = ({ results }: { results: readonly { document: StoredDocument }[] }) =>
  results.map(({ document }) => document.id);

/** A store of passages that take long to rerank. How they are found does not matter, so they are not embedded. */
async function longPassages(count: number): Promise<MemoryStore> {
  const own = await MemoryStore.open({ space: embedder.space });
  const documents = Array.from({ length: count }, (_, i) => ({
    id: `${i}`,
    text: `word ${i} `.repeat(60),
    vector: Float32Array.from({ length: embedder.space.dimension }, (_, d) => Math.sin(i * 31 + d)),
  }));
  await own.add(documents);
  return own;
}

/** What queries of the failing stores do: the server is away, or hangs, or is back. */
let behaviour: () => Promise<StoreHit[]>;

async function failingStore(query: () => Promise<StoreHit[]>): Promise<MemoryStore> {
  behaviour = query;
  return Object.assign(await MemoryStore.open({ space: embedder.space }), { query: () => behaviour() });
}

async function failing(query: () => Promise<StoreHit[]>, withKeywords: boolean): Promise<SearchPipeline> {
  return new SearchPipeline({
    embedder,
    store: await failingStore(query),
    reranker,
    cache: false,
    ...(withKeywords ? { keywords } : {}),
  });
}

const unreachable = () => Promise.reject(new CrossrankError('ERR_STORE', 'the store is away'));
const hanging = () => new Promise<StoreHit[]>(() => undefined);

describe('what a search finds', () => {
  test('the right passage first, in both languages, with both ranks and every timing', async () => {
    const red = await pipeline.search('Which planet is called the Red Planet?', { topK: 2 });
    expect(ids(red)[0]).toBe('mars');
    expect(red.results.map(({ rank }) => rank)).toEqual([1, 2]);
    expect(red.degraded).toBe(false);
    expect(red.candidates).toBe(DOCUMENTS.length);
    const [first] = red.results;
    expect(first?.firstStage.sources.dense?.rank).toBe(1);
    expect(first?.firstStage.sources.keywords?.rank).toBe(1);
    expect(first?.firstStage.score).toBeCloseTo(2 / 61, 6);
    const { embedMs, denseMs, firstStageMs, rerankMs, totalMs } = red.timings;
    expect(Math.min(embedMs, denseMs, rerankMs)).toBeGreaterThan(0);
    expect(totalMs).toBeGreaterThanOrEqual(firstStageMs + rerankMs - 1);

    const zh = await pipeline.search('如何让数据库查询更快？', { topK: 1 });
    expect(ids(zh)).toEqual(['index']);
  });

  test('scores are those of the reranker on the same pairs', async () => {
    const query = 'How is bread made?';
    const { results } = await pipeline.search(query, { topK: 3, cache: false });
    const direct = await reranker.rerank(query, DOCUMENTS, { topK: 3 });
    expect(ids({ results })).toEqual(direct.results.map(({ document }) => document.id));
    expect(results.map(({ score }) => score)).toEqual(direct.results.map(({ score }) => score));
  });

  test('a filter binds vectors and keywords', async () => {
    const filter = { topic: 'food', year: { $gte: 2005 } };
    const response = await pipeline.search('What is made with flour and water?', { filter });
    expect(ids(response)).toEqual(['rice']);
  });

  test('hybrid: false leaves keywords out, and weights change the order', async () => {
    const query = 'B-tree';
    const dense = await pipeline.search(query, { hybrid: false, rerank: false });
    expect(dense.results.every(({ firstStage }) => firstStage.sources.keywords === undefined)).toBe(true);
    const direct = await store.query((await embedder.embed([query], { kind: 'query' }))[0] as Float32Array, {
      topK: 5,
    });
    expect(ids(dense)).toEqual(direct.map(({ document }) => document.id));
    const weighted = await pipeline.search(query, {
      hybrid: { method: 'weighted', weights: { dense: 0.01, keywords: 1 } },
      rerank: false,
    });
    expect(ids(weighted)[0]).toBe('btree');
  });

  test('minScore leaves out what the reranker finds wrong', async () => {
    const all = await pipeline.search('Which planet is red?');
    const limit = all.results[0]?.score as number;
    const best = await pipeline.search('Which planet is red?', { minScore: limit });
    expect(best.results).toHaveLength(1);
  });

  test('presets are depths', async () => {
    expect(PRESETS).toEqual({
      realtime: { initialK: 50, topK: 5 },
      document: { initialK: 100, topK: 10 },
      preview: { initialK: 20, topK: 3 },
      deep: { initialK: 200, topK: 20 },
    });
    expect((await pipeline.search('planet', { preset: 'preview' })).results).toHaveLength(3);
    expect((await pipeline.search('planet')).results).toHaveLength(5);
    expect((await pipeline.search('planet', { preset: 'deep' })).results).toHaveLength(DOCUMENTS.length);
  });

  test('searches at the same time get the answers they get alone', async () => {
    const queries = Array.from({ length: 12 }, (_, i) => `planet number ${i}, or bread?`);
    const together = await Promise.all(queries.map((query) => pipeline.search(query, { cache: false })));
    for (const [i, query] of queries.entries()) {
      const alone = await pipeline.search(query, { cache: false });
      expect(together[i]?.results).toEqual(alone.results);
    }
  });
});

describe('streaming', () => {
  test('the first stage comes first, then the reranked answer', async () => {
    const updates = [];
    for await (const update of pipeline.searchStream('red planet', { cache: false })) updates.push(update);
    expect(updates.map(({ stage }) => stage)).toEqual(['firstStage', 'reranked']);
    expect(updates[0]?.response.results[0]?.score).toBe(updates[0]?.response.results[0]?.firstStage.score);
    expect(updates[1]?.response).toMatchObject({
      results: (await pipeline.search('red planet', { cache: false })).results,
    });
  });

  test('leaving the loop ends reranking', async () => {
    const before = reranker.stats().requests.aborted;
    const own = await longPassages(200);
    const long = new SearchPipeline({ embedder, store: own, reranker });
    for await (const { stage } of long.searchStream('passage', { preset: 'deep' })) {
      expect(stage).toBe('firstStage');
      break;
    }
    await reranker.rerank('later', ['calls go on']);
    expect(reranker.stats().requests.aborted).toBe(before + 1);
    await own.close();
  });
});

describe('when something fails', () => {
  test('a deadline during reranking gives the first order, a partial one, or an error', async () => {
    const own = await longPassages(300);
    await using slowest = await Reranker.load(undefined, { precision: 'fp32', threads: 1, cache: false });
    const slow = new SearchPipeline({ embedder, store: own, reranker: slowest, cache: false });
    const options = { initialK: 300, topK: 10, timeoutMs: 500 };
    const order = await slow.search('word 7', { ...options, rerank: false, timeoutMs: 60_000 });
    const first = await slow.search('word 7', options);
    expect(first.degraded).toBe(true);
    expect(first.reasons).toEqual([expect.objectContaining({ stage: 'rerank', code: 'ERR_TIMEOUT' })]);
    expect(first.results).toEqual(order.results);
    const partial = await slow.search('word 7', { ...options, onTimeout: 'partial' });
    expect(partial.degraded).toBe(true);
    expect(partial.reasons[0]?.message).toMatch(/scored/);
    expect(partial.results).toHaveLength(10);
    await expect(slow.search('word 7', { ...options, onTimeout: 'error' })).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
    });
    await own.close();
  });

  test('a reranker that fails leaves the first order, with the reason', async () => {
    const broken = await Reranker.load(undefined, { threads: 1, maxQueuedTokens: 1, cache: false });
    const own = new SearchPipeline({ embedder, store, reranker: broken, cache: false });
    await broken.dispose();
    const response = await own.search('planet');
    expect(response.degraded).toBe(true);
    expect(response.reasons).toEqual([expect.objectContaining({ stage: 'rerank', code: 'ERR_CLOSED' })]);
    expect(response.results).toHaveLength(5);
  });

  test('a store that is away: keywords answer, or the error does, and the next search works', async () => {
    const hybrid = await failing(unreachable, true);
    const response = await hybrid.search('Red Planet');
    expect(response.reasons).toEqual([expect.objectContaining({ stage: 'dense', code: 'ERR_STORE' })]);
    expect(ids(response)[0]).toBe('mars');
    const alone = await failing(unreachable, false);
    await expect(alone.search('Red Planet')).rejects.toMatchObject({ code: 'ERR_STORE' });
    behaviour = async () => [{ document: DOCUMENTS[0] as StoredDocument, score: 1 }];
    expect(ids(await alone.search('Red Planet'))).toEqual(['mars']);
  });

  test('a store that hangs does not hang the search', async () => {
    const alone = await failing(hanging, false);
    await expect(alone.search('planet', { timeoutMs: 100 })).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
    const controller = new AbortController();
    const aborted = alone.search('planet', { signal: controller.signal });
    controller.abort(new Error('the user left'));
    await expect(aborted).rejects.toThrow('the user left');
  });

  test('an empty store gives no results, and says why', async () => {
    const empty = await MemoryStore.open({ space: embedder.space });
    const own = new SearchPipeline({ embedder, store: empty, reranker });
    const response = await own.search('anything');
    expect(response).toMatchObject({ results: [], degraded: false, candidates: 0 });
    expect(response.notice).toMatch(/no documents.*index\(\)/);
    expect((await pipeline.search('planet', { filter: { topic: 'music' } })).notice).toBeUndefined();
    await empty.close();
  });

  test.each([
    [{ preset: 'fast' }, /realtime.*for preset/],
    [{ preset: 'preview', topK: 30 }, /initialK 20 of the preset 'preview' is below topK 30/],
    [{ initialK: 4, topK: 5 }, /initialK 4 is below topK 5/],
    [{ topK: 0 }, /topK/],
    [{ tokK: 5 }, /Unknown option "tokK"/],
    [{ timeoutMs: -1 }, /timeoutMs/],
    [{ filter: { year: { $near: 3 } } }, /\$near/],
    [{ hybrid: { method: 'sum' } }, /method/],
    [{ minScore: Number.NaN }, /minScore/],
    [{ onTimeout: 'inputOrder' }, /onTimeout/],
  ])('%j is refused by name', async (options, message) => {
    await expect(pipeline.search('planet', options as never)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
  });

  test('a query that is no string, and parts that are none, are refused', async () => {
    await expect(pipeline.search(7 as never)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    expect(() => new SearchPipeline({ embedder, store: {} as never })).toThrow(/store/);
    expect(() => new SearchPipeline({ embedder, store, ranker: reranker } as never)).toThrow(/ranker/);
    const dense = new SearchPipeline({ embedder, store });
    await expect(dense.search('x', { hybrid: true })).rejects.toThrow(/without keywords/);
    await expect(dense.search('x', { rerank: true })).rejects.toThrow(/without a reranker/);
  });

  test('a store of another embedding model is refused by name', async () => {
    const other = await MemoryStore.open({ space: { model: 'other', dimension: 3 } });
    expect(() => new SearchPipeline({ embedder, store: other })).toThrow(
      expect.objectContaining({
        code: 'ERR_STORE_MISMATCH',
        message: expect.stringMatching(/other \(3.*e5-small/),
      }),
    );
    await other.close();
  });
});

describe('the result cache', () => {
  test('the same question is answered from it until documents change', async () => {
    const own = await MemoryStore.open({ space: embedder.space });
    const cached = new SearchPipeline({ embedder, store: own, reranker });
    await cached.index(DOCUMENTS);
    const first = await cached.search('Which planet is red?');
    const second = await cached.search('Which planet is red?');
    expect(first.cached).toBe(false);
    expect(second.cached).toBe(true);
    expect(second.results).toEqual(first.results);
    expect((await cached.search('Which planet is red?', { topK: 2 })).cached).toBe(false);
    expect((await cached.search('Which planet is red?', { cache: false })).cached).toBe(false);
    (second.results[0] as { score: number }).score = -1;
    expect((await cached.search('Which planet is red?')).results).toEqual(first.results);
    await cached.remove(['mars']);
    const after = await cached.search('Which planet is red?');
    expect(after.cached).toBe(false);
    expect(ids(after)).not.toContain('mars');
    await own.close();
  });

  test('a degraded answer is not kept', async () => {
    const away = await failingStore(unreachable);
    const own = new SearchPipeline({ embedder, store: away, reranker, keywords });
    expect((await own.search('Red Planet')).degraded).toBe(true);
    behaviour = async () => [{ document: DOCUMENTS[0] as StoredDocument, score: 1 }];
    expect(await own.search('Red Planet')).toMatchObject({ cached: false, degraded: false });
  });
});

describe('indexing', () => {
  /** Counts what is embedded. */
  class Counting implements TextEmbedder {
    texts = 0;
    readonly space = embedder.space;
    embed(texts: readonly string[], options?: Parameters<TextEmbedder['embed']>[1]): Promise<Float32Array[]> {
      this.texts += texts.length;
      return embedder.embed(texts, options);
    }
  }

  test('what is stored is not embedded again; what has changed is', async () => {
    const counting = new Counting();
    const own = await MemoryStore.open({ space: counting.space });
    const indexing = new SearchPipeline({ embedder: counting, store: own });
    expect(await indexing.index(DOCUMENTS)).toMatchObject({ documents: 6, embedded: 6, unchanged: 0 });
    const edited = DOCUMENTS.map((document) =>
      document.id === 'rice' ? { ...document, text: '米饭要煮二十分钟。' } : document,
    );
    expect(await indexing.index(edited)).toMatchObject({ documents: 6, embedded: 1, unchanged: 5 });
    expect(counting.texts).toBe(7);
    expect(await own.count()).toBe(6);
    await own.close();
  });

  test('a keyword index that is younger than the store catches up', async () => {
    const late = new KeywordIndex();
    const own = new SearchPipeline({ embedder, store, keywords: late });
    expect(await own.index(DOCUMENTS)).toMatchObject({ embedded: 0, unchanged: 6 });
    expect((await late.query('flour', { topK: 1 }))[0]?.document.id).toBe('bread');
  });

  test('an input that fails keeps what came before, and the next call goes on from there', async () => {
    const own = await MemoryStore.open({ space: embedder.space });
    const indexing = new SearchPipeline({ embedder, store: own });
    const many = Array.from({ length: 25 }, (_, i) => ({ id: `${i}`, text: `text ${i}` }));
    function* broken() {
      yield* many.slice(0, 17);
      throw new Error('the file is torn');
    }
    await expect(indexing.index(broken(), { batchSize: 5 })).rejects.toThrow('the file is torn');
    expect(await own.count()).toBe(17);
    const seen: number[] = [];
    const done = await indexing.index(many, {
      batchSize: 5,
      onProgress: ({ documents }) => seen.push(documents),
    });
    expect(done).toMatchObject({ documents: 25, embedded: 8, unchanged: 17 });
    expect(seen).toHaveLength(5);
    await own.close();
  });

  test('an id that comes twice is refused, and what came before it is kept', async () => {
    const own = await MemoryStore.open({ space: embedder.space });
    const indexing = new SearchPipeline({ embedder, store: own });
    const twice = [
      { id: 'a', text: 'one' },
      { id: 'b', text: 'two' },
      { id: 'a', text: 'three' },
    ];
    await expect(indexing.index(twice)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(/document 2.*"a" a second time/),
    });
    expect(await own.get(['a', 'b'])).toMatchObject([{ text: 'one' }, { text: 'two' }]);
    await own.close();
  });

  test('an abort ends it between batches, and the signal tells why', async () => {
    const own = await MemoryStore.open({ space: embedder.space });
    const indexing = new SearchPipeline({ embedder, store: own });
    const controller = new AbortController();
    const many = Array.from({ length: 100 }, (_, i) => ({ id: `${i}`, text: `text ${i}` }));
    const aborted = indexing.index(many, {
      batchSize: 10,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    await expect(aborted).rejects.toThrow('enough');
    const stored = await own.count();
    expect(stored).toBeGreaterThanOrEqual(10);
    expect(stored).toBeLessThan(100);
    await own.close();
  });

  test('documents in chunks: found by chunk, and one that became shorter leaves none behind', async () => {
    const own = await MemoryStore.open({ space: embedder.space });
    const words = new KeywordIndex();
    const indexing = new SearchPipeline({ embedder, store: own, keywords: words, reranker });
    const chunker = new Chunker({ tokenizer: embedder, maxTokens: 16, overlapTokens: 0 });
    const text = DOCUMENTS.map((document) => document.text).join('\n\n');
    await indexing.index([{ id: 'all', text, metadata: { topic: 'mixed' } }], { chunker });
    const chunks = await own.count();
    expect(chunks).toBeGreaterThan(3);
    const [best] = (await indexing.search('Which planet is red?')).results;
    expect(best?.document.text).toContain('Mars');
    expect(best?.document.metadata).toMatchObject({ topic: 'mixed' });
    await indexing.index([{ id: 'all', text: 'Short now.', metadata: { topic: 'mixed' } }], { chunker });
    expect(await own.count()).toBe(1);
    expect(await words.query('planet', { topK: 5 })).toEqual([]);
    await own.close();
  });
});
