import { Reranker } from '../lib';
import { ARCHITECTURES, fixture, golden } from './support/models';
import { PRECISIONS } from './support/precisions';

type Pair = [string, string];

/** Pairs of very different lengths, some cut. */
function pairsOf(name: string): Pair[] {
  return golden(fixture(name)).map(({ query, document }) => [query, document]);
}

function shuffled<T>(items: readonly T[], seed: number): { item: T; index: number }[] {
  const out = items.map((item, index) => ({ item, index }));
  let state = seed;
  for (let i = out.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [out[i], out[j]] = [out[j] as (typeof out)[0], out[i] as (typeof out)[0]];
  }
  return out;
}

// Without the cache: every pair is computed, each time.
const options = { maxLength: 128, scores: 'raw', cache: false } as const;

async function alone(model: Reranker, pairs: readonly Pair[]): Promise<number[]> {
  const scores: number[] = [];
  for (const pair of pairs) scores.push((await model.predict([pair], options))[0] as number);
  return scores;
}

const CASES = ARCHITECTURES.flatMap((name) => PRECISIONS.map((precision) => ({ name, precision })));

describe.each(CASES)(
  '$name in $precision: a score does not depend on its neighbours, bit for bit',
  ({ name, precision }) => {
    const pairs = pairsOf(name);

    test('alone and in one batch', async () => {
      await using model = await Reranker.load(fixture(name), { precision });
      expect([...(await model.predict(pairs, options))]).toEqual(await alone(model, pairs));
    });

    test('in any order', async () => {
      await using model = await Reranker.load(fixture(name), { precision });
      const inOrder = await model.predict(pairs, options);
      for (const seed of [1, 2, 3]) {
        const order = shuffled(pairs, seed);
        const scores = await model.predict(
          order.map(({ item }) => item),
          options,
        );
        order.forEach(({ index }, i) => expect(scores[i]).toBe(inOrder[index]));
      }
    });

    test('with any number of threads and any size of chunk', async () => {
      await using reference = await Reranker.load(fixture(name), { precision, threads: 1 });
      const expected = [...(await reference.predict(pairs, options))];
      for (const [threads, maxTokensPerChunk] of [
        [2, 512],
        [3, 64],
        [5, 1],
        [2, 100_000],
      ] as const) {
        await using model = await Reranker.load(fixture(name), { precision, threads, maxTokensPerChunk });
        expect([...(await model.predict(pairs, options))]).toEqual(expected);
      }
    });

    test('among other calls at the same time', async () => {
      await using model = await Reranker.load(fixture(name), { precision });
      const expected = [...(await model.predict(pairs, options))];
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, i) => model.predict(pairs.slice(i), options)),
      );
      answers.forEach((scores, i) => expect([...scores]).toEqual(expected.slice(i)));
    });
  },
);

test.each(PRECISIONS)(
  'the embedded model in %s: a score does not depend on its neighbours, bit for bit',
  async (precision) => {
    await using model = await Reranker.load(undefined, { precision });
    const texts = Array.from(
      { length: 40 },
      (_, i) => `passage ${i}: ${'索引 makes 查询 fast. '.repeat((i * 7) % 23)}`,
    );
    const pairs = texts.map((text): Pair => ['why is an index fast?', text]);
    const together = await model.predict(pairs, { scores: 'raw', cache: false });
    for (const i of [0, 7, 19, 39]) {
      expect((await model.predict([pairs[i] as Pair], { scores: 'raw', cache: false }))[0]).toBe(together[i]);
    }
  },
);
