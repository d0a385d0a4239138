import type {
  EmbeddedDocument,
  EmbeddingSpace,
  Filter,
  Metadata,
  StoreHit,
  VectorStore,
} from '../../lib/search/types';

const SPACE: EmbeddingSpace = { model: 'contract-model', dimension: 8 };

export interface StoreContractOptions {
  /** Opens, for a space, the store that `open` opened last, which is closed; left out where closing ends a store. */
  openAgain?: (space: EmbeddingSpace) => Promise<VectorStore>;
  /** Whether texts and metadata may hold U+0000. @defaultValue `true` */
  keepsNul?: boolean;
}

/**
 * The promises of `VectorStore`, as tests.
 * @param open opens a store for a space that is empty, whatever earlier ones hold
 */
export function describeStoreContract(
  name: string,
  open: (space: EmbeddingSpace) => Promise<VectorStore>,
  options: StoreContractOptions = {},
): void {
  describe(name, () => {
    const opened: VectorStore[] = [];
    const make = async (documents: EmbeddedDocument[] = [], space = SPACE): Promise<VectorStore> => {
      const store = await open(space);
      opened.push(store);
      await store.add(documents);
      return store;
    };
    afterEach(async () => {
      for (const store of opened.splice(0)) await store.close();
    });

    describeQueries(make);
    describeFilters(make);
    describeDocuments(make, options.keepsNul ?? true);
    describeBadInput(make);
    describeEnds(make);
    const { openAgain } = options;
    if (openAgain) {
      describeReopening(make, async (space) => {
        const store = await openAgain(space);
        opened.push(store);
        return store;
      });
    }
  });
}

type Make = (documents?: EmbeddedDocument[], space?: EmbeddingSpace) => Promise<VectorStore>;

function describeQueries(make: Make): void {
  test('documents come by cosine similarity, best first, whatever the length of their vectors', async () => {
    const documents = randomDocuments(60, 1);
    const store = await make(documents);
    for (const { vector } of randomDocuments(5, 2)) {
      const expected = ranked(documents, vector).slice(0, 12);
      const hits = await store.query(vector, { topK: 12 });
      expect(idsOf(hits)).toEqual(expected.map(({ id }) => id));
      hits.forEach(({ score, document }, i) => {
        expect(score).toBeCloseTo(expected[i]?.score as number, 5);
        expect(document.text).toBe(`text of ${document.id}`);
      });
    }
  });

  test('a vector finds itself with similarity 1, its opposite with -1', async () => {
    const vector = Float32Array.of(3, -1, 4, 1, -5, 9, 2, 6);
    const store = await make([embedded('self', vector), embedded('opposite', vector.map(negated))]);
    const hits = await store.query(vector, { topK: 5 });
    expect(idsOf(hits)).toEqual(['self', 'opposite']);
    expect(hits[0]?.score).toBeCloseTo(1, 5);
    expect(hits[1]?.score).toBeCloseTo(-1, 5);
  });

  test('equal scores come by id', async () => {
    const vector = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    const ids = ['d', 'b', 'é', 'a', '2', '10', 'C', '中'];
    const store = await make(ids.map((id) => embedded(id, vector)));
    expect(idsOf(await store.query(vector, { topK: 20 }))).toEqual([...ids].sort());
  });

  test('topK beyond the count finds all', async () => {
    const store = await make(randomDocuments(3, 3));
    expect(await store.query(unit(0), { topK: 1000 })).toHaveLength(3);
    expect(await store.query(unit(0), { topK: 2 })).toHaveLength(2);
  });

  test('an empty store answers', async () => {
    const store = await make();
    expect(await store.query(unit(0), { topK: 10 })).toEqual([]);
    expect(await store.get(['a', 'b'])).toEqual([undefined, undefined]);
    expect(await store.get([])).toEqual([]);
    expect(await store.remove(['a'])).toBe(0);
    expect(await store.count()).toBe(0);
    expect(await store.count({ lang: 'en' })).toBe(0);
    expect(await everything(store)).toEqual([]);
  });

  test('calls at the same time all count', async () => {
    const store = await make();
    const batches = Array.from({ length: 6 }, (_, i) => randomDocuments(10, i + 10, `${i}-`));
    await Promise.all(
      batches.flatMap((batch) => [store.add(batch), store.query(unit(0), { topK: 3 }), store.count()]),
    );
    expect(await store.count()).toBe(60);
    const all = batches.flat();
    const [first] = ranked(all, unit(1));
    expect(idsOf(await store.query(unit(1), { topK: 1 }))).toEqual([first?.id]);
  });

  test('a query aborted before or on its way rejects with the reason of its signal', async () => {
    const store = await make(randomDocuments(20, 4));
    const before = AbortSignal.abort(new Error('changed my mind'));
    await expect(store.query(unit(0), { topK: 3, signal: before })).rejects.toThrow('changed my mind');
    const controller = new AbortController();
    const query = store.query(unit(0), { topK: 3, signal: controller.signal });
    controller.abort(new Error('too late'));
    await expect(query).rejects.toThrow('too late');
    expect(await store.query(unit(0), { topK: 3 })).toHaveLength(3);
  });
}

