import { CrossrankError, type RankedDocument, Reranker, type RerankResponse } from '../lib';
import { Cascade } from '../lib/ranking/cascade';
import type { CascadeOptions, CascadeStage } from '../lib/ranking/cascade-options';
import type { Ranker, RankOptions } from '../lib/ranking/ranker';
import { fixture } from './support/models';

const QUERY = 'Which planet is known as the Red Planet?';
const DOCUMENTS = [
  'Venus is the second planet from the Sun.',
  'Mars is often called the Red Planet.',
  'Bread is made of flour and water.',
  'Jupiter is the largest planet.',
  'The surface of Mars is red because of iron oxide.',
  '火星因其红色外观而被称为红色星球。',
  'Red is a colour.',
  'Saturn has rings.',
  'Planets move around stars.',
  'Mercury is the smallest planet.',
];

let cheap: Reranker;
let middle: Reranker;
let strong: Reranker;
beforeAll(async () => {
  [cheap, middle, strong] = await Promise.all([
    Reranker.load(fixture('bert'), { precision: 'fp32' }),
    Reranker.load(fixture('electra'), { precision: 'fp32' }),
    Reranker.load(undefined, { precision: 'fp32' }),
  ]);
});
afterAll(() => Promise.all([cheap, middle, strong].map((model) => model.dispose())));

async function scoresOf(model: Reranker, documents: readonly string[]): Promise<number[]> {
  return [...(await model.predict(documents.map((document) => [QUERY, document] as const)))];
}

/** Indexes sorted by score, best first; equal scores keep their order. */
function sorted(indexes: readonly number[], scores: readonly number[]): number[] {
  return [...indexes].sort((a, b) => (scores[b] as number) - (scores[a] as number));
}

const ALL = DOCUMENTS.map((_, index) => index);

/** A ranker that does something before another one is asked. */
function asking(ranker: Ranker, act: (documents: readonly unknown[]) => void): Ranker {
  return {
    rerank<T extends string | object>(query: string, documents: readonly T[], options?: RankOptions<T>) {
      act(documents);
      return ranker.rerank(query, documents, options);
    },
  };
}

test('survivors come first in the order of the last stage, the rest after them in the order of the first', async () => {
  const cascade = new Cascade({ stages: [{ ranker: cheap, keep: 4 }, { ranker: strong }] });
  const { results, ...response } = await cascade.rerank(QUERY, DOCUMENTS);

  const [cheapScores, strongScores] = [await scoresOf(cheap, DOCUMENTS), await scoresOf(strong, DOCUMENTS)];
  const byCheap = sorted(ALL, cheapScores);
  const expected = [...sorted(byCheap.slice(0, 4), strongScores), ...byCheap.slice(4)];
  expect(results.map(({ index }) => index)).toEqual(expected);
  expect(results.map(({ document }) => document)).toEqual(expected.map((index) => DOCUMENTS[index]));
  for (const [rank, { index, score, stage, stageScores }] of results.entries()) {
    const scores = [cheapScores[index], strongScores[index]].slice(0, rank < 4 ? 2 : 1);
    expect({ stage, stageScores, score }).toEqual({
      stage: scores.length - 1,
      stageScores: scores,
      score: scores.at(-1),
    });
  }
  expect(response).toMatchObject({ degraded: false, scored: 10, endedBy: 'lastStage' });
  expect(response).not.toHaveProperty('error');
});

test('three stages, fractions that are rounded up, and figures for each stage', async () => {
  const cascade = new Cascade({
    stages: [{ ranker: cheap, keep: 0.61 }, { ranker: middle, keep: 0.4 }, { ranker: strong }],
  });
  const { results, stages, usage, timings } = await cascade.rerank(QUERY, DOCUMENTS);
  expect(results.map(({ stage }) => stage)).toEqual([2, 2, 2, 1, 1, 1, 1, 0, 0, 0]);
  expect(stages.map(({ documents, scored, degraded }) => ({ documents, scored, degraded }))).toEqual([
    { documents: 10, scored: 10, degraded: false },
    { documents: 7, scored: 7, degraded: false },
    { documents: 3, scored: 3, degraded: false },
  ]);
  expect(usage.pairs).toBe(20);
  expect(usage.tokens).toBe(stages.reduce((sum, stage) => sum + stage.usage.tokens, 0));
  for (const stage of stages) expect(timings.totalMs).toBeGreaterThanOrEqual(stage.timings.totalMs);
});

