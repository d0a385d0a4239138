import { Reranker } from '../lib';
import { relevanceScorer } from '../lib/integrations/mastra';
import { runModule } from './support/module-child';

const query = 'Which planet is red?';
const texts = [
  'Bread is made of flour and water.',
  'Mars is often called the Red Planet.',
  'Venus is the second planet from the Sun.',
];

let reranker: Reranker;
beforeAll(async () => {
  reranker = await Reranker.load();
});
afterAll(() => reranker.dispose());

test('rerankWithScorer ranks by scores from 0 to 1, all documents of a turn in one call, and ends with the signal', async () => {
  const { results } = await reranker.rerank(query, texts, { topK: 2, scores: 'sigmoid' });
  expect(runModule('test/support/mastra-child.mjs', query, 'What is bread made of?', ...texts)).toEqual({
    ranked: results.map(({ index, score }) => [index, score]),
    sizes: [6],
    best: [1, 0],
    reason: 'enough',
  });
});

test('each score goes to whom it belongs, on the scale that is asked for', async () => {
  const scorer = relevanceScorer(reranker, { scores: 'raw' });
  const scores = await Promise.all(texts.map((text) => scorer.getRelevanceScore(query, text)));
  const expected = await reranker.predict(
    texts.map((text) => [query, text] as const),
    { scores: 'raw' },
  );
  expect(scores).toEqual([...expected]);
});

test('a failure rejects the calls it concerns, and the next one works', async () => {
  const scorer = relevanceScorer(reranker, { timeoutMs: 60_000 });
  const wrong = scorer.getRelevanceScore(query, 7 as unknown as string);
  const right = scorer.getRelevanceScore(query, texts[1] as string);
  await expect(wrong).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  expect(await right).toBeGreaterThan(0.5);

  const ended = await Reranker.load();
  const ending = relevanceScorer(ended, { cache: false });
  await ended.dispose();
  const calls = texts.map((text) => ending.getRelevanceScore(query, text));
  for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  expect(() => relevanceScorer(reranker, { topK: 3 } as object)).toThrow(/Unknown option "topK"/);
});

test('a model with several labels is refused: relevance is one score', async () => {
  const twoLabels: Pick<Reranker, 'predict'> = {
    predict: async (pairs) => new Float32Array(pairs.length * 2),
  };
  await expect(relevanceScorer(twoLabels).getRelevanceScore(query, 'a')).rejects.toMatchObject({
    code: 'ERR_MODEL_UNSUPPORTED',
    message: expect.stringContaining('2 labels'),
  });
});
