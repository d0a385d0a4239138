import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { crc32, tableCrc32 } from '../lib/search/crc32';
import { MemoryStore } from '../lib/search/memory-store';
import type { EmbeddedDocument, StoredDocument } from '../lib/search/types';
import { ROOT } from './support/models';
import { BATCH_DOCUMENTS, batchIds, batchOf, CHILD_SPACE } from './support/store-batches';
import { describeStoreContract } from './support/store-contract';

const folder = mkdtempSync(join(tmpdir(), 'crossrank-store-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => jest.restoreAllMocks());

let files = 0;
const newPath = () => join(folder, `${++files}.store`);

let contractPath = '';
describeStoreContract(
  'MemoryStore with a file',
  (space) => {
    contractPath = newPath();
    return MemoryStore.open({ space, path: contractPath });
  },
  { openAgain: (space) => MemoryStore.open({ space, path: contractPath }) },
);

const SPACE = { model: 'test', dimension: 3 };

const openStore = (path: string) => MemoryStore.open({ space: SPACE, path });

const document = (id: string, text = `text of ${id}`): EmbeddedDocument => ({
  id,
  text,
  vector: Float32Array.of(id.length, id.charCodeAt(0), id.charCodeAt(id.length - 1)),
});

async function contentOf(store: MemoryStore): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for await (const { id, text } of store.documents()) content[id] = text;
  return content;
}

const refusal = (promise: Promise<unknown>): Promise<{ code: string; message: string }> =>
  promise.then(
    () => ({ code: 'none', message: 'it was opened' }),
    (error) => error,
  );

/** A small file of several calls, and what the store held after each, with the size of the file then. */
async function smallFile(): Promise<{
  path: string;
  states: { size: number; content: Record<string, string> }[];
}> {
  const path = newPath();
  const store = await openStore(path);
  const states: { size: number; content: Record<string, string> }[] = [];
  const note = async () => states.push({ size: statSync(path).size, content: await contentOf(store) });
  await note();
  await store.add([document('a'), document('b', '')]);
  await note();
  await store.add([{ ...document('c', '文本 🎉'), metadata: { lang: 'zh', year: 2024 } }]);
  await note();
  await store.remove(['a']);
  await note();
  await store.add([document('b', 'new'), document('d')]);
  await note();
  await store.close();
  return { path, states };
}

test('a file cut off at any byte opens with the calls that are whole, and goes on', async () => {
  const { path, states } = await smallFile();
  const bytes = readFileSync(path);
  const cut = newPath();
  const headerBytes = states[0]?.size as number;
  for (let size = 0; size <= bytes.length; size++) {
    writeFileSync(cut, bytes.subarray(0, size));
    if (size < headerBytes) {
      const { code, message } = await refusal(openStore(cut));
      expect([code, size]).toEqual(['ERR_INDEX_INVALID', size]);
      expect(message).toContain(cut);
      expect(statSync(cut).size).toBe(size);
      continue;
    }
    const store = await openStore(cut);
    const { content, size: whole } = states
      .filter((state) => state.size <= size)
      .at(-1) as (typeof states)[0];
    expect(await contentOf(store)).toEqual(content);
    expect(statSync(cut).size).toBe(whole);
    await store.close();
  }
  writeFileSync(cut, bytes.subarray(0, bytes.length - 1));
  const store = await openStore(cut);
  await store.add([document('after')]);
  await store.close();
  const again = await openStore(cut);
  expect(await contentOf(again)).toEqual({ ...states.at(-2)?.content, after: 'text of after' });
  await again.close();
});

test('any byte that changes is noticed, named, and left as it is', async () => {
  const { path, states } = await smallFile();
  const bytes = readFileSync(path);
  const damaged = newPath();
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ (1 << (at % 8));
    writeFileSync(damaged, changed);
    const { code, message } = await refusal(openStore(damaged));
    expect([code, at]).toEqual(['ERR_INDEX_INVALID', at]);
    expect(message).toMatch(/byte \d+/);
    expect(readFileSync(damaged)).toEqual(changed);
    const before = states.filter(({ size }) => size <= at).at(-1);
    if (before) expect(message).toContain(`up to byte ${before.size} is whole`);
  }
});

