import { CrossrankError, Reranker } from '../lib';
import { runJson } from './support/child';
import { DEFAULT_MODEL, fixture } from './support/models';
import { PRECISIONS } from './support/precisions';

const PAIRS: [string, string][] = [['planet', 'mars is red']];

/** What a load is estimated to take, in bytes: the refusal tells it. */
async function estimateOf(model: string): Promise<number> {
  const refusal = await Reranker.load(model, { memoryBudget: 1 }).catch(
    (error: CrossrankError) => error.message,
  );
  return 1e6 * Number(/needs about (\d+) MB of memory, and memoryBudget is 1 MB/.exec(String(refusal))?.[1]);
}

test('a budget smaller than the model is refused with both numbers, and the next load works', async () => {
  const refused = Reranker.load(fixture('bert'), { memoryBudget: 5_000_000 });
  await expect(refused).rejects.toBeInstanceOf(CrossrankError);
  await expect(refused).rejects.toMatchObject({
    code: 'ERR_MEMORY',
    message: expect.stringMatching(
      /bert needs about \d+ MB of memory, and memoryBudget is 5 MB; raise it, use fewer threads/,
    ),
  });
  await using model = await Reranker.load(fixture('bert'), { memoryBudget: 1e9 });
  expect(await model.predict(PAIRS)).toHaveLength(1);
});

test('an idle model goes for another, the one used least recently first, and comes back', async () => {
  const [bert, roberta, electra] = [fixture('bert'), fixture('roberta'), fixture('electra')];
  const sizes = await Promise.all([bert, roberta, electra].map(estimateOf));
  await using first = await Reranker.load(bert);
  await using second = await Reranker.load(roberta);
  const expected = await second.predict(PAIRS);
  await first.predict(PAIRS);
  const [a = 0, b = 0, c = 0] = sizes;
  await using third = await Reranker.load(electra, { memoryBudget: a + b + c - 1e7 });
  expect([first, second, third].map((model) => model.info().loaded)).toEqual([true, false, true]);
  expect(await second.predict(PAIRS)).toEqual(expected);
});

test('a model with calls is not unloaded, and the load that needs its memory is refused', async () => {
  await using busy = await Reranker.load();
  const call = busy.rerank(
    'planet',
    Array.from({ length: 100 }, (_, i) => `document ${i} ${'about planets '.repeat(20)}`),
  );
  const size = await estimateOf(fixture('bert'));
  await expect(Reranker.load(fixture('bert'), { memoryBudget: 2 * size })).rejects.toMatchObject({
    code: 'ERR_MEMORY',
    message: expect.stringMatching(
      /needs about \d+ MB of memory, models in use hold about \d+ MB, and memoryBudget is \d+ MB; raise it, or dispose/,
    ),
  });
  expect((await call).results).toHaveLength(100);
  expect(busy.info().loaded).toBe(true);
});

test('rerankers that share a model count once', async () => {
  const size = await estimateOf(fixture('bert'));
  await using first = await Reranker.load(fixture('bert'), { memoryBudget: size + 1 });
  await using second = await Reranker.load(fixture('bert'), { memoryBudget: size + 1 });
  expect([first.info().loaded, second.info().loaded]).toEqual([true, true]);
});

const onLinux = process.platform === 'linux' ? describe : describe.skip; // elsewhere resident memory means other things

onLinux('the estimate is not exceeded', () => {
  /** MB that a model took at most, loading and working, and MB that were estimated. */
  function measure(model: string, precision: string): { most: number; estimate: number } {
    return runJson(`
      const status = (name) => Number(new RegExp(name + ':\\\\s+(\\\\d+)').exec(
        require('node:fs').readFileSync('/proc/self/status', 'utf8'))[1]) / 1e3 * 1.024;
      async function main() {
        await (await Reranker.load(${JSON.stringify(fixture('distilbert'))})).dispose(); // what any model needs
        const before = status('VmRSS');
        const load = (memoryBudget) =>
          Reranker.load(${JSON.stringify(model)}, { precision: '${precision}', threads: 2, memoryBudget });
        const refusal = await load(1).catch((error) => error.message);
        const reranker = await load();
        await reranker.warmUp();
        await reranker.rerank('planet', Array.from({ length: 40 }, (_, i) => 'about planets '.repeat(8 * i)));
        console.log(JSON.stringify({
          most: status('VmHWM') - before,
          estimate: Number(/about (\\d+) MB/.exec(refusal)[1]),
        }));
      }
      main();`) as { most: number; estimate: number };
  }

  test.each(PRECISIONS)('by the embedded model in %s, and not far from it', (precision) => {
    const { most, estimate } = measure(DEFAULT_MODEL, precision);
    expect(most).toBeLessThan(estimate);
    expect(most).toBeGreaterThan(estimate / 3);
  });

  test.each(['bert', 'xlm-roberta', 'electra'])('by the fixture %s', (name) => {
    const { most, estimate } = measure(fixture(name), 'fp32');
    expect(most).toBeLessThan(estimate);
  });
});

test.each([Number.NaN, -1, 0, 1.5, '1e9'])('memoryBudget: %p is refused', async (value) => {
  await expect(Reranker.load(fixture('bert'), { memoryBudget: value as number })).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringMatching(/^Expected an integer from 1 to \d+ for memoryBudget but received /),
  });
});