const LIBRARY: Record<string, Metadata | undefined> = {
  novel: { lang: 'zh', year: 1791, loan: true, 'shelf.no': 'A"1' },
  poems: { lang: 'zh', year: 750.5, loan: false, 书架: "O'Neil" },
  manual: { lang: 'en', year: 2024, loan: true },
  plan: { lang: 'en', year: '2024', loan: false },
  letter: { lang: 'fr', constructor: 'nobody' },
  scrap: undefined,
};

/** Filters and which of LIBRARY they find. */
const FILTERS: [Filter, string[]][] = [
  [{ lang: 'zh' }, ['novel', 'poems']],
  [{ lang: { $eq: 'en' } }, ['manual', 'plan']],
  [{ loan: true }, ['manual', 'novel']],
  [{ loan: { $ne: true } }, ['letter', 'plan', 'poems', 'scrap']],
  [{ year: 2024 }, ['manual']],
  [{ year: '2024' }, ['plan']],
  [{ year: { $ne: 2024 } }, ['letter', 'novel', 'plan', 'poems', 'scrap']],
  [{ year: { $in: [2024, '2024', true] } }, ['manual', 'plan']],
  [{ lang: { $in: [] } }, []],
  [{ lang: { $nin: ['zh', 'fr'] } }, ['manual', 'plan', 'scrap']],
  [{ lang: { $nin: [] } }, ['letter', 'manual', 'novel', 'plan', 'poems', 'scrap']],
  [{ year: { $gt: 750.5 } }, ['manual', 'novel']],
  [{ year: { $gte: 750.5 } }, ['manual', 'novel', 'poems']],
  [{ year: { $lt: 1791 } }, ['poems']],
  [{ year: { $lte: 1791 } }, ['novel', 'poems']],
  [{ year: { $gt: 750.5, $lt: 2024 } }, ['novel']],
  [{ lang: 'zh', year: { $lt: 1000 } }, ['poems']],
  [{ $and: [{ lang: 'en' }, { loan: true }] }, ['manual']],
  [{ $or: [{ lang: 'fr' }, { year: { $gte: 2024 } }] }, ['letter', 'manual']],
  [{ $not: { lang: 'zh' } }, ['letter', 'manual', 'plan', 'scrap']],
  [{ $not: { year: { $gt: 0 } } }, ['letter', 'plan', 'scrap']],
  [
    { $not: { $or: [{ lang: 'zh' }, { $and: [{ lang: 'en' }, { loan: false }] }] } },
    ['letter', 'manual', 'scrap'],
  ],
  [{ 'shelf.no': 'A"1' }, ['novel']],
  [{ 书架: "O'Neil" }, ['poems']],
  [{ constructor: 'nobody' }, ['letter']],
  [{ nowhere: 1 }, []],
  [{ nowhere: { $ne: 1 } }, ['letter', 'manual', 'novel', 'plan', 'poems', 'scrap']],
  [{}, ['letter', 'manual', 'novel', 'plan', 'poems', 'scrap']],
];

