import { spawnSync } from 'node:child_process';
import { Reranker } from '../lib';
import { runJson } from './support/child';
import { ENDINGS, EXIT_CODE, endDuring, STEPS, twoAtATime } from './support/exits';
import { DEFAULT_MODEL, fixture } from './support/models';

describe('dispose', () => {
  test('ends later calls with ERR_CLOSED, twice is once', async () => {
    const model = await Reranker.load(fixture('bert'));
    const first = model.dispose();
    expect(model.dispose()).toBe(first);
    await first;
    await expect(model.rerank('q', ['d'])).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await expect(model.predict([['q', 'd']])).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect(model.info().modelType).toBe('bert');
  });

  test('ends calls that are not answered yet, each once', async () => {
    const model = await Reranker.load(undefined, { cache: false, maxQueuedTokens: 1e9 });
    const documents = Array.from({ length: 300 }, (_, i) => `document ${i} ${'about planets '.repeat(20)}`);
    const calls = Array.from({ length: 5 }, () => model.rerank('planet', documents));
    const settled = Promise.allSettled(calls);
    await model.rerank('planet', ['one']).catch(() => undefined);
    await model.dispose();
    for (const call of await settled) {
      if (call.status === 'rejected') expect(call.reason).toMatchObject({ code: 'ERR_CLOSED' });
    }
    expect((await settled).some((call) => call.status === 'rejected')).toBe(true);
  });

  test('await using disposes', async () => {
    let kept: Reranker;
    {
      await using model = await Reranker.load(fixture('bert'));
      kept = model;
    }
    await expect(kept.rerank('q', ['d'])).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  test('a model loads again after it was disposed, and two at once do not disturb each other', async () => {
    await using other = await Reranker.load(fixture('bert'));
    const expected = await other.predict([['q', 'd']]);
    for (let i = 0; i < 5; i++) {
      await using model = await Reranker.load(fixture('bert'));
      expect(await model.predict([['q', 'd']])).toEqual(expected);
    }
    expect(await other.predict([['q', 'd']])).toEqual(expected);
  });
});

describe('the process ends cleanly, its exit code unchanged', () => {
  jest.setTimeout(60_000);

  // Fractions of the step's own time, which is measured first: a race has to be met, wherever it is.
  const POINTS = [0, 0.2, 0.6];

  describe.each(STEPS)('during %s', (step) => {
    let stepMs: number;

    beforeAll(async () => {
      const whole = await endDuring(step, 'return', 0, DEFAULT_MODEL);
      stepMs = whole.stepMs ?? Number.NaN;
      expect(whole).toMatchObject({ status: EXIT_CODE, signal: null, stderr: '' });
    });

    test.each(ENDINGS.filter((ending) => ending !== 'return'))('by %s', async (ending) => {
      const exits = await twoAtATime(
        POINTS.map((point) => () => endDuring(step, ending, point * stepMs, DEFAULT_MODEL)),
      );
      for (const { status, signal, stderr } of exits) {
        const thrown = ending === 'throw';
        expect({ status, signal }).toEqual({ status: thrown ? 1 : EXIT_CODE, signal: null });
        // Node's own report of the exception, and nothing from native code.
        const lines = stderr
          .split('\n')
          .filter((line) => !/^ +at |exit-child|^Node.js |^ *[\^]?$/.test(line));
        expect(lines).toEqual(
          thrown ? [expect.stringContaining('throw new Error'), 'Error: on purpose'] : [],
        );
      }
    });
  });

  // Where exit() once met static memory of ONNX Runtime that was being made, at 20 to 45 ms.
  test('by exit() of native code while ONNX Runtime is opened', async () => {
    const moments = Array.from({ length: 14 }, (_, i) => i * 5);
    const exits = await twoAtATime(
      moments.map((afterMs) => () => endDuring('load', 'reallyExit', afterMs, DEFAULT_MODEL)),
    );
    for (const exit of exits) expect(exit).toMatchObject({ status: EXIT_CODE, signal: null, stderr: '' });
  });

  test('when workers alone have loaded the addon, and while they run', () => {
    const source = `
      const { Reranker } = require(${JSON.stringify(require.resolve('../lib'))});
      const documents = Array.from({ length: 100 }, (_, i) => 'document ' + i + ' about planets'.repeat(20));
      Reranker.load(${JSON.stringify(DEFAULT_MODEL)}, { cache: false, maxQueuedTokens: 1e9 }).then(async (model) => {
        require('node:worker_threads').parentPort.postMessage('loaded');
        for (;;) await model.rerank('planet', documents);
      });`;
    const { status, signal } = spawnSync(process.execPath, [
      '-e',
      `const { Worker } = require('node:worker_threads');
      const start = () => new Promise((resolve) => {
        const worker = new Worker(${JSON.stringify(source)}, { eval: true });
        worker.once('message', () => resolve(worker));
      });
      (async () => {
        for (let round = 0; round < 3; round++) await (await start()).terminate();
        await start();
        process.exit(7);
      })();`,
    ]);
    expect({ status, signal }).toEqual({ status: 7, signal: null });
  });

  test('workers load, rank and are terminated in the middle of a run', () => {
    const result = runJson(`
      const { Worker } = require('node:worker_threads');
      const library = ${JSON.stringify(require.resolve('../lib'))};
      const source = \`
        const { Reranker } = require(\${JSON.stringify(library)});
        const { parentPort } = require('node:worker_threads');
        const documents = Array.from({ length: 200 }, (_, i) => 'document ' + i + ' about planets'.repeat(20));
        Reranker.load(${JSON.stringify(DEFAULT_MODEL)}, { cache: false, maxQueuedTokens: 1e9 }).then(async (model) => {
          parentPort.postMessage('loaded');
          for (;;) await model.rerank('planet', documents);
        });\`;
      (async () => {
        const main = await Reranker.load(${JSON.stringify(fixture('bert'))});
        let terminated = 0;
        for (let round = 0; round < 4; round++) {
          const workers = [new Worker(source, { eval: true }), new Worker(source, { eval: true })];
          await Promise.all(workers.map((worker) => new Promise((resolve, reject) => {
            worker.once('message', () => setTimeout(resolve, round * 15));
            worker.once('error', reject);
          })));
          await Promise.all(workers.map(async (worker) => { await worker.terminate(); terminated++; }));
        }
        // One that is terminated while it loads.
        const early = new Worker(source, { eval: true });
        await new Promise((resolve) => setTimeout(resolve, 60));
        await early.terminate();
        const { results } = await main.rerank('planet', ['one', 'two']);
        await main.dispose();
        console.log(JSON.stringify({ terminated, ranked: results.length }));
      })();`);
    expect(result).toEqual({ terminated: 8, ranked: 2 });
  });

  test('rerankers that are dropped are collected, their threads too', () => {
    const result = runJson(`
      const { readdirSync } = require('node:fs');
      require('node:v8').setFlagsFromString('--expose-gc');
      const gc = require('node:vm').runInNewContext('gc');
      const threads = () => (process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0);
      (async () => {
        await (await Reranker.load(${JSON.stringify(fixture('bert'))})).predict([['q', 'd']]);
        const before = threads();
        for (let i = 0; i < 20; i++) await (await Reranker.load(${JSON.stringify(fixture('bert'))}, { threads: 4 })).predict([['q', 'd']]);
        for (let i = 0; i < 50 && threads() > before; i++) {
          gc();
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        console.log(JSON.stringify(threads() <= before));
      })();`);
    expect(result).toBe(true);
  });
});

test('the event loop turns while documents are tokenized and scored', async () => {
  await using model = await Reranker.load();
  const documents = Array.from({ length: 60 }, (_, i) => `document ${i} ${'about planets '.repeat(30)}`);
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await model.rerank('planet', documents);
  clearInterval(timer);
  // Without engine threads there would be none at all.
  expect(turns).toBeGreaterThan(10);
});
