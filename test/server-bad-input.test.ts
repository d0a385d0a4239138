import { randomNumbers } from '../lib/random';
import { parseJson } from '../lib/server/body';
import { DIALECTS } from '../lib/server/dialects';
import { openSocket, received, startServer, type TestServer } from './support/server';

const QUERY = 'red planet';
const GOOD = { query: QUERY, texts: ['Mars', 'Venus'] };

/** Small limits, so that what goes beyond them is quickly sent. */
const LIMITS = {
  maxBodyBytes: 1024 * 1024,
  maxDocuments: 1000,
  headersTimeoutMs: 500,
  requestTimeoutMs: 800,
};

let running: TestServer;
beforeAll(async () => {
  running = await startServer(LIMITS);
});
afterAll(() => running.server.close());

/** Whatever came before: the next request is answered. */
afterEach(async () => {
  expect((await running.post('/rerank', GOOD)).status).toBe(200);
});

/** Every path of every API, with a body that it takes. */
const ENDPOINTS = DIALECTS.flatMap(({ name, title, endpoints }) =>
  endpoints.map(({ path, example }) => {
    const model = /feature-extraction|sentence-similarity/.test(path) ? 'embedder' : 'mini';
    return { name, title, path: path.replace(':model', model), example };
  }),
);

describe.each(ENDPOINTS)('$name $path', ({ path, example }) => {
  test('answers its own example', async () => {
    const answer = await running.post(path, example);
    expect({ status: answer.status, body: await answer.text() }).toMatchObject({ status: 200 });
  });

  test.each<[string, string | object]>([
    ['nothing', ''],
    ['half of its JSON', '{"query": "a", "te'],
    ['a number', '5'],
    ['a list', '[{"query":"a"}]'],
    ['null', 'null'],
    ['no field at all', {}],
    [
      'numbers for texts',
      { query: 1, texts: [2], documents: [3], inputs: 4, input: 5, text_1: 6, text_2: 7 },
    ],
    [
      'objects for texts',
      { query: {}, texts: [{}], documents: [[]], inputs: {}, input: {}, text_1: {}, text_2: {} },
    ],
    ['a model that is no name', { ...example, model: { a: 1 }, inputs: 5, query: 5 }],
    [
      'a prototype key',
      '{"__proto__": {"query": "a"}, "query": "a", "texts": ["b"], "documents": ["b"], "input": "a", "inputs": "a"}',
    ],
    [
      'a constructor key',
      '{"constructor": {"prototype": {"x": 1}}, "query": "a", "texts": ["b"], "documents": ["b"]}',
    ],
    ['deep nesting', `{"query": ${'['.repeat(100_000)}${']'.repeat(100_000)}, "texts": ["a"]}`],
  ])('refuses %s with 4xx and JSON', async (_, body) => {
    const answer = await running.post(path, body);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    const told = await answer.text();
    expect(typeof JSON.parse(told)).toBe('object');
    expect(told).not.toMatch(/ at |\.js:|node_modules/);
  });
});

test('nothing was put into prototypes', () => {
  expect(({} as { query?: unknown }).query).toBeUndefined();
});

test('a body beyond the limit is refused before and while it comes', async () => {
  const texts = ['x'.repeat(2 * 1024 * 1024)];
  const announced = await running.post('/rerank', { query: QUERY, texts });
  expect([announced.status, await announced.json()]).toMatchObject([413, { error_type: 'Validation' }]);
  const socket = await openSocket(running.url);
  const answer = received(socket);
  socket.write(
    'POST /rerank HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n',
  );
  const part = 'x'.repeat(64 * 1024);
  for (let i = 0; i < 32 && !socket.destroyed; i++)
    socket.write(`${part.length.toString(16)}\r\n${part}\r\n`);
  socket.write('0\r\n\r\n');
  expect(await answer).toMatch(/^HTTP\/1\.1 413 /);
});

test('a body of too many small values is refused before it is parsed', () => {
  const bodyOf = (value: string, count: number) =>
    `{"query":"a","texts":[${Array.from({ length: count }, () => value).join(',')}]}`;
  for (const value of ['{}', '[]', '""', '1', '{"a":1}', '[[]]']) {
    expect(() => parseJson(bodyOf(value, 600_000))).toThrow('the body has more than 500000 values');
    expect(parseJson(bodyOf(value, 400_000))).toHaveProperty('texts.length', 400_000);
  }
  expect(parseJson(JSON.stringify([','.repeat(1_000_000)]))).toHaveLength(1); // in a text they are text
});

