import { type CrossrankError, Reranker } from '../lib';

const QUERY = 'Which planet is known as the Red Planet?';
const MANY = Array.from({ length: 1000 }, (_, i) => `document ${i} ${'about planets '.repeat(10)}`);
const FEW = Array.from({ length: 5 }, (_, i) => `planet ${i}`);

describe('maxQueuedTokens', () => {
  let model: Reranker;
  beforeAll(async () => {
    model = await Reranker.load(undefined, { threads: 1, maxQueuedTokens: 500 });
  });
  afterAll(() => model.dispose());

  test('a full queue refuses a call with its depth and when to try again; a call alone is never too large', async () => {
    const controller = new AbortController();
    const large = model.rerank(QUERY, MANY, { signal: controller.signal });
    const refused = (await model.rerank(QUERY, FEW).catch((error) => error)) as CrossrankError;
    expect(refused).toMatchObject({ name: 'CrossrankError', code: 'ERR_QUEUE_FULL', queuedRequests: 1 });
    expect(refused.queuedTokens).toBeGreaterThan(500);
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    expect(refused.message).toContain(`${refused.queuedTokens} tokens wait`);
    expect(refused.message).toContain(`try again in about ${refused.retryAfterMs} ms`);
    controller.abort();
    await expect(large).rejects.toMatchObject({ name: 'AbortError' });
    expect((await model.rerank(QUERY, FEW)).results).toHaveLength(FEW.length);
  });

  test('the large call itself is answered', async () => {
    const documents = MANY.slice(0, 60);
    expect((await model.rerank(QUERY, documents)).results).toHaveLength(documents.length);
  });
});

describe('calls of different sizes and priorities', () => {
  let model: Reranker;
  beforeAll(async () => {
    model = await Reranker.load(undefined, { threads: 1, cache: false, maxQueuedTokens: 1e9 });
  });
  afterAll(() => model.dispose());

  /** Makes the calls at once and tells in which order they were answered. */
  async function order(calls: Record<string, () => Promise<unknown>>): Promise<string[]> {
    const answered: string[] = [];
    await Promise.all(Object.entries(calls).map(([name, call]) => call().then(() => answered.push(name))));
    return answered;
  }

  test('a few documents are not stuck behind many', async () => {
    const answered = await order({
      many: () => model.rerank(QUERY, MANY.slice(0, 300)),
      few: () => model.rerank(QUERY, FEW),
    });
    expect(answered).toEqual(['few', 'many']);
  });

  test('interactive calls go before bulk ones, whatever came first', async () => {
    const documents = MANY.slice(0, 100);
    const answered = await order({
      bulk: () => model.rerank(QUERY, documents.slice(0, 99), { priority: 'bulk' }),
      moreBulk: () => model.rerank(QUERY, documents, { priority: 'bulk' }),
      interactive: () => model.rerank(QUERY, documents),
    });
    expect(answered[0]).toBe('interactive');
  });

  test('64 callers at once are all admitted and answered', async () => {
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, i) => model.rerank(`${QUERY} ${i}`, FEW)),
    );
    expect(answers.every(({ results, degraded }) => results.length === FEW.length && !degraded)).toBe(true);
  });
});
