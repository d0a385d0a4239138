import { renameSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Reranker } from '../lib';
import { runJson } from './support/child';
import { copyOf, editJson, fixture } from './support/models';

const PAIRS: [string, string][] = [['planet', 'mars is red']];

async function untilUnloaded(model: Reranker): Promise<void> {
  while (model.info().loaded) await delay(1);
}

test('a quiet model is unloaded, and the next call loads it again and scores the same', async () => {
  await using model = await Reranker.load(fixture('bert'), { idleUnloadMs: 1 });
  const expected = await model.predict(PAIRS);
  for (let round = 0; round < 5; round++) {
    await untilUnloaded(model);
    expect(model.info()).toMatchObject({ modelType: 'bert', loaded: false });
    expect(await model.predict(PAIRS)).toEqual(expected);
  }
});

test('calls at once find one load', async () => {
  await using model = await Reranker.load(fixture('bert'), { idleUnloadMs: 1 });
  const expected = await model.predict(PAIRS);
  await untilUnloaded(model);
  const calls = Array.from({ length: 20 }, () => model.predict(PAIRS));
  for (const scores of await Promise.all(calls)) expect(scores).toEqual(expected);
});

test('a model stays for the reranker that wants it longest', async () => {
  await using brief = await Reranker.load(fixture('bert'), { idleUnloadMs: 1 });
  await using lasting = await Reranker.load(fixture('bert'));
  await using other = await Reranker.load(fixture('roberta'), { idleUnloadMs: 1 });
  await untilUnloaded(other); // which came last
  expect(brief.info().loaded).toBe(true);
  await lasting.dispose();
  await untilUnloaded(brief);
});

test('a model whose files are gone tells so, and runs again when they are back', async () => {
  const folder = copyOf('bert');
  await using model = await Reranker.load(folder, { idleUnloadMs: 1 });
  const expected = await model.predict(PAIRS);
  await untilUnloaded(model);
  renameSync(folder, `${folder}-away`);
  const calls = await Promise.allSettled([model.predict(PAIRS), model.predict(PAIRS)]);
  for (const call of calls) {
    expect(call).toMatchObject({ status: 'rejected', reason: { code: 'ERR_MODEL_NOT_FOUND' } });
  }
  expect(model.info().loaded).toBe(false);
  renameSync(`${folder}-away`, folder);
  expect(await model.predict(PAIRS)).toEqual(expected);
});

test('a model whose files have changed is not taken for the one that was loaded', async () => {
  const folder = copyOf('bert');
  await using model = await Reranker.load(folder, { idleUnloadMs: 1 });
  await untilUnloaded(model);
  editJson(folder, 'config.json', (config) => {
    config.layer_norm_eps = 0.5;
  });
  await expect(model.predict(PAIRS)).rejects.toMatchObject({
    code: 'ERR_MODEL_INVALID',
    message: expect.stringMatching(
      /have changed since it was loaded; dispose of what was loaded from it and load it again/,
    ),
  });
});

test('dispose while a call waits for the model ends the call', async () => {
  const model = await Reranker.load(undefined, { idleUnloadMs: 1 });
  await untilUnloaded(model);
  const call = expect(model.predict(PAIRS)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await model.dispose();
  await call;
  expect(model.info().loaded).toBe(false);
});

test('unloading gives the memory back', () => {
  const { held, left } = runJson(`
    const resident = () => process.memoryUsage.rss() / 2 ** 20;
    async function main() {
      await (await Reranker.load(${JSON.stringify(fixture('bert'))})).dispose(); // what any model needs
      const before = resident();
      const model = await Reranker.load(undefined, { precision: 'fp32', idleUnloadMs: 200 });
      await model.warmUp();
      const held = resident() - before;
      let left = held;
      for (let i = 0; i < 5000 && (model.info().loaded || left > held / 2); i++) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        left = resident() - before;
      }
      console.log(JSON.stringify({ held, left }));
      await model.dispose();
    }
    main();`) as { held: number; left: number };
  expect(held).toBeGreaterThan(80); // MB of fp32 matrices alone
  expect(left).toBeLessThan(held / 2);
});

test.each([Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, '1'])(
  'idleUnloadMs: %p is refused',
  async (value) => {
    await expect(Reranker.load(fixture('bert'), { idleUnloadMs: value as number })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(
        /^Expected an integer from 0 to 31536000000 for idleUnloadMs but received /,
      ),
    });
  },
);
