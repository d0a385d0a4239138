import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MemoryStore } from '../lib/search/memory-store';
import type { EmbeddedDocument } from '../lib/search/types';
import { runChild } from './support/child';
import { ROOT } from './support/models';
import { describeStoreContract } from './support/store-contract';

describeStoreContract('MemoryStore', (space) => MemoryStore.open({ space }));

const SPACE = { model: 'test', dimension: 32 };

/** Normal enough, and the same every time. */
function vector(seed: number, dimension = SPACE.dimension): Float32Array {
  let state = Math.imul(seed + 1, 2654435761) >>> 0;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return Float32Array.from({ length: dimension }, () => random() + random() + random() - 1.5);
}

const documents = (count: number, from = 0): EmbeddedDocument[] =>
  Array.from({ length: count }, (_, i) => ({
    id: `${from + i}`,
    text: `text ${from + i}`,
    metadata: { parity: (from + i) % 2, number: from + i },
    vector: vector(from + i),
  }));

function cosine(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / Math.sqrt(aa * bb);
}

test('the best of thousands are those of a scan in double precision, filtered or not', async () => {
  await using store = await MemoryStore.open({ space: SPACE });
  const all = documents(6000);
  await store.add(all);
  for (const number of [7001, 7002, 7003]) {
    const query = vector(number);
    const ranked = all
      .map(({ id, metadata, vector: row }) => ({ id, metadata, score: cosine(row, query) }))
      .sort((a, b) => b.score - a.score);
    for (const [filter, expected] of [
      [undefined, ranked],
      [{ parity: 1 }, ranked.filter(({ metadata }) => metadata?.parity === 1)],
      [{ number: { $lt: 50 } }, ranked.filter(({ metadata }) => (metadata?.number as number) < 50)],
    ] as const) {
      const hits = await store.query(query, { topK: 20, ...(filter && { filter }) });
      expect(hits.map(({ document }) => document.id)).toEqual(expected.slice(0, 20).map(({ id }) => id));
      hits.forEach(({ score }, i) => expect(score).toBeCloseTo(expected[i]?.score as number, 6));
    }
  }
});

test('of equal scores, the lowest ids are kept', async () => {
  await using store = await MemoryStore.open({ space: SPACE });
  const same = Array.from({ length: 3000 }, (_, i) => ({
    id: `same ${2999 - i}`,
    text: '',
    vector: vector(1),
  }));
  await store.add([...same, ...documents(100)]);
  const expected = same.map(({ id }) => id).sort();
  const hits = await store.query(vector(1), { topK: 11 });
  expect(hits.map(({ document }) => document.id)).toEqual(['1', ...expected.slice(0, 10)]);
});

test('a vector of zeros is similar to nothing, by zero', async () => {
  await using store = await MemoryStore.open({ space: SPACE });
  await store.add([...documents(3), { id: 'zero', text: '', vector: new Float32Array(32) }]);
  const hits = await store.query(vector(0), { topK: 4 });
  expect(hits.find(({ document }) => document.id === 'zero')?.score).toBe(0);
  for (const { score } of await store.query(new Float32Array(32), { topK: 4 })) expect(score).toBe(0);
});

test('queries see whole documents while others are added, replaced and removed', async () => {
  await using store = await MemoryStore.open({ space: SPACE });
  const query = vector(3); // that of document 3, too
  await store.add([{ id: 'there', text: 'old', vector: query, metadata: { wanted: 0 } }, ...documents(2000)]);
  for (let round = 1; round <= 10; round++) {
    const passing = documents(1200, 2000 * round);
    const there = { id: 'there', text: `round ${round}`, vector: query, metadata: { wanted: round } };
    let isOver = false;
    const changes = store
      .add([...passing, there])
      .then(() => store.remove(passing.map(({ id }) => id)))
      .finally(() => {
        isOver = true;
      });
    while (!isOver) {
      const [plain, filtered] = await Promise.all([
        store.query(query, { topK: 2 }),
        store.query(query, { topK: 2, filter: { wanted: { $gte: 0 } } }),
      ]);
      expect(plain.map(({ document }) => document.id)).toEqual(['3', 'there']);
      expect(filtered.map(({ document }) => document.id)).toEqual(['there']);
    }
    expect(await changes).toBe(1200);
  }
  expect(await store.count()).toBe(2001);
});

test('documents changed by their owner while they are added do no harm', async () => {
  await using store = await MemoryStore.open({ space: SPACE });
  const batch = documents(5000);
  const adding = store.add(batch);
  await nextTurn();
  (batch[4999] as EmbeddedDocument).vector.fill(Number.NaN);
  await expect(adding).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: 'Expected a finite number for documents[4999].vector[0] but received NaN of type number',
  });
  expect(await store.count()).toBe(0);
  const found = await store.query(vector(0), { topK: 1 });
  expect(found).toEqual([]);
});

test('what a caller does to an answer stays with the caller', async () => {
  await using store = await MemoryStore.open({ space: SPACE });
  const metadata = { lang: 'en' };
  await store.add([{ id: 'a', text: 'x', metadata, vector: vector(0) }]);
  metadata.lang = 'zh';
  const [document] = await store.get(['a']);
  (document?.metadata as { lang: string }).lang = 'fr';
  expect(await store.get(['a'])).toEqual([{ id: 'a', text: 'x', metadata: { lang: 'en' } }]);
});

