import { Reranker } from '../lib';
import { fixture, golden } from './support/models';

const QUERY = 'Which planet is known as the Red Planet?';
const DOCUMENTS = [
  'Venus is the second planet from the Sun.',
  'Mars is often called the Red Planet.',
  'Bread is made of flour and water.',
  'Jupiter is the largest planet.',
];

let model: Reranker;
beforeAll(async () => {
  model = await Reranker.load(undefined, { cache: false });
});
afterAll(() => model.dispose());

test('results are sorted by score and name the documents they stand for', async () => {
  const { results, usage, timings } = await model.rerank(QUERY, DOCUMENTS);
  expect(results.map((r) => r.index).sort()).toEqual([0, 1, 2, 3]);
  for (const [rank, result] of results.entries()) {
    expect(result.document).toBe(DOCUMENTS[result.index]);
    expect(result.truncated).toBe(false);
    expect(result.tokensLost).toBe(0);
    if (rank > 0) expect(result.score).toBeLessThanOrEqual((results[rank - 1] as { score: number }).score);
  }
  expect(usage.pairs).toBe(4);
  expect(usage.tokens).toBeGreaterThan(4 * 10);
  for (const ms of Object.values(timings)) expect(ms).toBeGreaterThanOrEqual(0);
  expect(timings.totalMs).toBeGreaterThanOrEqual(timings.computeMs);
});

test('scores equal those of predict', async () => {
  const { results } = await model.rerank(QUERY, DOCUMENTS);
  const scores = await model.predict(DOCUMENTS.map((document) => [QUERY, document] as const));
  for (const { index, score } of results) expect(score).toBe(scores[index]);
});

test('predict takes several queries and keeps the order of the pairs', async () => {
  const pairs: [string, string][] = [
    [QUERY, DOCUMENTS[0] as string],
    ['what is bread made of?', DOCUMENTS[2] as string],
    [QUERY, DOCUMENTS[1] as string],
  ];
  const scores = await model.predict(pairs);
  for (const [i, pair] of pairs.entries()) expect(scores[i]).toBe((await model.predict([pair]))[0]);
});

test('score tells of each pair what was cut, and what all of it took', async () => {
  const long = 'planet '.repeat(100);
  const options = { maxLength: 40 };
  const pairs: [string, string][] = [
    [QUERY, DOCUMENTS[1] as string],
    [QUERY, long],
  ];
  const { scores, tokensLost, usage, timings } = await model.score(pairs, options);
  expect(scores).toEqual(await model.predict(pairs, options));
  const { results } = await model.rerank(QUERY, [long], options);
  expect([...tokensLost]).toEqual([0, results[0]?.tokensLost]);
  expect(tokensLost[1]).toBeGreaterThan(60);
  const alone = await model.score([pairs[0] as [string, string]], options);
  expect(usage).toEqual({ pairs: 2, cached: 0, tokens: alone.usage.tokens + 40, cachedTokens: 0 });
  expect(timings.totalMs).toBeGreaterThanOrEqual(timings.computeMs);
});

test('topK keeps the best, and more than there are is all', async () => {
  const all = await model.rerank(QUERY, DOCUMENTS);
  const two = await model.rerank(QUERY, DOCUMENTS, { topK: 2 });
  expect(two.results).toEqual(all.results.slice(0, 2));
  expect((await model.rerank(QUERY, DOCUMENTS, { topK: 99 })).results).toEqual(all.results);
  expect(two.usage.pairs).toBe(4);
});

test('minScore keeps what reaches it', async () => {
  const all = await model.rerank(QUERY, DOCUMENTS);
  const limit = (all.results[1] as { score: number }).score;
  const some = await model.rerank(QUERY, DOCUMENTS, { minScore: limit });
  expect(some.results).toEqual(all.results.slice(0, 2));
  expect((await model.rerank(QUERY, DOCUMENTS, { minScore: 2 })).results).toEqual([]);
});

test('equal scores keep the order of the documents', async () => {
  const { results } = await model.rerank(QUERY, ['same', 'same', 'same', 'same']);
  expect(results.map((r) => r.index)).toEqual([0, 1, 2, 3]);
});

test('documents are objects with text, another field, or a function', async () => {
  const plain = await model.rerank(QUERY, DOCUMENTS);
  const scores = plain.results.map((r) => r.score);
  const objects = DOCUMENTS.map((text, id) => ({ id, text, body: { value: text } }));
  const byText = await model.rerank(QUERY, objects);
  expect(byText.results.map((r) => r.score)).toEqual(scores);
  expect(byText.results[0]?.document).toBe(objects[byText.results[0]?.index as number]);
  const named = await model.rerank(
    QUERY,
    DOCUMENTS.map((content) => ({ content })),
    { text: 'content' },
  );
  expect(named.results.map((r) => r.score)).toEqual(scores);
  const computed = await model.rerank(QUERY, objects, { text: (document) => document.body.value });
  expect(computed.results.map((r) => r.score)).toEqual(scores);
});

