import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../bench/free-port';
import { QdrantStore, type QdrantStoreOptions } from '../lib/search/stores/qdrant-store';
import type { EmbeddingSpace } from '../lib/search/types';
import { ChildServer } from './support/child-server';
import { ROOT } from './support/models';
import { describeOtherStore } from './support/other-store';
import { PYTHON, pythonPackage } from './support/python-package';
import { describeStoreContract } from './support/store-contract';

const SPACE: EmbeddingSpace = { model: 'qdrant-test', dimension: 3 };
const VECTOR = Float32Array.of(1, 0, 0);
const document = (id: string) => ({ id, text: `text of ${id}`, vector: VECTOR });

// No registry has the server of Qdrant. Without one of yours, the engine of it is tested, as a package of Python has it.
const { QDRANT_URL } = process.env;
const edge = QDRANT_URL === undefined ? pythonPackage('qdrant-edge-py', '0.9.0') : undefined;
if (edge && 'reason' in edge) {
  console.warn(`Only failures of Qdrant are tested: QDRANT_URL names no server, and ${edge.reason}`);
}
const engine = edge && 'folder' in edge ? edge.folder : undefined;

const describeQdrant = QDRANT_URL !== undefined || engine !== undefined ? describe : describe.skip;
const testOwnServer = engine === undefined ? test.skip : test;