test('0.07 of 100 documents are 7, and the smallest fraction still keeps one', async () => {
  const documents = Array.from({ length: 100 }, (_, i) => `document ${i}`);
  for (const [keep, expected] of [[0.07, 7] as const, [1e-12, 1] as const, [0.999, 100] as const]) {
    const cascade = new Cascade({ stages: [{ ranker: cheap, keep }, { ranker: middle }] });
    expect((await cascade.rerank(QUERY, documents)).stages[1]?.documents).toBe(expected);
  }
});

test('topK takes survivors first and then others, and more than there are is all', async () => {
  const cascade = new Cascade({ stages: [{ ranker: cheap, keep: 3 }, { ranker: strong }] });
  const all = (await cascade.rerank(QUERY, DOCUMENTS)).results;
  for (const topK of [1, 3, 5, 99]) {
    expect((await cascade.rerank(QUERY, DOCUMENTS, { topK })).results).toEqual(all.slice(0, topK));
  }
});

test('keep larger than the input is all of it, and a single document goes through every stage', async () => {
  const cascade = new Cascade({ stages: [{ ranker: cheap, keep: 500 }, { ranker: strong }] });
  const { results } = await cascade.rerank(QUERY, DOCUMENTS);
  expect(results.map(({ index }) => index)).toEqual(sorted(ALL, await scoresOf(strong, DOCUMENTS)));
  expect((await cascade.rerank(QUERY, ['Mars'])).results).toMatchObject([{ index: 0, stage: 1 }]);
});

test('no documents give no results', async () => {
  const cascade = new Cascade({ stages: [{ ranker: cheap, keep: 4 }, { ranker: strong }] });
  expect(await cascade.rerank(QUERY, [])).toMatchObject({ results: [], degraded: false, scored: 0 });
});

test('documents are the objects of the caller, and their text is asked for once', async () => {
  const documents = DOCUMENTS.map((body) => ({ body }));
  let reads = 0;
  const cascade = new Cascade({ stages: [{ ranker: cheap, keep: 4 }, { ranker: strong }] });
  const { results } = await cascade.rerank(QUERY, documents, {
    text: ({ body }) => {
      reads++;
      return body;
    },
  });
  expect(reads).toBe(documents.length);
  for (const { index, document } of results) expect(document).toBe(documents[index]);
  const byField = await cascade.rerank(QUERY, documents, { text: 'body' });
  expect(byField.results.map(({ index }) => index)).toEqual(results.map(({ index }) => index));
});

test('a cascade is a stage of another one', async () => {
  const inner = new Cascade({ stages: [{ ranker: cheap, keep: 6 }, { ranker: middle }] });
  const outer = new Cascade({ stages: [{ ranker: inner, keep: 3 }, { ranker: strong }] });
  const flat = new Cascade({
    stages: [{ ranker: cheap, keep: 6 }, { ranker: middle, keep: 3 }, { ranker: strong }],
  });
  const { results } = await outer.rerank(QUERY, DOCUMENTS);
  expect(results.map(({ index }) => index)).toEqual(
    (await flat.rerank(QUERY, DOCUMENTS)).results.map(({ index }) => index),
  );
});

test('what a ranker tells of a document beside its score stays with it', async () => {
  const spanned: Ranker = {
    async rerank<T extends string | object>(query: string, documents: readonly T[]) {
      const answer = await strong.rerank(query, documents);
      const results = answer.results.map((result) => ({
        ...result,
        truncated: true,
        span: { start: 0, end: 7 },
      }));
      return { ...answer, results, extra: 'told' };
    },
  };
  const cascade = new Cascade({ stages: [{ ranker: cheap, keep: 2 }, { ranker: spanned }] });
  const { results, stages } = await cascade.rerank(QUERY, DOCUMENTS);
  expect(results.map(({ truncated }) => truncated)).toEqual(DOCUMENTS.map((_, rank) => rank < 2));
  expect(results.map((result) => 'span' in result)).toEqual(DOCUMENTS.map((_, rank) => rank < 2));
  expect(stages.map(({ extra }) => extra)).toEqual([undefined, 'told']);
});