test('an end that a power failure left as zeros is cut off', async () => {
  const { path, states } = await smallFile();
  const bytes = readFileSync(path);
  const { size, content } = states.at(-2) as (typeof states)[0];
  const torn = newPath();
  const big = Buffer.alloc(bytes.length + 10_000); // the size came to the disk, the data did not
  bytes.copy(big);
  writeFileSync(torn, big);
  let store = await openStore(torn);
  expect(await contentOf(store)).toEqual(states.at(-1)?.content);
  expect(statSync(torn).size).toBe(bytes.length);
  await store.close();
  const headerOnly = Buffer.from(bytes).fill(0, size + 20); // the last segment's header did
  writeFileSync(torn, headerOnly);
  store = await openStore(torn);
  expect(await contentOf(store)).toEqual(content);
  await store.close();
});

test('a file of something else is never written', async () => {
  for (const content of ['', '{"a": 1}', 'CRVSTOR', 'SQLite format 3\0'.repeat(100)]) {
    const path = newPath();
    writeFileSync(path, content);
    const { code, message } = await refusal(openStore(path));
    expect(code).toBe('ERR_INDEX_INVALID');
    expect(message).toContain('no store of crossrank');
    expect(readFileSync(path, 'utf8')).toBe(content);
    expect(existsSync(`${path}.lock`)).toBe(false);
  }
});

