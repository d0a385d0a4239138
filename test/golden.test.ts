import { Reranker } from '../lib';
import { ARCHITECTURES, DEFAULT_MODEL, fixture, type GoldenCase, golden } from './support/models';

/** 1e-4 absolute, or 1e-5 relative where logits are large. */
function expectClose(actual: number, expected: number): void {
  const limit = Math.max(1e-4, 1e-5 * Math.abs(expected));
  if (!(Math.abs(actual - expected) <= limit)) {
    throw new Error(`${actual} differs from the reference ${expected} by more than ${limit}`);
  }
}

async function rawLogits(model: Reranker, cases: readonly GoldenCase[]): Promise<number[]> {
  const logits: number[] = [];
  for (const { query, document, max_length } of cases) {
    const [logit] = await model.predict([[query, document]], { maxLength: max_length, scores: 'raw' });
    logits.push(logit as number);
  }
  return logits;
}

describe.each(ARCHITECTURES)('%s', (name) => {
  test('fp32 logits equal the float64 reference on every case', async () => {
    const cases = golden(fixture(name));
    expect(cases.length).toBeGreaterThan(50);
    await using model = await Reranker.load(fixture(name), { precision: 'fp32' });
    const logits = await rawLogits(model, cases);
    cases.forEach((expected, i) => expectClose(logits[i] as number, expected.logits[0] as number));
  });
});

describe('the embedded default model', () => {
  test('scores equal the reference on its dequantised weights', async () => {
    const cases = golden(DEFAULT_MODEL);
    await using model = await Reranker.load(undefined, { precision: 'fp32' });
    const logits = await rawLogits(model, cases);
    cases.forEach((expected, i) => expectClose(logits[i] as number, expected.logits[0] as number));
  });

  test('puts the answer first, in Chinese and in English', async () => {
    await using model = await Reranker.load();
    const chinese = await model.rerank('什么是RAG？', [
      '今天天气很好',
      'RAG是检索增强生成技术',
      'Python是编程语言',
    ]);
    expect(chinese.results[0]?.index).toBe(1);
    const english = await model.rerank('Which planet is known as the Red Planet?', [
      "Venus is often called Earth's twin because of its similar size and proximity.",
      'Mars, known for its reddish appearance, is often referred to as the Red Planet.',
    ]);
    expect(english.results[0]?.index).toBe(1);
  });
});
