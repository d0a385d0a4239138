import { getEventListeners } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Reranker, type RerankResponse } from '../lib';

const QUERY = 'Which planet is known as the Red Planet?';
/** Far more work than any time-out here leaves room for. */
const DOCUMENTS = Array.from({ length: 4000 }, (_, i) => `document ${i} ${'about planets '.repeat(40)}`);

let model: Reranker;
beforeAll(async () => {
  model = await Reranker.load(undefined, { cache: false, maxQueuedTokens: 1e9 });
});
afterAll(() => model.dispose());

/** The next call works: no lane is held by what was ended. */
async function expectNextToWork(): Promise<void> {
  expect((await model.rerank(QUERY, ['Mars'])).results).toHaveLength(1);
}

/** Repeats a call with more and more time until some documents were scored in it. */
async function degraded(
  call: (timeoutMs: number) => Promise<RerankResponse<{ index: number; score: number }>>,
): Promise<RerankResponse<{ index: number; score: number }>> {
  for (let timeoutMs = 100; ; timeoutMs *= 2) {
    const response = await call(timeoutMs);
    expect(response.degraded).toBe(true);
    if (response.scored > 0) return response;
  }
}

describe('timeoutMs', () => {
  test.each(['rerank', 'predict'] as const)(
    '%s rejects with ERR_TIMEOUT and how far it came',
    async (way) => {
      const options = { timeoutMs: 50 };
      const call =
        way === 'rerank'
          ? model.rerank(QUERY, DOCUMENTS, options)
          : model.predict(
              DOCUMENTS.map((document) => [QUERY, document] as const),
              options,
            );
      await expect(call).rejects.toMatchObject({
        code: 'ERR_TIMEOUT',
        message: expect.stringMatching(/timeoutMs passed with \d+ of 4000 pairs scored/),
      });
      await expectNextToWork();
    },
  );

  test('also counts while texts are still being copied', async () => {
    const documents = Array.from({ length: 200 }, () => 'planet '.repeat(40_000));
    await expect(model.rerank(QUERY, documents, { timeoutMs: 1 })).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
      message: expect.stringContaining('0 of 200 pairs scored'),
    });
    await expectNextToWork();
  });

  test('a call that is done in time is not degraded', async () => {
    const response = await model.rerank(QUERY, ['Mars', 'Venus'], { timeoutMs: 1e12, onTimeout: 'partial' });
    expect(response).toMatchObject({ degraded: false, scored: 2 });
  });

  test("'partial' ranks the first documents, which were scored, and puts the rest behind in input order", async () => {
    const { results, scored, usage } = await degraded((timeoutMs) =>
      model.rerank(QUERY, DOCUMENTS, { timeoutMs, onTimeout: 'partial', scores: 'raw' }),
    );
    expect(scored).toBeLessThan(DOCUMENTS.length);
    expect(results).toHaveLength(DOCUMENTS.length);
    expect(usage.pairs).toBe(DOCUMENTS.length);
    const done = results.slice(0, scored);
    expect(done.every(({ score }) => Number.isFinite(score))).toBe(true);
    expect(done.map(({ score }) => score)).toEqual(done.map(({ score }) => score).sort((a, b) => b - a));
    // The first of the input, but for what ran side by side when time was over.
    expect(done.filter(({ index }) => index >= scored).length).toBeLessThan(model.info().threads * 64);
    const rest = results.slice(scored);
    expect(rest.every(({ score }) => Number.isNaN(score))).toBe(true);
    expect(rest.map(({ index }) => index)).toEqual(rest.map(({ index }) => index).sort((a, b) => a - b));
    // What was scored has the score it has alone.
    const { index, score } = done[0] as { index: number; score: number };
    expect([...(await model.predict([[QUERY, DOCUMENTS[index] as string]], { scores: 'raw' }))]).toEqual([
      score,
    ]);
  });

  test("'inputOrder' keeps the order, with the scores that are known", async () => {
    const { results, scored } = await degraded((timeoutMs) =>
      model.rerank(QUERY, DOCUMENTS, { timeoutMs, onTimeout: 'inputOrder' }),
    );
    expect(results.map(({ index }) => index)).toEqual(DOCUMENTS.map((_, i) => i));
    expect(results.filter(({ score }) => Number.isFinite(score))).toHaveLength(scored);
  });

  test('topK counts over scored and others, and minScore leaves out what was not scored', async () => {
    const few = await degraded((timeoutMs) =>
      model.rerank(QUERY, DOCUMENTS, { timeoutMs, onTimeout: 'partial', topK: 5 }),
    );
    expect(few.results).toHaveLength(5);
    const scored = await degraded((timeoutMs) =>
      model.rerank(QUERY, DOCUMENTS, { timeoutMs, onTimeout: 'partial', minScore: 0 }),
    );
    expect(scored.results).toHaveLength(scored.scored);
  });
});

describe('signal', () => {
  test.each(['rerank', 'predict'] as const)(
    '%s rejects with the reason of a signal that is aborted already, before any work',
    async (way) => {
      const reason = new Error('not wanted');
      const signal = AbortSignal.abort(reason);
      let read = 0;
      const text = () => {
        read++;
        return 'text';
      };
      const call =
        way === 'rerank'
          ? model.rerank(QUERY, [{}], { signal, text })
          : model.predict([[QUERY, 'document']], { signal });
      await expect(call).rejects.toBe(reason);
      expect(read).toBe(0);
    },
  );

  test('an abort ends the call with its reason, and another call at the same time loses nothing', async () => {
    const others = DOCUMENTS.slice(0, 30);
    const expected = await model.predict(others.map((document) => [QUERY, document] as const));
    const controller = new AbortController();
    const aborted = model.rerank(QUERY, DOCUMENTS, { signal: controller.signal });
    const other = model.predict(others.map((document) => [QUERY, document] as const));
    await nextTurn();
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
    expect(await other).toEqual(expected);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    await expectNextToWork();
  });

  test('an abort ends a call whose texts are still being copied', async () => {
    const controller = new AbortController();
    const call = model.rerank(QUERY, DOCUMENTS, { signal: controller.signal });
    controller.abort('changed my mind');
    await expect(call).rejects.toBe('changed my mind');
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  test('an abort after the answer has no effect, and the call leaves no listener behind', async () => {
    const controller = new AbortController();
    const { results } = await model.rerank(QUERY, ['Mars', 'Venus'], { signal: controller.signal });
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    controller.abort();
    expect(results).toHaveLength(2);
    await expectNextToWork();
  });

  test('of a deadline and an abort the first decides', async () => {
    const controller = new AbortController();
    const call = model.rerank(QUERY, DOCUMENTS, { signal: controller.signal, timeoutMs: 20 });
    await expect(call).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
    controller.abort();
    await expectNextToWork();
  });

  test('a hundred calls that are aborted leave the engine as it was', async () => {
    const calls = Array.from({ length: 100 }, (_, i) => {
      const controller = new AbortController();
      const call = model.rerank(`${QUERY} ${i}`, DOCUMENTS.slice(0, 50), { signal: controller.signal });
      return { controller, call };
    });
    const settled = Promise.allSettled(calls.map(({ call }) => call));
    for (const { controller } of calls) {
      await nextTurn();
      controller.abort();
    }
    expect((await settled).every(({ status }) => status === 'rejected')).toBe(true);
    await expectNextToWork();
  });
});
