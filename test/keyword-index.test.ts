import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { KeywordDocuments } from '../lib/search/keyword-documents';
import { KeywordIndex, type KeywordIndexOptions } from '../lib/search/keyword-index';
import type { QueryOptions, StoredDocument, StoreHit } from '../lib/search/types';
import { FIXTURES } from './support/models';

async function indexOf(texts: Record<string, string>, options?: KeywordIndexOptions): Promise<KeywordIndex> {
  const index = new KeywordIndex(options);
  await index.add(Object.entries(texts).map(([id, text]) => ({ id, text })));
  return index;
}

async function idsOf(index: KeywordIndex, text: string, options?: Partial<QueryOptions>): Promise<string[]> {
  return (await index.query(text, { topK: 10, ...options })).map(({ document }) => document.id);
}

const PLANETS = {
  mars: 'Mars is the red planet.',
  venus: 'Venus is the hottest planet; its clouds are of sulphuric acid.',
  bread: 'Bread is made of flour, water and salt.',
};

describe('scores', () => {
  interface Case {
    k1: number;
    b: number;
    query: string;
    scores: number[];
  }
  const reference = JSON.parse(readFileSync(join(FIXTURES, 'keywords/bm25.json'), 'utf8')) as {
    documents: string[];
    cases: Case[];
  };
  const texts = Object.fromEntries(reference.documents.map((text, i) => [`d${i}`, text]));

  test('are those of bm25s', async () => {
    for (const { k1, b, query, scores } of reference.cases) {
      const hits = await (await indexOf(texts, { k1, b })).query(query, { topK: 1000 });
      const expected = scores.map((score, i) => [`d${i}`, score] as const).filter(([, score]) => score > 0);
      expect(hits).toHaveLength(expected.length);
      const actual = new Map(hits.map(({ document, score }) => [document.id, score]));
      for (const [id, score] of expected)
        expect(Math.abs((actual.get(id) as number) - score)).toBeLessThan(1e-6);
    }
  });

  test('have the defaults k1 1.2 and b 0.75', async () => {
    const [first] = reference.cases as [Case];
    expect([first.k1, first.b]).toEqual([1.2, 0.75]);
    const [hit] = await (await indexOf(texts)).query(first.query, { topK: 1 });
    expect(hit?.score).toBeCloseTo(Math.max(...first.scores), 6);
  });

  test('the best are the first of all, for any topK', async () => {
    const index = await indexOf(texts);
    const { query } = reference.cases[5] as Case;
    const all = await index.query(query, { topK: 1000 });
    expect(all.length).toBeGreaterThan(50);
    all.slice(1).forEach(({ document, score }, i) => {
      const before = all[i] as StoreHit;
      expect(score < before.score || (score === before.score && document.id > before.document.id)).toBe(true);
    });
    for (const topK of [1, 2, 3, 7, 20, all.length, Number.MAX_SAFE_INTEGER]) {
      expect(await index.query(query, { topK })).toEqual(all.slice(0, topK));
    }
  });

  test('that are equal stand by id, however documents came', async () => {
    const ids = ['b', 'a', 'é', 'Z', 'a0', '10', '9'];
    const index = await indexOf(Object.fromEntries(ids.map((id) => [id, 'the same words'])));
    expect(await idsOf(index, 'same')).toEqual([...ids].sort());
    expect(await idsOf(index, 'same', { topK: 3 })).toEqual([...ids].sort().slice(0, 3));
  });
});

