import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChromaClient } from 'chromadb';
import { freePort } from '../bench/free-port';
import { ChromaStore, type ChromaStoreOptions } from '../lib/search/stores/chroma-store';
import type { EmbeddingSpace } from '../lib/search/types';
import { ChildServer } from './support/child-server';
import { chromaCommand } from './support/chroma-server';
import { describeOtherStore } from './support/other-store';
import { describeStoreContract } from './support/store-contract';

const SPACE: EmbeddingSpace = { model: 'chroma-test', dimension: 3 };
const VECTOR = Float32Array.of(1, 0, 0);

const chroma = chromaCommand();
if ('reason' in chroma) console.warn(`Chroma is not tested: ${chroma.reason}`);
const describeChroma = 'command' in chroma ? describe : describe.skip;

describeChroma('with a Chroma server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'crossrank-chroma-'));
  let server: ChildServer;
  let collections = 0;
  const openLast = (space: EmbeddingSpace) =>
    ChromaStore.open({ url: server.url, collection: `contract-${collections}`, space });

  beforeAll(async () => {
    const port = await freePort();
    const { command } = chroma as { command: string[] };
    const run = ['run', '--host', '127.0.0.1', '--port', `${port}`, '--path', folder];
    server = new ChildServer(port, [...command, ...run], '/api/v2/heartbeat');
    await server.start();
  });
  afterAll(async () => {
    await server.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  describeStoreContract(
    'ChromaStore',
    (space) => {
      collections++;
      return openLast(space);
    },
    { openAgain: openLast },
  );

  async function open(options: Partial<ChromaStoreOptions> = {}): Promise<ChromaStore> {
    collections++;
    return ChromaStore.open({ url: server.url, collection: `own-${collections}`, space: SPACE, ...options });
  }

  describeOtherStore(() => open());

  test('more documents than Chroma takes in one request are added', async () => {
    const store = await open();
    const documents = Array.from({ length: 6000 }, (_, i) => ({ id: `${i}`, text: 'x', vector: VECTOR }));
    await store.add(documents);
    expect(await store.count()).toBe(6000);
  });

  test("Chroma's own client reads what was stored", async () => {
    const store = await open();
    await store.add([{ id: 'a', text: 'a text', metadata: { lang: 'en', year: 2020 }, vector: VECTOR }]);
    const client = new ChromaClient({ host: '127.0.0.1', port: Number(new URL(server.url).port) });
    const collection = await client.getCollection({ name: `own-${collections}` });
    expect(collection.metadata).toEqual({ 'crossrank:model': SPACE.model, 'crossrank:dimension': 3 });
    const found = await collection.query({ queryEmbeddings: [[2, 0, 0]], where: { year: { $gte: 2020 } } });
    expect(found.rows()).toEqual([
      [
        expect.objectContaining({
          id: 'a',
          document: 'a text',
          metadata: { lang: 'en', year: 2020 },
          distance: 0,
        }),
      ],
    ]);
  });

  test('a collection of another tool is refused, and stays as it is', async () => {
    const client = new ChromaClient({ host: '127.0.0.1', port: Number(new URL(server.url).port) });
    await client.createCollection({ name: 'foreign', embeddingFunction: null });
    await expect(open({ collection: 'foreign' })).rejects.toMatchObject({
      code: 'ERR_STORE_MISMATCH',
      message: expect.stringMatching(/"foreign".*not made by crossrank/),
    });
    expect((await client.getCollection({ name: 'foreign' })).metadata).toBeUndefined();
  });

  test('a collection that was deleted is told, and made again by opening it', async () => {
    const store = await open();
    const client = new ChromaClient({ host: '127.0.0.1', port: Number(new URL(server.url).port) });
    await client.deleteCollection({ name: `own-${collections}` });
    await expect(store.count()).rejects.toMatchObject({
      code: 'ERR_STORE',
      message: expect.stringMatching(/404.*open the store again/),
    });
    expect(await (await open({ collection: `own-${collections}` })).count()).toBe(0);
  });

  test('a name that Chroma refuses is an ERR_STORE with its reason', async () => {
    await expect(open({ collection: 'x' })).rejects.toMatchObject({
      code: 'ERR_STORE',
      message: expect.stringMatching(/400.*3-512 characters/),
    });
  });

  test('a server that is killed is an ERR_STORE, and works again once it is back', async () => {
    const store = await open();
    await store.add([{ id: 'a', text: 'x', vector: VECTOR }]);
    const queries = Array.from({ length: 20 }, () => store.query(VECTOR, { topK: 1 }));
    await server.kill();
    for (const outcome of await Promise.allSettled(queries)) {
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'ERR_STORE' });
    }
    const calls = [
      () => store.query(VECTOR, { topK: 1 }),
      () => store.add([{ id: 'b', text: 'y', vector: VECTOR }]),
      () => store.get(['a']),
      () => store.remove(['a']),
      () => store.count(),
      () => store.documents().next(),
      () => open(),
    ];
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({
        code: 'ERR_STORE',
        message: expect.stringContaining(`Chroma at ${server.url} cannot be reached (`),
        cause: expect.anything(),
      });
    }
    await server.start();
    expect(await store.query(VECTOR, { topK: 1 })).toMatchObject([{ document: { id: 'a' } }]);
    await store.add([{ id: 'b', text: 'y', vector: VECTOR }]);
    expect(await store.count()).toBe(2);
  });

  test('a server that hangs is an ERR_STORE after timeoutMs, and an abort does not wait for it', async () => {
    const store = await open({ timeoutMs: 2000 });
    const patient = await open({ collection: `own-${collections}` });
    server.pause();
    try {
      await expect(store.count()).rejects.toMatchObject({
        code: 'ERR_STORE',
        message: expect.stringMatching(/did not answer within 2000 ms/),
      });
      const controller = new AbortController();
      const query = patient.query(VECTOR, { topK: 1, signal: controller.signal });
      setImmediate(() => controller.abort(new Error('no longer wanted')));
      await expect(query).rejects.toThrow('no longer wanted');
    } finally {
      server.resume();
    }
    expect(await store.count()).toBe(0);
  });
});

test.each([
  [{ collection: '' }, /collection/],
  [{ colection: 'x' }, /Unknown option "colection"/],
  [{ space: undefined }, /space/],
  [{ space: { model: 'm', dimension: 0 } }, /space\.dimension/],
  [{ url: '127.0.0.1:8000' }, /url/],
  [{ url: 'http://user:secret@127.0.0.1' }, /^url has a user(?!.*secret)/],
  [{ headers: { a: 1 } }, /header "a"/],
  [{ apiKey: 'secret\nsecret' }, /header "x-chroma-token"(?!.*secret)/],
  [{ headers: [] }, /headers/],
  [{ efSearch: 0 }, /efSearch/],
  [{ timeoutMs: -1 }, /timeoutMs/],
])('open refuses %j by name', async (bad, message) => {
  const options = { url: 'http://127.0.0.1:9', collection: 'c', space: SPACE, ...bad };
  await expect(ChromaStore.open(options as ChromaStoreOptions)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringMatching(message),
  });
});
