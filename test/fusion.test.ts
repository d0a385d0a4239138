import { type FusionOptions, fuse } from '../lib/search/fusion';
import type { StoreHit } from '../lib/search/types';

type Lists = Record<string, StoreHit[]>;

/** Hits whose ids are single letters, with falling scores where none are given. */
function hits(ids: string, scores?: number[]): StoreHit[] {
  return [...ids].map((id, i) => ({
    document: { id, text: `text of ${id}` },
    score: scores?.[i] ?? 1 - i / 10,
  }));
}

function scoresOf(lists: Lists, options?: FusionOptions): Record<string, number> {
  return Object.fromEntries(fuse(lists, options).map(({ document, score }) => [document.id, score]));
}

function order(lists: Lists, options?: FusionOptions): string {
  return fuse(lists, options)
    .map(({ document }) => document.id)
    .join('');
}

function expectScores(actual: Record<string, number>, expected: Record<string, number>): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [id, score] of Object.entries(expected)) expect(actual[id]).toBeCloseTo(score, 12);
}

describe('reciprocal rank fusion', () => {
  test('adds 1 / (60 + rank) of each list', () => {
    expectScores(scoresOf({ dense: hits('abc'), keywords: hits('ca') }), {
      a: 1 / 61 + 1 / 62,
      b: 1 / 62,
      c: 1 / 63 + 1 / 61,
    });
  });

  test('k and weights are taken', () => {
    const lists = { dense: hits('ab'), keywords: hits('b') };
    expectScores(scoresOf(lists, { k: 0, weights: { keywords: 0.25 } }), { a: 1, b: 1 / 2 + 0.25 });
  });

  test('scores do not count', () => {
    expect(scoresOf({ x: hits('ab', [1e9, -5]) })).toEqual(scoresOf({ x: hits('ab', [0.2, 0.1]) }));
  });

  test('takes any number of lists', () => {
    expect(order({ a: hits('xy'), b: hits('yz'), c: hits('yx') })).toBe('yxz');
    expect(order({ only: hits('abc') })).toBe('abc');
    expect(fuse({})).toEqual([]);
    expect(fuse({ dense: [], keywords: [] })).toEqual([]);
  });
});

describe('weighted fusion', () => {
  const lists = { dense: hits('abc', [0.9, 0.5, 0.4]), keywords: hits('bd', [12, 2]) };

  test('scales scores from 0 to 1 and takes their mean', () => {
    expectScores(scoresOf(lists, { method: 'weighted' }), { a: 1 / 2, b: (0.2 + 1) / 2, c: 0, d: 0 });
  });

  test('weights need not add up to 1', () => {
    const weights = { dense: 3, keywords: 1 };
    expectScores(scoresOf(lists, { method: 'weighted', weights }), { a: 0.75, b: 0.15 + 0.25, c: 0, d: 0 });
  });

  test('scales by mean and deviation; what a list lacks is as its worst', () => {
    const two = { x: hits('abc', [3, 2, 1]), y: hits('da', [5, 3]) };
    const z = Math.sqrt(1.5); // (3 - 2) / sqrt(2 / 3)
    expectScores(scoresOf(two, { method: 'weighted', normalization: 'zScore' }), {
      a: (z - 1) / 2,
      b: (0 - 1) / 2,
      c: (-z - 1) / 2,
      d: (-z + 1) / 2,
    });
  });

  test('equal scores all count in full, and a single one does', () => {
    const constant = { x: hits('ab', [7, 7]), y: hits('c', [-3]) };
    expectScores(scoresOf(constant, { method: 'weighted' }), { a: 0.5, b: 0.5, c: 0.5 });
    const z = scoresOf({ x: hits('ab', [0.1, 0.1]) }, { method: 'weighted', normalization: 'zScore' });
    expectScores(z, { a: 0, b: 0 });
  });
});

describe('a fused hit', () => {
  test('tells where it came from', () => {
    const fused = fuse({ dense: hits('ab', [0.9, 0.8]), keywords: hits('b', [11.5]) });
    expect(fused.map(({ document, sources }) => [document.text, sources])).toEqual([
      ['text of b', { dense: { rank: 2, score: 0.8 }, keywords: { rank: 1, score: 11.5 } }],
      ['text of a', { dense: { rank: 1, score: 0.9 } }],
    ]);
  });

  test('has the document of the first list that has it', () => {
    const other = [{ document: { id: 'a', text: 'other' }, score: 1 }];
    expect(fuse({ first: hits('a'), second: other })[0]?.document.text).toBe('text of a');
  });

  test('with an equal score stands by its best rank, then by id', () => {
    // With k 0, z and m have 1/1 each, and a has 1/2 + 1/2.
    expect(order({ x: hits('za'), y: hits('ma') }, { k: 0 })).toBe('mza');
  });

  test('names of lists and ids may be those of object members', () => {
    const list = [{ document: { id: '__proto__', text: '' }, score: 1 }];
    const lists = { ['__proto__']: list, constructor: list };
    const [hit] = fuse(lists, { weights: { constructor: 2 } });
    expect(Object.entries(hit?.sources ?? {})).toEqual([
      ['__proto__', { rank: 1, score: 1 }],
      ['constructor', { rank: 1, score: 1 }],
    ]);
    expect(hit?.score).toBeCloseTo(3 / 61, 12);
  });

  test('the lists stay as they are', () => {
    const lists = { x: hits('ab'), y: hits('ba') };
    const before = structuredClone(lists);
    fuse(lists, { method: 'weighted' });
    expect(lists).toEqual(before);
  });
});