function describeFilters(make: Make): void {
  test('a filter finds the documents that meet it, and no others', async () => {
    const library = Object.entries(LIBRARY).map(([id, metadata], i) => embedded(id, unit(i), metadata));
    const store = await make(library);
    for (const [filter, expected] of FILTERS) {
      const hits = await store.query(unit(0), { topK: 10, filter });
      const found = { filter, ids: idsOf(hits).sort(), count: await store.count(filter) };
      expect(found).toEqual({ filter, ids: expected, count: expected.length });
    }
  });

  test('topK counts the documents that meet the filter', async () => {
    const documents = randomDocuments(50, 5).map((document, i) => ({
      ...document,
      metadata: { part: i % 5 },
    }));
    const store = await make(documents);
    const wanted = documents.filter(({ metadata }) => metadata.part === 3);
    const hits = await store.query(unit(2), { topK: 4, filter: { part: 3 } });
    expect(idsOf(hits)).toEqual(
      ranked(wanted, unit(2))
        .slice(0, 4)
        .map(({ id }) => id),
    );
  });
}

function describeDocuments(make: Make, keepsNul: boolean): void {
  test('a document comes back as it was', async () => {
    const texts: Record<string, string> = {
      empty: '',
      chinese: '人工智能正在改变搜索的方式。',
      emoji: '👩‍👩‍👧‍👦 🇨🇳 ok',
      quotes: `it's "quoted" \\ and \`ticked\`; DROP TABLE documents; -- %s {"$x": 1}`,
      lines: 'one\r\ntwo\n\tthree\u2028four',
      long: 'a long text, 很长. '.repeat(8000),
      ...(keepsNul ? { nul: 'before\0after' } : {}),
      'id with \'quotes\' "and" \\ 中文 🎉 / ? # %': 'named oddly',
    };
    const metadata: Metadata = {
      text: 'x',
      id: 'not the id',
      empty: '',
      中文: '值',
      'quo\'te"d': 'a\\b',
      whole: Number.MAX_SAFE_INTEGER,
      real: -0.1,
      tiny: 5e-324,
      huge: 1.7e308,
      yes: true,
      no: false,
    };
    const ids = Object.keys(texts);
    const store = await make(
      ids.map((id, i) => ({ id, text: texts[id] as string, metadata, vector: unit(i) })),
    );
    const expected = ids.map((id) => ({ id, text: texts[id], metadata }));
    expect(await store.get(ids)).toEqual(expected);
    const hits = await store.query(unit(0), { topK: ids.length });
    for (const { document } of hits) expect(document).toEqual(expected.find(({ id }) => id === document.id));
    expect((await everything(store)).sort(byId)).toEqual([...expected].sort(byId));
  });

  test('half a character becomes U+FFFD in a text, and is refused in an id', async () => {
    const cut = '🎉'.slice(0, 1);
    const store = await make([{ ...embedded('a', unit(0)), text: `x${cut}` }]);
    expect(await store.get(['a'])).toEqual([{ id: 'a', text: 'x\uFFFD' }]);
    await expect(store.add([embedded(`id ${cut}`, unit(1))])).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
    expect(await store.get([`id ${cut}`])).toEqual([undefined]);
    expect(await store.remove([`id ${cut}`])).toBe(0);
  });

  test('a document without metadata has none', async () => {
    const store = await make([embedded('plain', unit(0))]);
    expect((await store.get(['plain']))[0]?.metadata).toBeUndefined();
  });

  test('get keeps the order of ids, with undefined for those that are not there', async () => {
    const store = await make(randomDocuments(5, 6));
    const found = await store.get(['3', 'nobody', '1', '4']);
    expect(found.map((document) => document?.id)).toEqual(['3', undefined, '1', '4']);
  });

  test('adding an id again replaces the document as a whole', async () => {
    const old = { ...embedded('x', unit(0), { lang: 'en', old: true }), text: 'old' };
    const store = await make([old, embedded('y', unit(1))]);
    const replaced = { id: 'x', text: 'new', metadata: { lang: 'zh' }, vector: unit(2) };
    for (let time = 0; time < 2; time++) {
      await store.add([replaced]);
      expect(await store.count()).toBe(2);
      expect(await store.get(['x'])).toEqual([{ id: 'x', text: 'new', metadata: { lang: 'zh' } }]);
      expect(await store.count({ old: true })).toBe(0);
      const [best] = await store.query(unit(2), { topK: 1 });
      expect(best?.document.text).toBe('new');
      const [hit] = await store.query(unit(0), { topK: 1, filter: { lang: 'zh' } });
      expect(hit?.score).toBeCloseTo(0, 5);
    }
    expect(await everything(store)).toHaveLength(2);
  });

  test('what is removed is found nowhere, and may be added again', async () => {
    const documents = randomDocuments(10, 7);
    const store = await make(documents);
    expect(await store.remove(['2', 'nobody', '7'])).toBe(2);
    expect(await store.remove(['2', '7'])).toBe(0);
    expect(await store.remove([])).toBe(0);
    expect(await store.count()).toBe(8);
    expect(await store.get(['2'])).toEqual([undefined]);
    const left = idsOf(await store.query(unit(0), { topK: 10 })).sort();
    expect(left).toEqual(['0', '1', '3', '4', '5', '6', '8', '9']);
    expect((await everything(store)).map(({ id }) => id).sort()).toEqual(left);
    await store.add(documents.slice(2, 3));
    expect(await store.count()).toBe(9);
    expect(idsOf(await store.query(documents[2]?.vector as Float32Array, { topK: 1 }))).toEqual(['2']);
  });

  test('documents() tells each document once, without its vector', async () => {
    const documents = randomDocuments(2500, 8);
    const store = await make(documents);
    const all = await everything(store);
    expect(all.map(({ id }) => id).sort()).toEqual(documents.map(({ id }) => id).sort());
    expect(all.every((document) => !('vector' in document))).toBe(true);
  });
}