test('returnDocuments false leaves the documents out', async () => {
  const { results } = await model.rerank(QUERY, DOCUMENTS, { returnDocuments: false });
  expect(results).toHaveLength(4);
  for (const result of results)
    expect(Object.keys(result).sort()).toEqual(['index', 'score', 'tokensLost', 'truncated']);
});

test('no documents give no results', async () => {
  const response = await model.rerank(QUERY, []);
  expect(response.results).toEqual([]);
  expect(response.usage).toEqual({ pairs: 0, windows: 0, cached: 0, tokens: 0, cachedTokens: 0 });
  expect(response).toMatchObject({ degraded: false, scored: 0 });
  expect(await model.predict([])).toEqual(new Float32Array(0));
});

test('scores come on the scale that is asked for', async () => {
  const pair = [[QUERY, DOCUMENTS[1] as string]] as const;
  const [raw] = await model.predict(pair, { scores: 'raw' });
  const [sigmoid] = await model.predict(pair, { scores: 'sigmoid' });
  const [own] = await model.predict(pair);
  expect(sigmoid).toBeCloseTo(1 / (1 + Math.exp(-(raw as number))), 6);
  expect(model.info().activation).toBe('sigmoid');
  expect(own).toBe(sigmoid);
});

test('calls made at the same time are answered each with its own', async () => {
  const queries = Array.from({ length: 30 }, (_, i) => `question ${i} about planets`);
  const expected = new Map<string, number[]>();
  for (const query of queries) {
    expected.set(
      query,
      (await model.rerank(query, DOCUMENTS)).results.map((r) => r.score),
    );
  }
  const answers = await Promise.all(queries.map((query) => model.rerank(query, DOCUMENTS)));
  answers.forEach((answer, i) => {
    expect(answer.results.map((r) => r.score)).toEqual(expected.get(queries[i] as string));
  });
});

test('info tells what is loaded and how it runs', async () => {
  const info = model.info();
  expect(info).toMatchObject({
    architecture: 'BertForSequenceClassification',
    modelType: 'bert',
    packed: true,
    layers: 12,
    hiddenSize: 384,
    heads: 12,
    labels: 1,
    maxLength: 512,
    precision: expect.stringMatching(/^(fp32|bf16)$/), // auto, on this CPU
  });
  expect(info.parameters).toBeGreaterThan(40e6);
  expect(info.parameters).toBeLessThan(42e6);
  expect(info.threads).toBeGreaterThan(0);
  expect(info.onnxRuntime.version).toMatch(/^1\.\d+/);
  await using small = await Reranker.load(fixture('roberta'), {
    threads: 3,
    maxTokensPerChunk: 64,
    precision: 'fp32',
  });
  expect(small.info()).toMatchObject({
    threads: 3,
    maxTokensPerChunk: 64,
    maxLength: 128,
    modelType: 'roberta',
  });
});

describe('truncation', () => {
  const long = 'planet '.repeat(700);

  test('says what was cut and how many tokens it lost', async () => {
    const { results, usage } = await model.rerank('planet', [long, 'planet'], { maxLength: 64 });
    const cut = results.find((r) => r.index === 0);
    const whole = results.find((r) => r.index === 1);
    expect(whole).toMatchObject({ truncated: false, tokensLost: 0 });
    expect(cut?.truncated).toBe(true);
    const [short, full] = await Promise.all([
      model.rerank('planet', ['planet'.repeat(0)]),
      model.rerank('planet', [long], { maxLength: 512 }),
    ]);
    expect(full.usage.tokens).toBe(512);
    expect((full.results[0] as { tokensLost: number }).tokensLost + 512 - 64).toBe(cut?.tokensLost);
    expect(usage.tokens).toBe(64 + short.usage.tokens + 1);
  });

  test("'document' leaves the query whole and cuts as longest_first does where the query is shorter", async () => {
    const options = { maxLength: 64, scores: 'raw' } as const;
    const [both] = await model.predict([['planet', long]], options);
    const [document] = await model.predict([['planet', long]], { ...options, truncate: 'document' });
    expect(document).toBe(both);
    const longQuery = 'which planet is it '.repeat(10);
    const [cutBoth] = await model.predict([[longQuery, long]], options);
    const [cutDocument] = await model.predict([[longQuery, long]], { ...options, truncate: 'document' });
    expect(cutDocument).not.toBe(cutBoth);
  });

  test("'document' refuses a query that leaves no room, and the next call works", async () => {
    await expect(model.rerank(long, ['planet'], { truncate: 'document' })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('leaves no room for a document'),
    });
    expect((await model.rerank(QUERY, DOCUMENTS)).results).toHaveLength(4);
  });

  test('long inputs are cut as the reference cuts them', async () => {
    const cases = golden(fixture('bert')).filter((c) => c.input_ids.length === c.max_length);
    expect(cases.length).toBeGreaterThan(0);
    await using bert = await Reranker.load(fixture('bert'), { cache: false });
    for (const { query, document, max_length } of cases) {
      const { results, usage } = await bert.rerank(query, [document], { maxLength: max_length });
      expect(usage.tokens).toBe(max_length);
      expect(results[0]?.truncated).toBe((results[0]?.tokensLost ?? 0) > 0);
    }
  });
});