test('an id that has no UTF-8 is refused', async () => {
  await using store = await MemoryStore.open({ space: SPACE });
  const call = store.add([{ id: 'half \ud83d', text: 'half \ud83d', vector: vector(0) }]);
  await expect(call).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  await store.add([{ id: 'whole', text: 'half \ud83d', vector: vector(0) }]);
  expect(await store.get(['whole'])).toEqual([{ id: 'whole', text: 'half \ufffd' }]);
});

test('documents() goes on over changes: what is removed is left out, what is replaced is told once', async () => {
  await using store = await MemoryStore.open({ space: SPACE });
  await store.add(documents(10));
  const told: string[] = [];
  for await (const { id, text } of store.documents()) {
    told.push(`${id}: ${text}`);
    if (told.length > 1) continue;
    await store.remove(['5']);
    await store.add([{ id: '6', text: 'new', vector: vector(0) }, ...documents(3, 20)]);
    await store.compact();
  }
  const expected = documents(10).flatMap(({ id, text }) =>
    id === '5' ? [] : [`${id}: ${id === '6' ? 'new' : text}`],
  );
  expect(told.sort()).toEqual(expected.sort());
});

test('compaction, asked for or by itself, changes no answer', async () => {
  await using store = await MemoryStore.open({ space: SPACE });
  await store.add(documents(6000));
  const answer = () => store.query(vector(9001), { topK: 30, filter: { parity: 1 } });
  await store.remove(documents(1000).map(({ id }) => id));
  const before = await answer();
  await store.compact();
  expect(await answer()).toEqual(before);
  await store.add(documents(3000, 3000)); // again: more than half of the rows are gone then
  await store.add(documents(3000, 3000));
  expect(await answer()).toEqual(before);
  expect(await store.count()).toBe(5000);
});

test('misspelt and impossible options are refused by name', async () => {
  const open = (options: object) => MemoryStore.open(options as Parameters<typeof MemoryStore.open>[0]);
  for (const [options, message] of [
    [{ space: SPACE, file: 'x' }, /Unknown option "file"/],
    [{}, /space/],
    [{ space: { model: 'm' } }, /space\.dimension/],
    [{ space: { model: 'm', dimension: 0 } }, /space\.dimension/],
    [{ space: { model: '', dimension: 3 } }, /space\.model/],
    [{ space: { ...SPACE, dimensions: 3 } }, /"dimensions"/],
    [{ space: SPACE, path: '' }, /path/],
    [{ space: SPACE, sync: 'yes' }, /sync/],
    [{ space: SPACE, threads: 0 }, /threads/],
  ] as const) {
    await expect(open(options)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    });
  }
});

const CHILD = `
const { MemoryStore } = require(${JSON.stringify(join(ROOT, 'dist/lib/search/memory-store.js'))});
const { Worker, parentPort } = require('node:worker_threads');
const space = { model: 'm', dimension: 64 };
async function fill() {
  const store = await MemoryStore.open({ space });
  await store.add(Array.from({ length: 8000 }, (_, i) => (
    { id: String(i), text: '', vector: Float32Array.from({ length: 64 }, (_, j) => ((i + 7) * (j + 3) * 7919) % 100003 - 50000) }
  )));
  return store;
}
const query = Float32Array.from({ length: 64 }, (_, j) => ((77 + 7) * (j + 3) * 7919) % 100003 - 50000);
let answered = 0;
function ask(store, queries) {
  for (let i = 0; i < queries; i++) store.query(query, { topK: 1000 }).then(() => answered++, () => {});
}
`;

test.each([
  ['process.exit()', 'process.exit(7);', 7],
  ['reallyExit', 'process.reallyExit(7);', 7],
  ['an uncaught exception', 'throw new Error("on purpose");', 1],
])('%s in the middle of queries ends the process as it should', (_name, end, status) => {
  const script = `(async () => {
    ask(await fill(), 5000);
    setTimeout(() => {
      if (answered === 5000) process.exit(0);
      ${end}
    }, 15);
  })();`;
  expect(runChild(CHILD + script)).toMatchObject({ status, signal: null });
});

test('a worker that is terminated in the middle of queries takes nothing else with it', () => {
  const worker = `${CHILD} (async () => { ask(await fill(), 5000); parentPort.postMessage('asked'); })();`;
  const script = `(async () => {
    const store = await fill();
    const worker = new Worker(${JSON.stringify(worker)}, { eval: true });
    await new Promise((resolve) => worker.once('message', resolve));
    const found = store.query(query, { topK: 1 });
    await worker.terminate();
    const again = await store.query(query, { topK: 1 });
    console.log((await found)[0].document.id, again[0].document.id);
  })();`;
  const { status, signal, stdout, stderr } = runChild(CHILD + script);
  expect({ status, signal, stdout, stderr }).toEqual({
    status: 0,
    signal: null,
    stdout: '77 77\n',
    stderr: '',
  });
});
