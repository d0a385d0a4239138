import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { connect } from '@lancedb/lancedb';
import { LanceStore, type LanceStoreOptions } from '../lib/search/stores/lance-store';
import type { EmbeddedDocument, EmbeddingSpace } from '../lib/search/types';
import { runJson } from './support/child';
import { ROOT } from './support/models';
import { describeOtherStore } from './support/other-store';
import { describeStoreContract } from './support/store-contract';

const SPACE: EmbeddingSpace = { model: 'lance-test', dimension: 3 };
const VECTOR = Float32Array.of(1, 0, 0);

const folder = mkdtempSync(join(tmpdir(), 'crossrank-lance-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let paths = 0;
const lastPath = () => join(folder, `${paths}`);
const newPath = () => {
  paths++;
  return lastPath();
};

describeStoreContract('LanceStore', (space) => LanceStore.open({ path: newPath(), space }), {
  openAgain: (space) => LanceStore.open({ path: lastPath(), space }),
});

function document(id: string, metadata = {}): EmbeddedDocument {
  return { id, text: `text of ${id}`, metadata, vector: VECTOR };
}

describeOtherStore(() => LanceStore.open({ path: newPath(), space: SPACE }));

test('two objects on one table see what the other wrote, and an id of both is there once', async () => {
  const path = newPath();
  const one = await LanceStore.open({ path, space: SPACE });
  const other = await LanceStore.open({ path, space: SPACE });
  const ids = Array.from({ length: 8 }, (_, i) => `${i}`);
  await Promise.all(ids.map((id, i) => (i % 2 ? one : other).add([document(id)])));
  expect([await one.count(), await other.count()]).toEqual([8, 8]);
  await Promise.all([0, 1, 2, 3].flatMap(() => [one.add([document('same')]), other.add([document('same')])]));
  expect(await one.count()).toBe(9);
  await one.remove(['0']);
  expect(await other.get(['0', '1'])).toEqual([undefined, expect.objectContaining({ id: '1' })]);
});

test('an optimized table and one with a vector index answer as before', async () => {
  const path = newPath();
  const store = await LanceStore.open({ path, space: SPACE });
  const at = (i: number) => Float32Array.of(Math.cos(i / 100), Math.sin(i / 100), 0);
  const documents = Array.from({ length: 300 }, (_, i) => ({ ...document(`${i}`, { i }), vector: at(i) }));
  for (let i = 0; i < 300; i += 100) await store.add(documents.slice(i, i + 100));
  const query = () => store.query(at(7), { topK: 5, filter: { i: { $lt: 200 } } });
  const before = await query();
  expect(before.map((hit) => hit.document.id)).toEqual(['7', '6', '8', '5', '9']);
  await store.optimize();
  expect(await query()).toEqual(before);
  await store.createVectorIndex();
  expect((await query()).map((hit) => hit.document.id)).toEqual(['7', '6', '8', '5', '9']);
  await store.add([document('7')]);
  await store.optimize();
  await store.close();
  const again = await LanceStore.open({ path, space: SPACE });
  expect(await again.count()).toBe(300);
  expect(await again.query(VECTOR, { topK: 1, filter: { i: { $ne: 0 } } })).toMatchObject([
    { document: { id: '7' } },
  ]);
});

test('a folder that goes away is an ERR_STORE, and works again once it is back', async () => {
  const path = newPath();
  const store = await LanceStore.open({ path, space: SPACE });
  await store.add([document('a')]);
  renameSync(path, `${path}.away`);
  const calls = [() => store.query(VECTOR, { topK: 1 }), () => store.get(['a']), () => store.count()];
  for (const call of calls) {
    await expect(call()).rejects.toMatchObject({
      code: 'ERR_STORE',
      message: expect.stringContaining(`The LanceDB table "documents" in ${path} failed: `),
      cause: expect.anything(),
    });
  }
  renameSync(`${path}.away`, path);
  expect(await store.query(VECTOR, { topK: 1 })).toMatchObject([{ document: { id: 'a' }, score: 1 }]);
});

test('a table of another tool is refused, and stays as it is', async () => {
  const path = newPath();
  const connection = await connect(path);
  const table = await connection.createTable('documents', [{ id: 'a', vector: [1, 2, 3] }]);
  await expect(LanceStore.open({ path, space: SPACE })).rejects.toMatchObject({
    code: 'ERR_STORE_MISMATCH',
    message: expect.stringMatching(/not made by crossrank/),
  });
  expect(await table.countRows()).toBe(1);
});

test('a row that another tool wrote is an ERR_STORE that names it', async () => {
  const path = newPath();
  const store = await LanceStore.open({ path, space: SPACE });
  const table = await (await connect(path)).openTable('documents');
  await table.add([{ id: 'foreign', text: 'x', metadata: 'no JSON', vector: [1, 2, 3] }]);
  await expect(store.get(['foreign'])).rejects.toMatchObject({
    code: 'ERR_STORE',
    message: expect.stringMatching(/no document of crossrank \(id "foreign"\)/),
  });
});

test.each([
  [{ path: '' }, /path/],
  [{ table: 7 }, /table/],
  [{ table: 'a/b' }, /table/],
  [{ tabel: 'x' }, /Unknown option "tabel"/],
  [{ space: { model: '', dimension: 3 } }, /space\.model/],
  [{ space: { model: 'm', dimension: 1.5 } }, /space\.dimension/],
])('open refuses %j by name', async (bad, message) => {
  const path = newPath();
  await expect(LanceStore.open({ path, space: SPACE, ...bad } as LanceStoreOptions)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringMatching(message),
  });
  expect(existsSync(path)).toBe(false);
});

describe('what is optional', () => {
  const OPTIONAL = /@lancedb|apache-arrow|chromadb/;
  const STORES = ['lance-store', 'chroma-store', 'qdrant-store'];
  const stores = join(ROOT, 'dist', 'lib', 'search', 'stores');

  test('is loaded by opening a store, not by importing it', () => {
    const script = `
      for (const name of ${JSON.stringify(STORES)}) require(${JSON.stringify(`${stores}/`)} + name + '.js');
      const { LanceStore } = require(${JSON.stringify(join(stores, 'lance-store.js'))});
      const loaded = () => Object.keys(require.cache).filter((path) => ${OPTIONAL}.test(path)).length > 0;
      const before = loaded();
      LanceStore.open({ path: ${JSON.stringify(newPath())}, space: { model: 'm', dimension: 3 } }).then(() => {
        console.log(JSON.stringify([before, loaded()]));
      });`;
    expect(runJson(script)).toEqual([false, true]);
  });

  test('is in no declaration that users get', () => {
    const seen = new Set<string>();
    const packages: string[] = [];
    const read = (path: string) => {
      if (seen.has(path)) return;
      seen.add(path);
      for (const [, name = ''] of readFileSync(path, 'utf8').matchAll(
        /(?:from |import\()['"]([^'"]+)['"]/g,
      )) {
        if (name.startsWith('.')) read(join(dirname(path), `${name}.d.ts`));
        else packages.push(name);
      }
    };
    for (const name of STORES) read(join(stores, `${name}.d.ts`));
    expect(seen.size).toBeGreaterThan(STORES.length);
    expect(packages).toEqual([]);
  });

  test('says how it is installed where it is missing', () => {
    // A copy of the compiled files, from where no node_modules is found.
    const script = `
      const { cpSync } = require('node:fs');
      const dist = ${JSON.stringify(join(folder, 'elsewhere'))};
      cpSync(${JSON.stringify(join(ROOT, 'dist', 'lib'))}, dist, { recursive: true });
      const { LanceStore } = require(dist + '/search/stores/lance-store.js');
      LanceStore.open({ path: dist + '/db', space: { model: 'm', dimension: 3 } }).catch(({ code, message }) => {
        console.log(JSON.stringify({ code, message }));
      });`;
    expect(runJson(script)).toEqual({
      code: 'ERR_MISSING_PACKAGE',
      message: expect.stringMatching(
        /^LanceStore needs .*not installed; run: npm install @lancedb\/lancedb$/,
      ),
    });
  });
});