describe('a query', () => {
  test('finds documents with any of its words', async () => {
    const index = await indexOf(PLANETS);
    expect(await idsOf(index, 'Which planets are RED?')).toEqual(['mars', 'venus']);
    expect(await idsOf(index, 'salt cloud')).toEqual(['bread', 'venus']);
    expect(await idsOf(index, 'Jupiter')).toEqual([]);
  });

  test.each(['', '   ', '?!… —', '😀', '\ud800'])('without words, %j, finds nothing', async (text) => {
    expect(await idsOf(await indexOf(PLANETS), text)).toEqual([]);
    expect(await idsOf(new KeywordIndex(), text)).toEqual([]);
  });

  test('finds Chinese documents by their words', async () => {
    const index = await indexOf({
      chips: '日本半导体产业在上世纪80年代到达顶峰。',
      wheat: '小麦是世界上最重要的粮食作物之一。',
      mixed: '用 RAG 检索 PDF 文档😀的实践',
    });
    expect(await idsOf(index, '半导体')).toEqual(['chips']);
    expect(await idsOf(index, '导体')).toEqual(['chips']);
    expect(await idsOf(index, '粮食')).toEqual(['wheat']);
    expect(await idsOf(index, '如何检索pdf？')).toEqual(['mixed']);
    expect(await idsOf(index, '体产')).toEqual([]);
  });

  test('takes words that objects have as words', async () => {
    const index = await indexOf({ a: '__proto__ constructor', b: 'hasOwnProperty valueOf' });
    expect(await idsOf(index, 'constructor')).toEqual(['a']);
    expect(await idsOf(index, 'valueOf')).toEqual(['b']);
    expect(await idsOf(index, 'toString')).toEqual([]);
  });

  test('filters by metadata, and still fills topK', async () => {
    const index = new KeywordIndex();
    await index.add(
      Array.from({ length: 100 }, (_, i) => ({
        id: `d${i}`,
        text: `planet ${'word '.repeat(i)}`, // the longer, the worse
        metadata: { number: i, lang: i % 2 ? 'zh' : 'en' },
      })),
    );
    await index.add([{ id: 'bare', text: 'planet' }]);
    expect(await idsOf(index, 'planet', { topK: 3, filter: { number: { $gte: 50 } } })).toEqual([
      'd50',
      'd51',
      'd52',
    ]);
    expect(await idsOf(index, 'planet', { topK: 2, filter: { lang: 'zh', number: { $gt: 90 } } })).toEqual([
      'd91',
      'd93',
    ]);
    expect(await idsOf(index, 'planet', { filter: { lang: { $nin: ['zh', 'en'] } } })).toEqual(['bare']);
    expect(await index.count({ lang: 'zh' })).toBe(50);
    expect(await index.count()).toBe(101);
  });

  test('that is aborted rejects with the reason', async () => {
    const reason = new Error('enough');
    const query = (await indexOf(PLANETS)).query('mars', { topK: 1, signal: AbortSignal.abort(reason) });
    await expect(query).rejects.toBe(reason);
  });
});

