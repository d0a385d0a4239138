import { tracingChannel } from 'node:diagnostics_channel';
import { Reranker } from '../lib';
import { fixture } from './support/models';

const QUERY = 'which planet is red';
const DOCUMENTS = ['Mars looks red.', 'Venus is bright.', 'Mars looks red.'];

const count = (bins: readonly number[]) => bins.reduce((sum, each) => sum + each, 0);

describe('stats()', () => {
  test('counts calls, pairs, tokens and what the cache answered', async () => {
    await using model = await Reranker.load(fixture('bert'));
    const first = await model.rerank(QUERY, DOCUMENTS);
    await model.rerank(QUERY, DOCUMENTS);
    const stats = model.stats();
    expect(stats).toMatchObject({
      queue: { requests: 0, tokens: 0 },
      running: { chunks: 0, pairs: 0 },
      requests: { ended: 2, refused: 0, failed: 0, aborted: 0, timedOut: 0, degraded: 0 },
      scored: { pairs: 2, tokens: first.usage.tokens, shared: 1, restarted: 0 },
      cache: { entries: 2, hits: 3 },
    });
    expect(stats.queue.maxTokens).toBeGreaterThan(0);
    expect(stats.tokensPerSecond).toBeGreaterThan(0);
    expect(stats.cache.bytes).toBeGreaterThan(0);
    const { tokens, cachedTokens } = first.usage;
    expect(stats.sizes.pairTokens.sum).toBe(2 * (tokens + cachedTokens));
    expect(count(stats.sizes.pairTokens.bins)).toBe(6);
    expect(stats.sizes.runPairs.sum).toBe(2);
    expect(stats.sizes.runTokens.sum).toBe(tokens);
    expect(count(stats.sizes.runPairs.bins)).toBe(count(stats.sizes.runTokens.bins));
    expect(stats.scores).toHaveLength(20);
    expect(count(stats.scores)).toBe(2);
    for (const { count: calls, p50, p95, p99, max } of Object.values(stats.latencyMs)) {
      expect(calls).toBe(2);
      expect(p50 <= p95 && p95 <= p99 && p99 <= max).toBe(true);
    }
    expect(stats.latencyMs.total.max).toBeGreaterThan(0);
  });

  test('puts scores where their sigmoid belongs', async () => {
    await using model = await Reranker.load(fixture('bert'), { cache: false });
    const scores = await model.predict(
      DOCUMENTS.map((document) => [QUERY, document] as const),
      { scores: 'sigmoid' },
    );
    const expected = new Array<number>(20).fill(0);
    for (const score of scores)
      expected[Math.floor(score * 20)] = (expected[Math.floor(score * 20)] ?? 0) + 1;
    expect(model.stats().scores).toEqual(expected);
  });

  test('counts what was aborted and what came too late', async () => {
    await using model = await Reranker.load(fixture('bert'), { cache: false });
    const many = Array.from({ length: 2000 }, (_, i) => `document ${i} about red planets`);
    const controller = new AbortController();
    const aborted = model.rerank(QUERY, many, { signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
    const late = await model.rerank(QUERY, many, { timeoutMs: 0.001, onTimeout: 'partial' });
    expect(late.degraded).toBe(true);
    expect(model.stats().requests).toMatchObject({ ended: 2, aborted: 1, timedOut: 1, degraded: 1 });
  });

  test('is zeros after dispose', async () => {
    const model = await Reranker.load(fixture('bert'));
    await model.rerank(QUERY, DOCUMENTS);
    await model.dispose();
    expect(model.stats()).toMatchObject({ requests: { ended: 0 }, latencyMs: { total: { count: 1 } } });
  });
});

describe('diagnostics channels', () => {
  /** What a subscriber of all five channels of a tracing channel heard. */
  function listen(name: string): { heard: [string, object][]; stop: () => void } {
    const heard: [string, object][] = [];
    const channel = tracingChannel(name);
    const on = (event: string) => (message: object) => {
      heard.push([event, message]);
    };
    const subscribers = {
      start: on('start'),
      end: on('end'),
      asyncStart: on('asyncStart'),
      asyncEnd: on('asyncEnd'),
      error: on('error'),
    };
    channel.subscribe(subscribers);
    return { heard, stop: () => channel.unsubscribe(subscribers) };
  }

  test('tell of calls from start to answer, with one object', async () => {
    await using model = await Reranker.load(fixture('bert'));
    const { heard, stop } = listen('crossrank:call');
    const answer = await model.rerank(QUERY, DOCUMENTS, { priority: 'bulk' });
    const scores = await model.predict([[QUERY, 'Mars']]);
    stop();
    await model.rerank(QUERY, DOCUMENTS);
    expect(heard.map(([event]) => event)).toEqual([
      ...['start', 'end', 'asyncStart', 'asyncEnd'],
      ...['start', 'end', 'asyncStart', 'asyncEnd'],
    ]);
    const [[, first]] = heard as [[string, object]];
    expect(heard.slice(0, 4).every(([, message]) => message === first)).toBe(true);
    expect(first).toMatchObject({ method: 'rerank', model: fixture('bert'), pairs: 3, priority: 'bulk' });
    expect((first as { result: unknown }).result).toBe(answer);
    expect(heard.at(-1)?.[1]).toMatchObject({ method: 'predict', pairs: 1, priority: 'interactive' });
    expect((heard.at(-1) as [string, { result: { scores: unknown } }])[1].result.scores).toBe(scores);
  });

  test('tell of calls that fail', async () => {
    const model = await Reranker.load(fixture('bert'));
    await model.dispose();
    const { heard, stop } = listen('crossrank:call');
    await expect(model.rerank(QUERY, DOCUMENTS)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    stop();
    expect(heard.map(([event]) => event)).toContain('error');
    expect(heard.at(-1)?.[1]).toMatchObject({ error: { code: 'ERR_CLOSED' } });
  });

  test('tell of loads', async () => {
    const { heard, stop } = listen('crossrank:load');
    await using model = await Reranker.load(fixture('bert'));
    await expect(Reranker.load('/no/such/folder')).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
    stop();
    expect(heard.filter(([event]) => event === 'asyncEnd').map(([, message]) => message)).toMatchObject([
      { model: fixture('bert'), result: model },
      { model: '/no/such/folder', error: { code: 'ERR_MODEL_NOT_FOUND' } },
    ]);
  });
});