test('100,000 documents are refused by their count, each API in its own words', async () => {
  await using large = await wide();
  const documents = Array(100_000).fill('a');
  const tei = await large.post('/rerank', { query: QUERY, texts: documents });
  expect([tei.status, await tei.json()]).toMatchObject([
    413,
    { error: expect.stringMatching(/100000 texts/) },
  ]);
  const cohere = await large.post('/v2/rerank', { model: 'a', query: QUERY, documents });
  expect(cohere.status).toBe(400);
  expect(await cohere.json()).toMatchObject({ message: expect.stringMatching(/100000 documents/) });
});

test('empty strings are scored', async () => {
  const answer = await running.post('/rerank', { query: '', texts: ['', 'a', ''] });
  expect(answer.status).toBe(200);
  expect(await answer.json()).toHaveLength(3);
});

test('two shapes at once are answered as one of them', async () => {
  const answer = await running.post('/rerank', { ...GOOD, documents: ['a', 'b', 'c'] });
  expect(answer.status).toBe(200);
  expect(await answer.json()).toHaveLength(2);
});

test('heads that come too slowly, or never end, are cut off, and cost others nothing', async () => {
  const sockets = await Promise.all(Array.from({ length: 50 }, () => openSocket(running.url)));
  const answers = sockets.map(received);
  for (const socket of sockets) socket.write('POST /rerank HTTP/1.1\r\nhost: a\r\nx-slow: ');
  expect((await running.post('/rerank', GOOD)).status).toBe(200);
  for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1\.1 408 |ECONNRESET|^$/);
}, 30_000);

test('a body that comes too slowly is cut off', async () => {
  const socket = await openSocket(running.url);
  const answer = received(socket);
  socket.write(
    'POST /rerank HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"query": ',
  );
  expect(await answer).toMatch(/^HTTP\/1\.1 408 |ECONNRESET|^$/);
}, 30_000);

test('requests that are cut off in the middle leave nothing', async () => {
  for (let i = 0; i < 20; i++) {
    const socket = await openSocket(running.url);
    socket.write(
      `POST /rerank HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n${'{'.repeat(i)}`,
    );
    socket.destroy();
  }
});

test('what is no HTTP gets 400, and headers beyond the limit 431', async () => {
  const garbage = await openSocket(running.url);
  const refused = received(garbage);
  garbage.write('\x16\x03\x01 hello\r\n\r\n');
  expect(await refused).toMatch(/^HTTP\/1\.1 400 /);
  const large = await openSocket(running.url);
  const tooLarge = received(large);
  large.write(`GET /health HTTP/1.1\r\nhost: a\r\nx-large: ${'x'.repeat(64 * 1024)}\r\n\r\n`);
  expect(await tooLarge).toMatch(/^HTTP\/1\.1 431 /);
});

test('names of models cannot forge headers or logs', async () => {
  await using strict = await wide({ strictModel: true });
  for (const model of [
    'a\r\nset-cookie: b=c',
    '\u0000',
    '\u2028',
    'x'.repeat(100_000),
    '__proto__',
    'constructor',
    '../../etc/passwd',
  ]) {
    const answer = await strict.post('/v2/rerank', { model, query: QUERY, documents: ['a'] });
    expect(answer.status).toBe(404);
    expect(answer.headers.get('set-cookie')).toBeNull();
    expect((await answer.text()).length).toBeLessThan(2000);
  }
});

test('a deadline that is no number is refused, one that is over is a time-out', async () => {
  const wrong = await running.post('/rerank', GOOD, { 'x-timeout-ms': 'soon' });
  expect([wrong.status, await wrong.json()]).toMatchObject([
    422,
    { error: expect.stringMatching(/x-timeout-ms/) },
  ]);
  const texts = Array.from({ length: 900 }, (_, i) => `${i} ${'planet '.repeat(60)}`);
  const late = await running.post('/rerank', { query: QUERY, texts }, { 'x-timeout-ms': '1' });
  expect(late.status).toBe(504);
});

test('whatever bytes come, the answer is 4xx and JSON or the connection ends', async () => {
  const random = randomNumbers(7);
  const paths = [...new Set(ENDPOINTS.map(({ path }) => path))];
  for (let i = 0; i < 400; i++) {
    const { example } = ENDPOINTS[i % ENDPOINTS.length] as (typeof ENDPOINTS)[number];
    const bytes = Buffer.from(JSON.stringify(example));
    for (let flips = 0; flips < 1 + (i % 5); flips++)
      bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
    const answer = await running.post(paths[i % paths.length] as string, bytes);
    expect(answer.status).toBeLessThan(500);
    expect(typeof JSON.parse(await answer.text())).toBe('object');
  }
}, 60_000);

async function wide(options = {}) {
  const started = await startServer(options);
  return { ...started, [Symbol.asyncDispose]: () => started.server.close() };
}