describe('changes', () => {
  /** A reproducible stream of numbers below `below`. */
  function numbers(seed: number): (below: number) => number {
    let state = seed;
    return (below) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
  }

  const QUERIES = ['w0', 'w1 w2 w3', 'w5 w7 w11 w13 w5', 'w39', 'w0 w38'];

  async function expectSame(index: KeywordIndex, documents: Map<string, StoredDocument>): Promise<void> {
    const fresh = await KeywordIndex.from(documents.values());
    expect(await index.count()).toBe(documents.size);
    for (const query of QUERIES) {
      expect(await index.query(query, { topK: 1000 })).toEqual(await fresh.query(query, { topK: 1000 }));
    }
    expect(await index.get([...documents.keys()])).toEqual([...documents.values()]);
  }

  test('leave no trace: an index is as one made afresh, to the last bit', async () => {
    const next = numbers(7);
    const index = new KeywordIndex();
    const documents = new Map<string, StoredDocument>();
    for (let round = 0; round < 40; round++) {
      const added = new Map<string, StoredDocument>();
      for (let i = next(60); i >= 0; i--) {
        const text = Array.from({ length: next(30) }, () => `w${Math.min(next(40), next(40))}`).join(' ');
        const id = `d${next(150)}`;
        added.set(id, { id, text, metadata: { round } });
      }
      await index.add([...added.values()]);
      for (const document of added.values()) documents.set(document.id, document);
      const removed = new Set(Array.from({ length: next(30) }, () => `d${next(200)}`));
      const there = [...removed].filter((id) => documents.delete(id)).length;
      expect(await index.remove([...removed])).toBe(there);
      if (round % 4 === 0) await expectSame(index, documents);
    }
    await expectSame(index, documents);
  });

  test('to nothing leave nothing', async () => {
    const index = await indexOf(PLANETS);
    expect(await index.remove(['mars', 'mars', 'pluto', 'venus', 'bread'])).toBe(3);
    expect(await idsOf(index, 'planet water')).toEqual([]);
    expect(await index.count()).toBe(0);
    await index.add([{ id: 'mars', text: 'red' }]);
    expect(await idsOf(index, 'planet')).toEqual([]);
    expect(await idsOf(index, 'red')).toEqual(['mars']);
  });

  test('again and again do not pile up', async () => {
    const compacted = jest.spyOn(KeywordDocuments.prototype, 'compacted');
    const index = new KeywordIndex();
    for (let i = 0; i <= 1000; i++) await index.add([{ id: 'a', text: `word ${i}` }]);
    expect(compacted.mock.calls.length).toBe(Math.floor(1000 / 257));
    compacted.mockRestore();
    expect(await idsOf(index, '1000')).toEqual(['a']);
    expect(await idsOf(index, '999')).toEqual([]);
  });

  test('adding twice is adding once', async () => {
    const twice = await indexOf(PLANETS);
    await twice.add(Object.entries(PLANETS).map(([id, text]) => ({ id, text })));
    const once = await indexOf(PLANETS);
    expect(await twice.query('red planet', { topK: 9 })).toEqual(await once.query('red planet', { topK: 9 }));
  });

  test('asked for at once are made in turn', async () => {
    const index = new KeywordIndex();
    const add = (text: string) => index.add([{ id: 'a', text }]);
    const [, removed, , again] = await Promise.all([
      add('one'),
      index.remove(['a']),
      add('two'),
      index.remove(['b']),
      add('three'),
    ]);
    expect([removed, again]).toEqual([1, 0]);
    expect(await idsOf(index, 'one two')).toEqual([]);
    expect(await idsOf(index, 'three')).toEqual(['a']);
  });

  test('that are refused change nothing, and later ones are made', async () => {
    const index = await indexOf(PLANETS);
    const bad = [
      { id: 'mars', text: 'changed' },
      { id: 'bad', text: 1 },
    ] as unknown as StoredDocument[];
    await expect(index.add(bad)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    expect(await idsOf(index, 'changed')).toEqual([]);
    expect(await idsOf(index, 'red')).toEqual(['mars']);
    await index.add([{ id: 'pluto', text: 'far' }]);
    expect(await idsOf(index, 'far')).toEqual(['pluto']);
  });

  test('do not follow what callers do to their objects later', async () => {
    const document = { id: 'a', text: 'red', metadata: { lang: 'en' } };
    const index = new KeywordIndex();
    const added = index.add([document]);
    document.metadata.lang = 'zh';
    document.text = 'blue';
    await added;
    const [hit] = await index.query('red', { topK: 1, filter: { lang: 'en' } });
    expect(hit?.document).toEqual({ id: 'a', text: 'red', metadata: { lang: 'en' } });
    Object.assign((hit as StoreHit).document.metadata as object, { lang: 'fr' });
    expect(await index.count({ lang: 'en' })).toBe(1);
  });

  test('of many documents let the event loop go on, and queries see what is there', async () => {
    const index = await indexOf({ before: 'w0' });
    const text = Array.from({ length: 200 }, (_, i) => `w${i}`).join(' ');
    let isDone = false;
    const added = index.add(Array.from({ length: 3000 }, (_, i) => ({ id: `d${i}`, text }))).finally(() => {
      isDone = true;
    });
    const counts: number[] = [];
    while (!isDone) {
      counts.push((await index.query('w0', { topK: 10_000 })).length);
      await nextTurn();
    }
    await added;
    expect(counts.length).toBeGreaterThan(2);
    expect(counts).toEqual([...counts].sort((a, b) => a - b));
    expect(await index.count()).toBe(3001);
  });
});

describe('documents', () => {
  test('that come one by one let the event loop go on', async () => {
    let clock = performance.now();
    const now = jest.spyOn(performance, 'now').mockImplementation(() => ++clock); // each takes a millisecond
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    await KeywordIndex.from(Array.from({ length: 200 }, (_, i) => ({ id: `d${i}`, text: 'word' })));
    isDone = true;
    now.mockRestore();
    expect(turns).toBeGreaterThanOrEqual(20);
  });

  test('may be huge, empty, or have hostile ids', async () => {
    const ids = ['__proto__', 'constructor', 'toString', '😀', ' ', 'x'.repeat(10_000)];
    const index = await indexOf(
      Object.fromEntries([
        ['huge', 'planet '.repeat(500_000)],
        ['empty', ''],
      ]),
    );
    await index.add(ids.map((id) => ({ id, text: 'planet moon', metadata: { id } })));
    expect((await idsOf(index, 'moon')).sort()).toEqual([...ids].sort());
    expect(await idsOf(index, 'planet', { topK: 1, filter: { id: '__proto__' } })).toEqual(['__proto__']);
    const [huge] = await index.query('planet', { topK: 1, filter: { id: { $nin: ids } } });
    expect(huge?.document.id).toBe('huge');
    expect(huge?.score).toBeGreaterThan(0);
    expect(await index.get(['__proto__', 'valueOf', 'empty'])).toMatchObject([
      { id: '__proto__' },
      undefined,
      { text: '' },
    ]);
    expect(await index.remove(['valueOf', '__proto__'])).toBe(1);
  });

  test('come from a store where there is one, and texts are not kept twice', async () => {
    const asked: (readonly string[])[] = [];
    const store = new Map(
      Object.entries(PLANETS).map(([id, text]) => [id, { id, text, metadata: { from: 'store' } }]),
    );
    const get = async (ids: readonly string[]) => {
      asked.push(ids);
      return ids.map((id) => store.get(id));
    };
    const index = await KeywordIndex.from(store.values(), { documents: { get } });
    store.delete('venus');
    const hits = await index.query('planet', { topK: 5 });
    expect(hits.map(({ document }) => document)).toEqual([store.get('mars')]);
    expect(await index.get(['pluto', 'mars'])).toEqual([undefined, store.get('mars')]);
    expect(asked).toEqual([['mars', 'venus'], ['mars']]);
    await index.query('no such word', { topK: 5 });
    expect(asked).toHaveLength(2);
  });

  test('that a store cannot give reject with its error', async () => {
    const error = new Error('store is gone');
    const index = await indexOf(PLANETS, { documents: { get: () => Promise.reject(error) } });
    await expect(index.query('mars', { topK: 1 })).rejects.toBe(error);
  });

  test('come from anything iterable; of several with one id the last counts', async () => {
    async function* stream() {
      yield { id: 'a', text: 'one' };
      yield { id: 'b', text: 'one' };
      yield { id: 'a', text: 'two' };
    }
    const index = await KeywordIndex.from(stream());
    expect(await idsOf(index, 'one')).toEqual(['b']);
    expect(await idsOf(index, 'two')).toEqual(['a']);
  });
});

describe('bad arguments are refused by name:', () => {
  test.each<[string, unknown, RegExp]>([
    ['k1 negative', { k1: -1 }, /Expected a number of at least 0 for k1 but received -1/],
    ['k1 infinite', { k1: Number.POSITIVE_INFINITY }, /for k1/],
    ['b above 1', { b: 1.5 }, /Expected a number from 0 to 1 for b but received 1.5/],
    ['b NaN', { b: Number.NaN }, /for b but received NaN/],
    ['a store without get', { documents: {} }, /a store with a method get for documents/],
    ['no store', { documents: null }, /for documents but received null/],
    ['a misspelt option', { K1: 1 }, /Unknown option "K1"; known are k1, b, documents/],
    ['no options', null, /for options but received null/],
  ])('options with %s', (_, options, message) => {
    expect(() => new KeywordIndex(options as KeywordIndexOptions)).toThrow(message);
  });

  test.each<[string, (index: KeywordIndex) => Promise<unknown>, RegExp]>([
    [
      'a query of no text',
      (index) => index.query(1 as never, { topK: 1 }),
      /a string for text but received 1/,
    ],
    ['no options', (index) => index.query('a', undefined as never), /for options but received undefined/],
    ['no topK', (index) => index.query('a', {} as never), /for topK but received undefined/],
    ['topK 0', (index) => index.query('a', { topK: 0 }), /for topK but received 0/],
    [
      'a misspelt option',
      (index) => index.query('a', { topK: 1, filters: {} } as never),
      /Unknown option "filters"/,
    ],
    [
      'a bad filter',
      (index) => index.query('', { topK: 1, filter: { a: { $like: 'b' } } as never }),
      /operators of \$eq/,
    ],
    ['a bad filter of count', (index) => index.count([] as never), /for filter but received an array/],
    ['no documents', (index) => index.add(null as never), /an array for documents but received null/],
    [
      'one id twice',
      (index) =>
        index.add([
          { id: 'a', text: '' },
          { id: 'a', text: '' },
        ]),
      /have the same id "a"/,
    ],
    ['ids that are none', (index) => index.remove('a' as never), /an array of strings for ids/],
    ['an id that is none', (index) => index.get([''] as never), /for ids\[0\] but received ""/],
    ['no path', (index) => index.save('' as never), /the path of a file for path but received ""/],
    ['no path to open', () => KeywordIndex.open(undefined as never), /the path of a file for path/],
    [
      'nothing iterable',
      () => KeywordIndex.from(1 as never),
      /an iterable of documents for documents but received 1/,
    ],
  ])('%s', async (_, call, message) => {
    const error = await call(new KeywordIndex()).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(message) });
  });
});
