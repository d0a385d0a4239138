import { Reranker } from '../lib';
import { runJson } from './support/child';
import { copyOf, editJson, fixture } from './support/models';
import { PRECISIONS } from './support/precisions';

test.each(PRECISIONS)('rerankers of one model in %s hold its weights once', (precision) => {
  const { first, more } = runJson(`
    const resident = () => process.memoryUsage.rss() / 2 ** 20;
    async function main() {
      const load = () => Reranker.load(undefined, { precision: '${precision}', threads: 1 });
      const score = (model) => model.predict([['why is the sky blue?', 'light scatters in air']]);
      await (await Reranker.load(${JSON.stringify(fixture('bert'))})).dispose(); // what any model needs
      const before = resident();
      const models = [await load()];
      const [expected] = await score(models[0]);
      const first = resident() - before;
      for (let i = 0; i < 4; i++) models.push(await load());
      for (const model of models) if ((await score(model))[0] !== expected) throw new Error('other scores');
      console.log(JSON.stringify({ first, more: resident() - before - first }));
    }
    main();`) as { first: number; more: number };
  // One engine for all: nothing but a handle each.
  expect(first).toBeGreaterThan(10); // MB
  expect(more).toBeLessThan(0.3 * first);
});

test('a model whose files have changed is loaded anew', async () => {
  const folder = copyOf('bert');
  await using before = await Reranker.load(folder);
  const { activation } = before.info();
  editJson(folder, 'config.json', (config) => {
    config.layer_norm_eps = 0.5;
  });
  await using after = await Reranker.load(folder);
  expect(after.info().activation).toBe(activation);
  const pair: [string, string][] = [['planet', 'mars is red']];
  expect((await after.predict(pair))[0]).not.toBe((await before.predict(pair))[0]);
});

test('weights outlive the reranker that loaded them, while another uses them', async () => {
  const first = await Reranker.load(fixture('bert'));
  await using second = await Reranker.load(fixture('bert'));
  const pair: [string, string][] = [['planet', 'mars is red']];
  const [expected] = await first.predict(pair);
  await first.dispose();
  expect((await second.predict(pair))[0]).toBe(expected);
});
