import { Reranker } from '../lib';
import { fixture } from './support/models';

const QUERY = 'Which planet is known as the Red Planet?';
const DOCUMENTS = Array.from({ length: 12 }, (_, i) => `planet ${i} ${'and its moons '.repeat(i)}`);

const load = (options = {}) => Reranker.load(fixture('bert'), { precision: 'fp32', ...options });

test('the same call again is answered from the cache, with the same bits', async () => {
  await using model = await load();
  const first = await model.rerank(QUERY, DOCUMENTS, { maxLength: 32 });
  expect(first.usage).toMatchObject({ pairs: 12, cached: 0 });
  const second = await model.rerank(QUERY, DOCUMENTS, { maxLength: 32 });
  const cachedTokens = first.usage.tokens;
  expect(first.usage.cachedTokens).toBe(0);
  expect(second.usage).toEqual({ pairs: 12, windows: 12, cached: 12, tokens: 0, cachedTokens });
  expect(second).toMatchObject({ scored: 12, degraded: false });
  expect(second.results).toEqual(first.results); // truncated and tokensLost too
  expect(first.results.some(({ truncated }) => truncated)).toBe(true);
});

test('what two calls have in common is scored once', async () => {
  await using model = await load();
  await model.rerank(QUERY, DOCUMENTS.slice(0, 8));
  const { usage } = await model.rerank(QUERY, DOCUMENTS.slice(4));
  expect(usage).toMatchObject({ pairs: 8, cached: 4 });
  expect((await model.rerank('another query', DOCUMENTS.slice(0, 8))).usage.cached).toBe(0);
});

test('the same document twice in a call is scored once', async () => {
  await using model = await load();
  const { results, usage } = await model.rerank(QUERY, ['Mars', 'Venus', 'Mars', 'Mars']);
  const one = (await model.rerank(QUERY, ['Mars'])).usage.cachedTokens;
  expect(usage).toMatchObject({ pairs: 4, cached: 2, cachedTokens: 2 * one });
  expect(results.filter(({ document }) => document === 'Mars').map(({ index }) => index)).toEqual([0, 2, 3]);
  expect(new Set(results.filter(({ document }) => document === 'Mars').map(({ score }) => score)).size).toBe(
    1,
  );
});

test('calls made at the same time share their pairs', async () => {
  await using model = await load();
  await using alone = await load({ cache: false });
  const { usage, results } = await alone.rerank(QUERY, DOCUMENTS);
  const answers = await Promise.all(Array.from({ length: 8 }, () => model.rerank(QUERY, DOCUMENTS)));
  expect(answers.reduce((sum, answer) => sum + answer.usage.tokens, 0)).toBe(usage.tokens);
  for (const answer of answers) expect(answer.usage.tokens + answer.usage.cachedTokens).toBe(usage.tokens);
  for (const answer of answers) expect(answer.results).toEqual(results);
});

test('scores of one scale serve the others, and a different cut is a different pair', async () => {
  await using model = await load();
  const documents = DOCUMENTS.slice(0, 3);
  const raw = await model.rerank(QUERY, documents, { scores: 'raw' });
  const sigmoid = await model.rerank(QUERY, documents, { scores: 'sigmoid' });
  expect(sigmoid.usage.cached).toBe(3);
  sigmoid.results.forEach(({ score }, i) => {
    expect(score).toBeCloseTo(1 / (1 + Math.exp(-(raw.results[i] as { score: number }).score)), 6);
  });
  expect((await model.rerank(QUERY, documents, { maxLength: 64 })).usage.cached).toBe(0);
  expect((await model.rerank(QUERY, documents, { truncate: 'document' })).usage.cached).toBe(0);
});

test('predict and rerank share scores', async () => {
  await using model = await load();
  const scores = await model.predict(DOCUMENTS.map((document) => [QUERY, document] as const));
  const { results, usage } = await model.rerank(QUERY, DOCUMENTS);
  expect(usage.cached).toBe(12);
  for (const { index, score } of results) expect(score).toBe(scores[index]);
});

test.each<[string, object, object]>([
  ['cache: false of load', { cache: false }, {}],
  ['cache: false of a call', {}, { cache: false }],
])('%s scores every pair, also the same one twice', async (_, loadOptions, options) => {
  await using model = await load(loadOptions);
  const documents = ['Mars', 'Venus', 'Mars'];
  const first = await model.rerank(QUERY, documents, options);
  const second = await model.rerank(QUERY, documents, options);
  for (const { usage } of [first, second]) expect(usage).toMatchObject({ pairs: 3, cached: 0 });
  expect(second.usage.tokens).toBe(first.usage.tokens);
  expect(second.results).toEqual(first.results);
});

test('a score that is too old is computed again', async () => {
  await using model = await load({ cache: { ttlMs: 1 } });
  await model.rerank(QUERY, ['Mars']);
  const until = performance.now() + 5;
  while (performance.now() < until);
  expect((await model.rerank(QUERY, ['Mars'])).usage.cached).toBe(0);
});

test('a cache too small for anything keeps nothing', async () => {
  await using model = await load({ cache: { maxBytes: 1 } });
  const first = await model.rerank(QUERY, DOCUMENTS);
  const second = await model.rerank(QUERY, DOCUMENTS);
  expect(second.usage.cached).toBe(0);
  expect(second.results).toEqual(first.results);
});