test('where a later stage reports less than all, the others follow in the order they had', async () => {
  const best: Ranker = {
    async rerank<T extends string | object>(query: string, documents: readonly T[]) {
      return cheap.rerank(query, documents, { topK: 2 });
    },
  };
  const cascade = new Cascade({ stages: [{ ranker: strong, keep: 6 }, { ranker: best }] });
  const { results } = await cascade.rerank(QUERY, DOCUMENTS);
  const byStrong = sorted(ALL, await scoresOf(strong, DOCUMENTS));
  const winners = sorted(byStrong.slice(0, 6), await scoresOf(cheap, DOCUMENTS)).slice(0, 2);
  expect(results.map(({ index }) => index)).toEqual([
    ...winners,
    ...byStrong.filter((index) => !winners.includes(index)),
  ]);
  expect(results[2]).toMatchObject({ stage: 0, stageScores: [expect.any(Number), Number.NaN] });
});

describe('margin', () => {
  /** Scores of the first stage, best first. */
  let scores: number[];
  beforeAll(async () => {
    scores = (await cheap.rerank(QUERY, DOCUMENTS)).results.map(({ score }) => score);
  });
  const lead = (rank: number) => (scores[rank - 1] as number) - (scores[rank] as number);
  const run = (stage: Omit<CascadeStage, 'ranker'>, options: RankOptions = {}) =>
    new Cascade({ stages: [{ ranker: cheap, ...stage }, { ranker: strong }] }).rerank(
      QUERY,
      DOCUMENTS,
      options as RankOptions<string>,
    );

  test('the next stage is not asked where the first leads the second by it, and is where it does not', async () => {
    const asked = await run({ keep: 5, margin: lead(1) * 1.001 }, { topK: 1 });
    expect(asked).toMatchObject({ endedBy: 'lastStage', degraded: false });
    const decided = await run({ keep: 5, margin: lead(1) }, { topK: 1 });
    expect(decided).toMatchObject({ endedBy: 'decided', degraded: false });
    expect(decided.stages).toHaveLength(1);
    expect(decided.usage.pairs).toBe(DOCUMENTS.length);
    expect(decided.results).toMatchObject([{ stage: 0, score: scores[0], stageScores: [scores[0]] }]);
  });

  test("'order' wants each of the first topK to lead the next survivor", async () => {
    const least = Math.min(lead(1), lead(2), lead(3));
    expect((await run({ keep: 5, margin: least }, { topK: 3 })).endedBy).toBe('decided');
    expect((await run({ keep: 5, margin: least * 1.001 }, { topK: 3 })).endedBy).toBe('lastStage');
    const leastOfSurvivors = Math.min(lead(1), lead(2), lead(3), lead(4));
    expect((await run({ keep: 5, margin: leastOfSurvivors })).endedBy).toBe('decided');
    expect((await run({ keep: 5, margin: leastOfSurvivors * 1.001 })).endedBy).toBe('lastStage');
    // Rank 3 is the last survivor: what is behind it cannot come up.
    expect((await run({ keep: 3, margin: Math.min(lead(1), lead(2)) }, { topK: 3 })).endedBy).toBe('decided');
  });

  test("'set' compares the document at topK with the next alone", async () => {
    const set = (margin: number, options: RankOptions) => run({ keep: 5, margin, marginOf: 'set' }, options);
    expect((await set(lead(3), { topK: 3 })).endedBy).toBe('decided');
    expect((await set(lead(3) * 1.001, { topK: 3 })).endedBy).toBe('lastStage');
    expect((await set(1e-12, { topK: 5 })).endedBy).toBe('lastStage');
    expect((await set(1e-12, {})).endedBy).toBe('lastStage');
  });

  test('a single survivor needs no further stage', async () => {
    expect((await run({ keep: 1, margin: 100 })).endedBy).toBe('decided');
    expect((await run({ keep: 1, margin: 100, marginOf: 'set' })).endedBy).toBe('decided');
  });

  test('minScore asks every stage, and is on the scale of the last one', async () => {
    const strongScores = await scoresOf(strong, DOCUMENTS);
    const survivors = sorted(sorted(ALL, await scoresOf(cheap, DOCUMENTS)).slice(0, 5), strongScores);
    const minScore = strongScores[survivors[2] as number] as number;
    const { endedBy, results } = await run({ keep: 5, margin: 1e-12 }, { minScore });
    expect(endedBy).toBe('lastStage');
    expect(results.map(({ index }) => index)).toEqual(survivors.slice(0, 3));
  });
});