test('a file of a newer format is told from a damaged one', async () => {
  const path = newPath();
  await (await openStore(path)).close();
  const bytes = readFileSync(path);
  bytes.writeUInt32LE(2, 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
  writeFileSync(path, bytes);
  expect(await refusal(openStore(path))).toMatchObject({
    code: 'ERR_INDEX_INVALID',
    message: expect.stringContaining('update crossrank'),
  });
});

test('vectors that are no rows of a store are damage, whatever their checksum says', async () => {
  const path = newPath();
  const store = await openStore(path);
  const headerBytes = statSync(path).size;
  await store.add([document('a')]);
  await store.close();
  for (const value of [Number.NaN, 7]) {
    const bytes = readFileSync(path);
    bytes.writeFloatLE(value, headerBytes + 20);
    bytes.writeUInt32LE(crc32(bytes.subarray(headerBytes + 20)), headerBytes + 12);
    bytes.writeUInt32LE(crc32(bytes.subarray(headerBytes, headerBytes + 16)), headerBytes + 16);
    const changed = newPath();
    writeFileSync(changed, bytes);
    const { code, message } = await refusal(openStore(changed));
    expect(code).toBe('ERR_INDEX_INVALID');
    expect(message).toContain(`byte ${headerBytes};`);
  }
});

test('a path that cannot be opened says why', async () => {
  for (const path of [join(folder, 'missing', 'x.store'), folder]) {
    const { code, message } = await refusal(openStore(path));
    expect(code).toBe('ERR_STORE');
    expect(message).toContain(path);
  }
});

test('a store is open once, in one process and thread, and again when that is over', async () => {
  const path = newPath();
  const store = await openStore(path);
  const inUse = { code: 'ERR_STORE', message: expect.stringContaining('is open already') };
  expect(await refusal(openStore(path))).toMatchObject(inUse);
  const module = JSON.stringify(join(ROOT, 'dist/lib/search/memory-store.js'));
  const code = `const { MemoryStore } = require(${module});
    const { parentPort, workerData } = require('node:worker_threads');
    MemoryStore.open(workerData).then(() => parentPort.postMessage({ code: 'opened' }),
      ({ code, message }) => parentPort.postMessage({ code, message }));`;
  const fromWorker = async () => {
    const worker = new Worker(code, { eval: true, workerData: { space: SPACE, path } });
    const answer = await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
    return answer;
  };
  expect(await fromWorker()).toMatchObject(inUse);
  await store.close();
  expect(await fromWorker()).toEqual({ code: 'opened' });
  await (await openStore(path)).close();
  expect(existsSync(`${path}.lock`)).toBe(false);
});

/** Kills a child that adds batches once it has told some of them. */
function killWhileAdding(path: string, first: number, lines: number, delayUs: number): Promise<string[]> {
  const script = join(__dirname, 'support', 'store-child.js');
  const child = spawn(process.execPath, [script, path, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let stdout = '';
  child.stdout.on('data', (data) => {
    stdout += data;
    if (stdout.split('\n').length <= lines) return;
    const until = performance.now() + delayUs / 1000;
    while (performance.now() < until); // within a batch: timers are too coarse
    child.kill('SIGKILL');
  });
  return new Promise((resolve) => {
    child.once('close', () => resolve(stdout.split('\n').slice(0, -1)));
  });
}

/** Starts, kills and reopens again and again on one file. */
async function surviveKills(rounds: number, seed: number): Promise<void> {
  const path = newPath();
  const told = new Set<string>();
  let first = 0;
  for (let round = 0; round < rounds; round++) {
    const lines = await killWhileAdding(path, first, 2 + (round % 3), ((round + seed) * 397) % 3000);
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) told.add(line);
    const last = Math.max(...lines.map((line) => Number(line.split(' ')[1])));
    await using store = await MemoryStore.open({ space: CHILD_SPACE, path });
    for (let batch = first; batch <= last + 1; batch++) {
      const count = await store.count({ batch });
      expect({ batch, isPossible: possibleCounts(batch, told).includes(count) }).toEqual({
        batch,
        isPossible: true,
      });
      if (count === 0) continue;
      const expected = batchOf(batch)[0] as EmbeddedDocument;
      const [hit] = await store.query(expected.vector, { topK: 1, filter: { batch } });
      expect(hit?.document.text).toBe(expected.text);
      expect(hit?.score).toBeCloseTo(1, 6);
    }
    first = 3 * Math.ceil((last + 2) / 3);
  }
}

/** One call more than was told may have come to its end. */
function possibleCounts(batch: number, told: Set<string>): number[] {
  if (told.has(`removed ${batch}`)) return [0];
  const isBeingRemoved = batch % 3 === 1 && told.has(`added ${batch + 1}`);
  return told.has(`added ${batch}`) && !isBeingRemoved ? [BATCH_DOCUMENTS] : [0, BATCH_DOCUMENTS];
}

test('a process killed while it saves loses nothing that it was told is saved, and leaves nothing half', async () => {
  await Promise.all([surviveKills(10, 0), surviveKills(10, 5)]);
});

/** Makes calls of a kind on files fail from now on. */
async function failing(method: 'write' | 'datasync' | 'sync', code: string): Promise<jest.SpyInstance> {
  const handle = await open(join(folder, 'probe'), 'w');
  const prototype = Object.getPrototypeOf(handle) as Record<typeof method, () => Promise<never>>;
  await handle.close();
  return jest.spyOn(prototype, method).mockImplementation(() => {
    return Promise.reject(Object.assign(new Error(`${code}: on purpose`), { code }));
  });
}

test.each([
  ['write', 'ENOSPC'],
  ['datasync', 'EIO'],
] as const)(
  'when %s fails, the store goes on from memory, and a later save writes it all',
  async (method, code) => {
    const path = newPath();
    const store = await openStore(path);
    await store.add([document('a')]);
    const spy = await failing(method, code);
    for (const call of [
      store.add([document('b')]),
      store.remove(['a']),
      store.add([document('c')]),
      store.save(),
      store.close(),
    ]) {
      expect(await refusal(call)).toMatchObject({
        code: 'ERR_STORE',
        message: expect.stringContaining(code),
      });
    }
    const content = { b: 'text of b', c: 'text of c' };
    expect(await contentOf(store)).toEqual(content);
    expect(await store.query(document('b').vector, { topK: 5 })).toHaveLength(2);
    const asItWas = newPath(); // what a crash would leave here
    copyFileSync(path, asItWas);
    spy.mockRestore();
    await store.save();
    const saved = newPath();
    copyFileSync(path, saved);
    await store.close();
    for (const [file, expected] of [
      [saved, content],
      [path, content],
      ...(method === 'write' ? [[asItWas, { a: 'text of a' }] as const] : []),
    ] as const) {
      await using again = await openStore(file);
      expect(await contentOf(again)).toEqual(expected);
    }
  },
);

test('a compaction makes the file smaller, and one that fails leaves the old file', async () => {
  const path = newPath();
  const store = await openStore(path);
  await store.add(Array.from({ length: 200 }, (_, i) => document(`${i}`)));
  await store.add(Array.from({ length: 200 }, (_, i) => document(`${i}`, 'new')));
  await store.remove(Array.from({ length: 150 }, (_, i) => `${i}`));
  const content = await contentOf(store);
  const before = readFileSync(path);
  const spy = await failing('sync', 'ENOSPC');
  expect(await refusal(store.compact())).toMatchObject({ code: 'ERR_STORE' });
  expect(readFileSync(path)).toEqual(before);
  expect(existsSync(`${path}.new`)).toBe(false);
  spy.mockRestore();
  await store.compact();
  expect(statSync(path).size).toBeLessThan(before.length / 4);
  await store.add([document('after')]);
  await store.close();
  await using again = await openStore(path);
  expect(await contentOf(again)).toEqual({ ...content, after: 'text of after' });
});

test('a file is compacted by itself when most of it is garbage', async () => {
  const path = newPath();
  const store = await MemoryStore.open({ space: SPACE, path, sync: false });
  for (let time = 0; time < 12; time++) {
    await store.add(Array.from({ length: 1000 }, (_, i) => document(`${i}`, `time ${time}`)));
  }
  const { size } = statSync(path);
  await store.close();
  await using again = await openStore(path);
  expect(await again.count()).toBe(1000);
  expect((await again.get(['999']))[0]?.text).toBe('time 11');
  await again.compact();
  expect(size).toBeLessThan(8 * statSync(path).size);
});

test('a call with many documents is one, however many segments it takes', async () => {
  const path = newPath();
  const store = await openStore(path);
  const headerBytes = statSync(path).size;
  const large = Array.from({ length: 50 }, (_, i) => document(`${i}`, 'long '.repeat(20_000)));
  await store.add(large);
  await store.close();
  const bytes = readFileSync(path);
  expect(bytes.length).toBeGreaterThan(4e6);
  writeFileSync(path, bytes.subarray(0, bytes.length - 10));
  await using again = await openStore(path);
  expect(await again.count()).toBe(0);
  expect(statSync(path).size).toBe(headerBytes);
});

test('both ways to compute a CRC-32 agree with its check value', () => {
  for (const crc of [crc32, tableCrc32]) {
    expect(crc(Buffer.from('123456789'))).toBe(0xcbf43926);
    expect(crc(Buffer.from('6789'), crc(Buffer.from('12345')))).toBe(0xcbf43926);
    expect(crc(Buffer.alloc(0))).toBe(0);
  }
});

test('a reopened store gives the same documents and scores, to the bit', async () => {
  const path = newPath();
  const batch = batchOf(4);
  const store = await MemoryStore.open({ space: CHILD_SPACE, path });
  await store.add(batch);
  const ask = (of: MemoryStore) => of.query(batchOf(5)[7]?.vector as Float32Array, { topK: 40 });
  const before = await ask(store);
  await store.close();
  await using again = await MemoryStore.open({ space: CHILD_SPACE, path });
  expect(await ask(again)).toEqual(before);
  const documents: (StoredDocument | undefined)[] = await again.get(batchIds(4));
  expect(documents).toEqual(batch.map(({ id, text, metadata }) => ({ id, text, metadata })));
});