function describeBadInput(make: Make): void {
  test('a call with one bad document adds nothing', async () => {
    const store = await make([embedded('old', unit(0))]);
    const bad: unknown[] = [
      embedded('', unit(0)),
      embedded('good', unit(1)), // its id is in the call already
      embedded('x', new Float32Array(7)),
      embedded('x', unit(0).fill(Number.NaN, 3)),
      embedded('x', unit(0).fill(Number.NEGATIVE_INFINITY, 3)),
      { ...embedded('x', unit(0)), vector: [1, 0, 0, 0, 0, 0, 0, 0] },
      { ...embedded('x', unit(0)), id: 7 },
      { ...embedded('x', unit(0)), text: undefined },
      { ...embedded('x', unit(0)), metadata: { nested: { a: 1 } } },
      { ...embedded('x', unit(0)), metadata: { $and: 1 } },
      { ...embedded('x', unit(0)), metadata: { n: Number.NaN } },
      null,
    ];
    for (const document of bad) {
      const call = [embedded('good', unit(1)), { ...embedded('old', unit(2)), text: 'new' }, document];
      await expect(store.add(call as EmbeddedDocument[])).rejects.toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      });
    }
    await expect(store.add('old' as unknown as EmbeddedDocument[])).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
    expect(await store.count()).toBe(1);
    expect(await store.get(['good', 'old'])).toEqual([undefined, { id: 'old', text: 'text of old' }]);
  });

  test('bad queries, filters and ids are refused', async () => {
    const store = await make(randomDocuments(3, 9));
    const filter = { lang: { $regex: 'x' } } as unknown as Filter;
    const calls = [
      store.query(unit(0), { topK: 0 }),
      store.query(unit(0), { topK: 1.5 }),
      store.query(new Float32Array(9), { topK: 1 }),
      store.query(unit(0).fill(Number.NaN, 0), { topK: 1 }),
      store.query([1, 0, 0, 0, 0, 0, 0, 0] as unknown as Float32Array, { topK: 1 }),
      store.query(unit(0), { topK: 1, filter }),
      store.count(filter),
      store.get(['a', ''] as string[]),
      store.get('a' as unknown as string[]),
      store.remove([1] as unknown as string[]),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_INVALID_ARGUMENT' } });
    }
    expect(await store.count()).toBe(3);
  });
}