describe('timeoutMs', () => {
  const many = Array.from({ length: 1500 }, (_, i) => `document ${i} ${'about planets '.repeat(100)}`);
  let cascade: Cascade;
  beforeAll(() => {
    cascade = new Cascade({ stages: [{ ranker: cheap, keep: many.length }, { ranker: strong }] });
  });

  test.each(['partial', 'inputOrder'] as const)(
    "with '%s', a later stage that it cuts off leaves the order of the one before",
    async (onTimeout) => {
      const expected = (await cheap.rerank(QUERY, many)).results;
      for (let timeoutMs = 100; ; timeoutMs *= 2) {
        const response = await cascade.rerank(QUERY, many, { timeoutMs, onTimeout });
        expect(response).toMatchObject({ degraded: true, endedBy: 'timeout' });
        expect(response.results).toHaveLength(many.length);
        if (response.stages[0]?.degraded) continue; // too little for the first stage even
        expect(response.results.map(({ index, score }) => ({ index, score }))).toEqual(
          expected.map(({ index, score }) => ({ index, score })),
        );
        expect(response.stages).toHaveLength(1);
        break;
      }
    },
  );

  test('in the first stage it gives what that stage makes of it', async () => {
    const slow = new Cascade({ stages: [{ ranker: strong, keep: 5 }, { ranker: cheap }] });
    const { results, scored, ...response } = await slow.rerank(QUERY, many, {
      timeoutMs: 50,
      onTimeout: 'partial',
    });
    expect(response).toMatchObject({ degraded: true, endedBy: 'timeout' });
    expect(results).toHaveLength(many.length);
    expect(scored).toBeLessThan(many.length);
    expect(results.filter(({ score }) => !Number.isNaN(score))).toHaveLength(scored);
  });

  test("by default it rejects with ERR_TIMEOUT, which names a later stage's number", async () => {
    await cheap.rerank(QUERY, many); // now in the cache: the first stage is done in time
    for (let timeoutMs = 100; ; timeoutMs *= 2) {
      const error = await cascade.rerank(QUERY, many, { timeoutMs }).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'ERR_TIMEOUT' });
      if (!(error as CrossrankError).message.includes('of 1500 pairs')) {
        expect((error as CrossrankError).message).toBe('timeoutMs passed in stage 2 of 2');
        break;
      }
    }
  });

  test('the least time there is is a time-out, no wrong argument', async () => {
    await expect(cascade.rerank(QUERY, many, { timeoutMs: 1e-9 })).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
    });
  });
});

describe('signal', () => {
  test('an abort in a later stage rejects with its reason, whatever onError says', async () => {
    const controller = new AbortController();
    const reason = new Error('not wanted');
    const cascade = new Cascade({
      stages: [
        { ranker: cheap, keep: 4 },
        { ranker: asking(strong, () => setImmediate(() => controller.abort(reason))) },
      ],
      onError: 'previousStage',
    });
    const documents = Array.from({ length: 4 }, (_, i) => `abort ${i} ${'about planets '.repeat(200)}`);
    await expect(cascade.rerank(QUERY, documents, { signal: controller.signal })).rejects.toBe(reason);
  });

  test('an abort between two stages keeps the next from starting', async () => {
    const controller = new AbortController();
    let asked = 0;
    const deaf: Ranker = {
      async rerank<T extends string | object>(query: string, documents: readonly T[]) {
        const answer: RerankResponse<RankedDocument<T>> = await cheap.rerank(query, documents);
        controller.abort('enough');
        return answer;
      },
    };
    const cascade = new Cascade({
      stages: [{ ranker: deaf, keep: 4 }, { ranker: asking(strong, () => asked++) }],
    });
    await expect(cascade.rerank(QUERY, DOCUMENTS, { signal: controller.signal })).rejects.toBe('enough');
    await expect(cascade.rerank(QUERY, DOCUMENTS, { signal: controller.signal })).rejects.toBe('enough');
    expect(asked).toBe(0);
  });
});

