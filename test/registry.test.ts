import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { Reranker } from '../lib';
import { runJson } from './support/child';
import { copyOf, fixture } from './support/models';

const PAIRS: [string, string][] = [['planet', 'mars is red']];
const DOCUMENTS = Array.from({ length: 60 }, (_, i) => `document ${i} ${'about planets '.repeat(20)}`);

/** What children of these tests measure with: resident MB, and threads where the system tells. */
const MEASURES = `
  const { readdirSync } = require('node:fs');
  const resident = () => process.memoryUsage.rss() / 2 ** 20;
  const threads = () => (process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0);`;

test('four workers on one model hold one copy of it, and the last to leave frees it', () => {
  const { one, more, left, lanes } = runJson(`${MEASURES}
    const { Worker } = require('node:worker_threads');
    const source = \`
      const { Reranker } = require(${JSON.stringify(join(__dirname, '../lib'))});
      const { parentPort } = require('node:worker_threads');
      let model;
      const steps = {
        first: async () => (await Reranker.load(${JSON.stringify(fixture('bert'))})).dispose(), // what any model needs
        load: async () => { model = await Reranker.load(undefined, { precision: 'fp32', threads: 2 }); },
        score: () => model.predict([['why is the sky blue?', 'light scatters in air']]),
        dispose: () => model.dispose(),
      };
      parentPort.on('message', (step) => steps[step]().then((result) => parentPort.postMessage(result)));\`;
    async function main() {
      const workers = Array.from({ length: 4 }, () => new Worker(source, { eval: true }));
      const ask = (worker, step) => new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
        worker.postMessage(step);
      });
      const all = (step) => Promise.all(workers.map((worker) => ask(worker, step)));
      await all('first');
      const [before, threadsBefore] = [resident(), threads()];
      await ask(workers[0], 'load');
      await ask(workers[0], 'score');
      const one = resident() - before;
      const lanes = [threads() - threadsBefore];
      await Promise.all(workers.slice(1).map((worker) => ask(worker, 'load')));
      const scores = await all('score');
      if (new Set(scores.map(([score]) => score)).size !== 1) throw new Error('scores differ');
      lanes.push(threads() - threadsBefore);
      const more = resident() - before - one;
      await all('dispose');
      console.log(JSON.stringify({ one, more, left: resident() - before, lanes }));
      for (const worker of workers) await worker.terminate();
    }
    main();`) as { one: number; more: number; left: number; lanes: [number, number] };
  expect(one).toBeGreaterThan(100); // MB
  expect(more).toBeLessThan(0.15 * one);
  expect(left).toBeLessThan(0.5 * one);
  expect(lanes[1]).toBe(lanes[0]);
});

test('rerankers of one model with other lanes have engines of their own, and share what they run on', () => {
  const { one, more, lanes } = runJson(`${MEASURES}
    async function main() {
      await (await Reranker.load(${JSON.stringify(fixture('bert'))})).dispose();
      const before = resident();
      const first = await Reranker.load(undefined, { precision: 'fp32', threads: 1 });
      const [expected] = await first.predict(${JSON.stringify(PAIRS)});
      const one = resident() - before;
      const threadsBefore = threads();
      const second = await Reranker.load(undefined, { precision: 'fp32', threads: 3 });
      const [actual] = await second.predict(${JSON.stringify(PAIRS)});
      if (actual !== expected) throw new Error('scores differ');
      console.log(JSON.stringify({ one, more: resident() - before - one, lanes: threads() - threadsBefore }));
      await first.dispose();
      await second.dispose();
    }
    main();`) as { one: number; more: number; lanes: number };
  expect(more).toBeLessThan(0.25 * one);
  if (process.platform === 'linux') expect(lanes).toBeGreaterThanOrEqual(3);
});

test('dispose of one reranker ends its calls and leaves those of another on the same model alone', async () => {
  const leaving = await Reranker.load();
  await using staying = await Reranker.load();
  const ended = Promise.allSettled(Array.from({ length: 3 }, () => leaving.rerank('planet', DOCUMENTS)));
  const answered = Array.from({ length: 3 }, () => staying.rerank('planet', DOCUMENTS.slice(0, 9)));
  await leaving.dispose();
  for (const call of await ended) {
    expect(call).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CLOSED' } });
  }
  for (const { results } of await Promise.all(answered)) expect(results).toHaveLength(9);
  expect(staying.info().loaded).toBe(true);
  expect(leaving.info().loaded).toBe(false);
});

test('loads at once find one load, and its error where it fails; the next tries again', async () => {
  const folder = copyOf('bert');
  const config = join(folder, 'config.json');
  renameSync(config, `${config}.away`);
  const failed = await Promise.allSettled(Array.from({ length: 6 }, () => Reranker.load(folder)));
  for (const load of failed) {
    expect(load).toMatchObject({
      status: 'rejected',
      reason: { code: 'ERR_MODEL_NOT_FOUND', message: expect.stringMatching(/has no config.json/) },
    });
  }
  renameSync(`${config}.away`, config);
  const loaded = await Promise.all(Array.from({ length: 6 }, () => Reranker.load(folder)));
  const scores = await Promise.all(loaded.map((model) => model.predict(PAIRS)));
  for (const score of scores) expect(score).toEqual(scores[0]);
  for (const model of loaded) await model.dispose();
});

test('a worker that ends while it loads does not take the load of another with it', () => {
  const results = runJson(`
    const { Worker } = require('node:worker_threads');
    const source = \`
      const { Reranker } = require(${JSON.stringify(join(__dirname, '../lib'))});
      require('node:worker_threads').parentPort.postMessage('loads');
      Reranker.load();\`;
    async function main() {
      const results = [];
      for (const delay of [0, 5, 20, 50]) {
        const worker = new Worker(source, { eval: true });
        await new Promise((resolve) => worker.once('message', resolve));
        const load = Reranker.load();
        await new Promise((resolve) => setTimeout(resolve, delay));
        await worker.terminate();
        const model = await load;
        results.push((await model.predict(${JSON.stringify(PAIRS)})).length);
        await model.dispose();
      }
      console.log(JSON.stringify(results));
    }
    main();`);
  expect(results).toEqual([1, 1, 1, 1]);
});

test('a reranker that is loaded while the last one on its model is disposed runs', async () => {
  let model = await Reranker.load(fixture('bert'));
  const expected = await model.predict(PAIRS);
  for (let round = 0; round < 20; round++) {
    const [next] = await Promise.all([Reranker.load(fixture('bert')), model.dispose()]);
    expect(await next.predict(PAIRS)).toEqual(expected);
    model = next;
  }
  await model.dispose();
});