describe('options', () => {
  const lists = { dense: hits('ab'), keywords: hits('bc') };

  test('topK cuts', () => {
    expect(order(lists, { topK: 2 })).toBe('ba');
    expect(order(lists, { topK: 99 })).toBe('bac');
  });

  test('a list of weight 0 is as if it were not there', () => {
    expect(fuse(lists, { weights: { keywords: 0 } })).toEqual(fuse({ dense: lists.dense }));
    const weighted = { method: 'weighted' } as const;
    expect(fuse(lists, { ...weighted, weights: { keywords: 0 } })).toEqual(
      fuse({ dense: lists.dense }, weighted),
    );
  });

  test.each<[string, unknown, RegExp]>([
    [
      'an unknown method',
      { method: 'borda' },
      /Expected one of 'rrf', 'weighted' for method but received "borda"/,
    ],
    ['an unknown normalization', { normalization: 'softmax' }, /for normalization but received "softmax"/],
    ['a misspelt option', { weigths: {} }, /Unknown option "weigths"; known are method, k/],
    ['a negative k', { k: -1 }, /Expected a number of at least 0 for k but received -1/],
    ['k NaN', { k: Number.NaN }, /for k but received NaN/],
    ['topK 0', { topK: 0 }, /for topK but received 0/],
    ['a negative weight', { weights: { dense: -0.1 } }, /for weights.dense but received -0.1/],
    ['a weight NaN', { weights: { keywords: Number.NaN } }, /for weights.keywords but received NaN/],
    ['weights that are all 0', { weights: { dense: 0, keywords: 0 } }, /a finite sum above 0 for weights/],
    ['a weight for no list', { weights: { bm25: 1 } }, /weights has "bm25".*there are dense, keywords/],
    ['a weight for an object member', { weights: { constructor: 1 } }, /weights has "constructor"/],
    ['weights in an array', { weights: [1, 2] }, /for weights but received an array/],
    ['options that are none', null, /for options but received null/],
  ])('refuse %s', (_, options, message) => {
    const call = () => fuse(lists, options as FusionOptions);
    expect(call).toThrow(message);
    expect(call).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
  });

  test.each<[string, unknown, RegExp]>([
    ['no lists', undefined, /for lists but received undefined/],
    ['lists in an array', [hits('a')], /for lists but received an array/],
    ['a list that is none', { dense: 'ab' }, /an array of hits for lists.dense/],
    [
      'a score NaN',
      { dense: hits('ab', [1, Number.NaN]) },
      /a finite number for lists.dense\[1\].score but received NaN/,
    ],
    ['an infinite score', { dense: hits('a', [Number.POSITIVE_INFINITY]) }, /for lists.dense\[0\].score/],
    [
      'a hit without a document',
      { dense: [{ score: 1 }] },
      /for lists.dense\[0\].document.id but received undefined/,
    ],
    ['a hit that is none', { dense: [null] }, /for lists.dense\[0\].document.id/],
    [
      'a document twice in a list',
      { dense: hits('aba') },
      /for lists.dense\[2\].document.id but received "a"/,
    ],
  ])('refuse %s', (_, bad, message) => {
    expect(() => fuse(bad as Lists)).toThrow(message);
  });
});

describe('for any lists', () => {
  /** Numbers from 0 to 1 that are the same in every run: mulberry32. */
  function random(seed: number): () => number {
    let state = seed;
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  function randomLists(next: () => number): Lists {
    const names = ['a', 'b', 'c', 'd'].slice(0, 1 + Math.floor(next() * 4));
    return Object.fromEntries(
      names.map((name) => {
        const ids = [...'abcdefghijkl'].filter(() => next() < 0.6).sort(() => next() - 0.5);
        const scores = ids.map(() => Math.round(next() * 8) - 4).sort((x, y) => y - x);
        return [name, hits(ids.join(''), scores)];
      }),
    );
  }

  const METHODS: FusionOptions[] = [
    { method: 'rrf' },
    { method: 'weighted' },
    { method: 'weighted', normalization: 'zScore' },
  ];

  test('every document is there once, with each list that has it, best first', () => {
    const next = random(1);
    for (let round = 0; round < 200; round++) {
      const lists = randomLists(next);
      for (const options of METHODS) {
        const fused = fuse(lists, options);
        const ids = new Set(Object.values(lists).flatMap((list) => list.map(({ document }) => document.id)));
        expect(new Set(fused.map(({ document }) => document.id))).toEqual(ids);
        expect(fused).toHaveLength(ids.size);
        fused.forEach(({ document, score, sources }, i) => {
          expect(score).toBeLessThanOrEqual(fused[i - 1]?.score ?? Number.POSITIVE_INFINITY);
          for (const [name, list] of Object.entries(lists)) {
            const rank = 1 + list.findIndex((hit) => hit.document.id === document.id);
            expect(sources[name]).toEqual(rank === 0 ? undefined : { rank, score: list[rank - 1]?.score });
          }
        });
      }
    }
  });

  test('the order of the lists does not count', () => {
    const next = random(2);
    for (let round = 0; round < 200; round++) {
      const lists = randomLists(next);
      const reversed = Object.fromEntries(Object.entries(lists).reverse());
      for (const options of METHODS) expectScores(scoresOf(reversed, options), scoresOf(lists, options));
    }
  });

  test('scores on another scale give the same weighted ranking', () => {
    const next = random(3);
    for (let round = 0; round < 200; round++) {
      const lists = randomLists(next);
      const scaled = Object.fromEntries(
        Object.entries(lists).map(([name, list]) => [
          name,
          list.map((hit) => ({ ...hit, score: hit.score * 8 + 64 })),
        ]),
      );
      for (const options of METHODS) expectScores(scoresOf(scaled, options), scoresOf(lists, options));
    }
  });
});