describe('a stage that fails', () => {
  let closed: Reranker;
  beforeAll(async () => {
    closed = await Reranker.load(fixture('bert'));
    await closed.dispose();
  });

  test('rejects with its error by default', async () => {
    const cascade = new Cascade({ stages: [{ ranker: cheap, keep: 4 }, { ranker: closed }] });
    await expect(cascade.rerank(QUERY, DOCUMENTS)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  test("leaves the order of the stage before with 'previousStage'", async () => {
    const cascade = new Cascade({
      stages: [{ ranker: cheap, keep: 4 }, { ranker: closed }],
      onError: 'previousStage',
    });
    const response = await cascade.rerank(QUERY, DOCUMENTS);
    expect(response).toMatchObject({ degraded: true, endedBy: 'error', error: { code: 'ERR_CLOSED' } });
    expect(response.results.map(({ index }) => index)).toEqual(sorted(ALL, await scoresOf(cheap, DOCUMENTS)));
    expect(response.results.every(({ stage }) => stage === 0)).toBe(true);
  });

  test('is an error where it is the first', async () => {
    const cascade = new Cascade({
      stages: [{ ranker: closed, keep: 4 }, { ranker: strong }],
      onError: 'previousStage',
    });
    await expect(cascade.rerank(QUERY, DOCUMENTS)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  test.each([
    ['an index that is not there', [{ index: 4 }]],
    ['a negative index', [{ index: -1 }]],
    ['an index twice', [{ index: 1 }, { index: 1 }]],
    ['the name of a prototype', [{ index: '__proto__' }]],
  ])('%s in results is refused, whatever onError says', async (_, results) => {
    const broken = { rerank: async () => ({ results }) } as unknown as Ranker;
    const cascade = new Cascade({
      stages: [{ ranker: cheap, keep: 4 }, { ranker: broken }],
      onError: 'previousStage',
    });
    await expect(cascade.rerank(QUERY, DOCUMENTS)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('stages[1].ranker answered index'),
    });
  });
});

describe('wrong arguments are refused by name', () => {
  // biome-ignore lint/suspicious/noExplicitAny: these calls are wrong on purpose
  type Wrong = any;
  const ranker: Ranker = { rerank: () => Promise.reject(new Error('not to be asked')) };
  const two = (first: Wrong, second: Wrong = { ranker }) => ({
    stages: [{ ranker, keep: 2, ...first }, second],
  });

  test.each<[string, Wrong]>([
    ['Expected an object for options', undefined],
    ['Unknown option "stage"; known are stages, onError', { stage: [] }],
    ['Expected an array of at least two stages for stages', {}],
    ['for stages but received an array', { stages: [{ ranker }] }],
    ['Expected an object for stages[0] but received null', { stages: [null, { ranker }] }],
    ['Unknown option "margine"', two({ margine: 1 })],
    ['with the method rerank for stages[0].ranker', two({ ranker: {} })],
    ['stages[1].ranker but received undefined', two({}, {})],
    ['stages[0].keep but received undefined', two({ keep: undefined })],
    ['stages[0].keep but received 0', two({ keep: 0 })],
    ['stages[0].keep but received 1.5', two({ keep: 1.5 })],
    ['stages[0].keep but received NaN', two({ keep: Number.NaN })],
    ['stages[0].keep but received "10"', two({ keep: '10' })],
    ['stages[1].keep but received 3', two({}, { ranker, keep: 3 })],
    ['stages[1].margin but received 3', two({}, { ranker, margin: 3 })],
    ['stages[0].margin but received 0', two({ margin: 0 })],
    ['stages[0].margin but received Infinity', two({ margin: Number.POSITIVE_INFINITY })],
    ["one of 'order', 'set' for stages[0].marginOf", two({ marginOf: 'topK' })],
    ["one of 'error', 'previousStage' for onError", { ...two({}), onError: 'ignore' }],
  ])('%s', (message, options) => {
    expect(() => new Cascade(options as CascadeOptions)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining(message) }),
    );
  });

  test.each<[string, Wrong[]]>([
    ['a string for query', [42, ['d']]],
    ['an array for documents', ['q', 'd']],
    ['documents[1]', ['q', ['d', 7]]],
    ['Unknown option "scores"', ['q', ['d'], { scores: 'raw' }]],
    ['topK', ['q', ['d'], { topK: 0 }]],
    ['minScore', ['q', ['d'], { minScore: Number.NaN }]],
    ['timeoutMs', ['q', ['d'], { timeoutMs: -1 }]],
    ['onTimeout', ['q', ['d'], { onTimeout: 'ignore' }]],
    ['signal', ['q', ['d'], { signal: {} }]],
    ['priority', ['q', ['d'], { priority: 'high' }]],
    ['text', ['q', ['d'], { text: 5 }]],
  ])('%s', async (message, args) => {
    const cascade = new Cascade({ stages: [{ ranker, keep: 2 }, { ranker }] });
    const error = await (cascade.rerank as Wrong)(...args).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CrossrankError);
    expect(error).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    });
  });
});