function describeEnds(make: Make): void {
  test('a closed store rejects with ERR_CLOSED', async () => {
    const store = await make(randomDocuments(3, 10));
    expect(store.space).toEqual(SPACE);
    await store.close();
    await store.close();
    const calls = [
      store.add([embedded('x', unit(0))]),
      store.query(unit(0), { topK: 1 }),
      store.get(['0']),
      store.remove(['0']),
      store.count(),
      everything(store),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CLOSED' } });
    }
  });
}

function describeReopening(make: Make, openAgain: (space: EmbeddingSpace) => Promise<VectorStore>): void {
  test('what was added and removed is there when the store is opened again', async () => {
    const documents = randomDocuments(30, 11).map((document, i) => ({ ...document, metadata: { i } }));
    const store = await make(documents);
    await store.remove(['4', '5']);
    await store.add([{ ...embedded('6', unit(0), { i: 6 }), text: 'new' }]);
    const before = await store.query(unit(1), { topK: 30 });
    await store.close();
    const again = await openAgain(SPACE);
    expect(await again.count()).toBe(28);
    expect(await again.get(['4', '6', '7'])).toEqual([
      undefined,
      { id: '6', text: 'new', metadata: { i: 6 } },
      { id: '7', text: 'text of 7', metadata: { i: 7 } },
    ]);
    expect(await again.query(unit(1), { topK: 30 })).toEqual(before);
  });

  test('a store of another model or dimension is refused by both names', async () => {
    const store = await make(randomDocuments(3, 12));
    await store.close();
    for (const space of [
      { ...SPACE, model: 'other-model' },
      { ...SPACE, dimension: 16 },
    ]) {
      const error = await openAgain(space).then(undefined, (reason: unknown) => reason as Error);
      expect(error).toMatchObject({ code: 'ERR_STORE_MISMATCH' });
      for (const word of [SPACE.model, space.model, `${SPACE.dimension}`, `${space.dimension}`]) {
        expect((error as Error).message).toContain(word);
      }
    }
    const again = await openAgain(SPACE);
    expect(await again.count()).toBe(3);
  });
}

function embedded(id: string, vector: Float32Array, metadata?: Metadata): EmbeddedDocument {
  return { id, text: `text of ${id}`, vector, ...(metadata && { metadata }) };
}

function unit(axis: number): Float32Array {
  return new Float32Array(SPACE.dimension).fill(1, axis % SPACE.dimension, (axis % SPACE.dimension) + 1);
}

const negated = (value: number): number => -value;

/** Ids 0, 1, 2 and so on; vectors of any length from a seed. */
function randomDocuments(count: number, seed: number, prefix = ''): EmbeddedDocument[] {
  let state = seed * 2654435761;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  return Array.from({ length: count }, (_, i) =>
    embedded(
      `${prefix}${i}`,
      Float32Array.from({ length: SPACE.dimension }, () => random() * (1 + (i % 7))),
    ),
  );
}

/** The reference: cosine similarity in double precision. */
function ranked(
  documents: readonly EmbeddedDocument[],
  query: Float32Array,
): { id: string; score: number }[] {
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
  return documents
    .map(({ id, vector }) => ({
      id,
      score: dot(vector, query) / Math.sqrt(dot(vector, vector) * dot(query, query)),
    }))
    .sort((a, b) => b.score - a.score);
}

async function everything(store: VectorStore): Promise<Omit<EmbeddedDocument, 'vector'>[]> {
  const all = [];
  for await (const document of store.documents()) all.push(document);
  return all;
}

const idsOf = (hits: readonly StoreHit[]): string[] => hits.map(({ document }) => document.id);

function byId(a: { id: string }, b: { id: string }): number {
  return a.id < b.id ? -1 : 1;
}