describeQdrant(QDRANT_URL === undefined ? "with Qdrant's engine" : `with the Qdrant at ${QDRANT_URL}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'crossrank-qdrant-'));
  let server: ChildServer | undefined;
  let url = QDRANT_URL as string;
  const made: string[] = [];
  const newName = () => {
    made.push(`crossrank-test-${process.pid}-${made.length}`);
    return lastName();
  };
  const lastName = () => made.at(-1) as string;
  const open = ({ collection = newName(), ...options }: Partial<QdrantStoreOptions> = {}) =>
    QdrantStore.open({ url, collection, space: SPACE, ...options });

  beforeAll(async () => {
    if (engine === undefined) return;
    const port = await freePort();
    const script = join(ROOT, 'test', 'support', 'qdrant_edge_server.py');
    server = new ChildServer(port, [PYTHON, script, engine, `${port}`, folder], '/healthz');
    await server.start();
    url = server.url;
  });
  afterAll(async () => {
    if (server === undefined) {
      for (const name of made) await fetch(`${url}/collections/${name}`, { method: 'DELETE' });
    }
    await server?.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  describeStoreContract('QdrantStore', (space) => open({ space }), {
    openAgain: (space) => open({ space, collection: lastName() }),
  });

  describeOtherStore(open);

  test('a collection of another tool is refused', async () => {
    const collection = newName();
    const body = JSON.stringify({ vectors: { size: 3, distance: 'Cosine' } });
    const headers = { 'content-type': 'application/json' };
    await fetch(`${url}/collections/${collection}`, { method: 'PUT', headers, body });
    await expect(open({ collection })).rejects.toMatchObject({
      code: 'ERR_STORE_MISMATCH',
      message: expect.stringMatching(/not made by crossrank/),
    });
  });

  testOwnServer('a server that is killed is an ERR_STORE, and works again once it is back', async () => {
    const own = server as ChildServer;
    const store = await open();
    await store.add([document('a')]);
    await own.kill();
    const calls = [
      () => store.query(VECTOR, { topK: 1 }),
      () => store.add([document('b')]),
      () => store.get(['a']),
      () => store.remove(['a']),
      () => store.count(),
      () => store.documents().next(),
      () => open(),
    ];
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({
        code: 'ERR_STORE',
        message: expect.stringMatching(
          /^Qdrant at http.* cannot be reached \(.*check the url and that the server is/,
        ),
        cause: expect.anything(),
      });
    }
    await own.start();
    expect(await store.query(VECTOR, { topK: 1 })).toMatchObject([{ document: { id: 'a' } }]);
    await store.add([document('b')]);
    expect(await store.count()).toBe(2);
  });
});

describe('with a server that answers as it is told', () => {
  type Respond = (request: IncomingMessage, response: ServerResponse) => void;
  let respond: Respond;
  const server = createServer((request, response) => respond(request, response));
  let url: string;

  beforeAll(async () => {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const json =
    (body: unknown, status = 200): Respond =>
    (_, response) => {
      response.writeHead(status).end(JSON.stringify(body));
    };
  const collection = (metadata: unknown, size = 3) =>
    json({ result: { config: { params: { vectors: { size, distance: 'Cosine' } }, metadata } } });
  const ours = collection({ 'crossrank:model': SPACE.model });
  const open = (options: Partial<QdrantStoreOptions> = {}) =>
    QdrantStore.open({ url, collection: 'c', space: SPACE, ...options });

  test('a key goes with every request, in the header that Qdrant reads', async () => {
    const keys: unknown[] = [];
    respond = (request, response) => {
      keys.push(request.headers['api-key'], request.headers['x-proxy']);
      ours(request, response);
    };
    await open({ apiKey: 'the key', headers: { 'x-proxy': 'yes' } });
    expect(keys).toEqual(['the key', 'yes']);
  });

  test.each([401, 403])('a refusal with %i tells to check the key, without repeating it', async (status) => {
    respond = json('Must provide an API key', status);
    await expect(open({ apiKey: 'secret' })).rejects.toMatchObject({
      code: 'ERR_STORE',
      message: expect.stringMatching(/^(?!.*secret).*check apiKey or headers/),
    });
  });

  test('a Qdrant that does not keep metadata of collections is refused', async () => {
    respond = (request, response) => {
      const answer = request.method === 'GET' && !made ? json({ status: {} }, 404) : collection(undefined);
      made ||= request.method === 'PUT';
      answer(request, response);
    };
    let made = false;
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_STORE',
      message: expect.stringMatching(/use Qdrant 1\.16 or newer/),
    });
  });

  test('a collection of another dimension is refused by both', async () => {
    respond = collection({ 'crossrank:model': SPACE.model }, 384);
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_STORE_MISMATCH',
      message: expect.stringMatching(/\(384 dimensions\).*\(3\)/),
    });
  });

  test.each<[string, Respond, RegExp]>([
    ['500', json({ status: { error: 'out of disk' } }, 500), /POST .* with 500: .*out of disk.*log/],
    ['an error that is no JSON', (_, response) => response.writeHead(502).end('<html>'), /with 502: <html>/],
    ['no JSON', (_, response) => response.end('<html>Welcome'), /no JSON: <html>Welcome/],
    [
      'half an answer',
      (_, response) => response.writeHead(200, { 'content-length': 9 }).write('{'),
      /2000 ms/,
    ],
    ['a broken connection', (request) => request.socket.destroy(), /cannot be reached/],
    ['nothing', () => undefined, /did not answer within 2000 ms/],
    ['another API', json({ hits: [] }), /answered without (points|a count)/],
    ['a list of null', json({ result: { points: [null] } }), /without (scores|a count)/],
    ['a redirect', (_, response) => response.writeHead(302, { location: '/' }).end(), /cannot be reached/],
  ])('an answer that is %s is an ERR_STORE, and ends nothing', async (_, broken, message) => {
    respond = ours;
    const store = await open({ timeoutMs: 2000 });
    respond = broken;
    const calls = [store.query(VECTOR, { topK: 1 }), store.count()];
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { code: 'ERR_STORE', message: expect.stringMatching(message) },
      });
    }
    respond = json({ result: { count: 5 } });
    expect(await store.count()).toBe(5);
  });

  test('a point that another tool wrote is an ERR_STORE', async () => {
    respond = ours;
    const store = await open();
    for (const payload of [undefined, null, {}, { id: 'a' }, { id: 'a', text: 't', metadata: { a: [1] } }]) {
      respond = json({ result: [{ id: 1, payload }] });
      await expect(store.get(['a'])).rejects.toMatchObject({
        code: 'ERR_STORE',
        message: expect.stringMatching(/no document of crossrank/),
      });
    }
  });

  test('an abort does not wait for a server that hangs', async () => {
    respond = ours;
    const store = await open();
    const asked = new Promise<IncomingMessage>((resolve) => {
      respond = resolve;
    });
    const controller = new AbortController();
    const query = store.query(VECTOR, { topK: 1, signal: controller.signal });
    const { socket } = await asked;
    controller.abort(new Error('no longer wanted'));
    await expect(query).rejects.toThrow('no longer wanted');
    // The request is ended too, not only left alone.
    if (!socket.destroyed) await once(socket, 'close');
  });

  test('large documents go in several requests', async () => {
    respond = ours;
    const store = await open();
    const sizes: number[] = [];
    respond = (request, response) => {
      let size = 0;
      request.on('data', (chunk: Buffer) => {
        size += chunk.length;
      });
      request.on('end', () => {
        sizes.push(size);
        json({ result: {} })(request, response);
      });
    };
    const text = '很'.repeat(600_000);
    await store.add(Array.from({ length: 7 }, (_, i) => ({ ...document(`${i}`), text })));
    expect(sizes).toHaveLength(4);
    expect(Math.max(...sizes)).toBeLessThan(4 << 20);
  });
});

test.each([
  [{ collection: '' }, /collection/],
  [{ colection: 'x' }, /Unknown option "colection"/],
  [{ space: null }, /space/],
  [{ url: 'ftp://127.0.0.1' }, /url/],
  [{ url: 'http://127.0.0.1/?key=secret' }, /^url has a user(?!.*secret)/],
  [{ exact: 1 }, /exact/],
  [{ apiKey: '' }, /apiKey/],
  [{ timeoutMs: Number.NaN }, /timeoutMs/],
])('open refuses %j by name', async (bad, message) => {
  const options = { url: 'http://127.0.0.1:9', collection: 'c', space: SPACE, ...bad };
  await expect(QdrantStore.open(options as QdrantStoreOptions)).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringMatching(message),
  });
});
