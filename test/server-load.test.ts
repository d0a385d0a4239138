import type { Socket } from 'node:net';
import { openSocket, startServer, type TestServer, until } from './support/server';

const QUERY = 'red planet';
const many = (count: number, name: string) =>
  Array.from({ length: count }, (_, i) => `${name} ${i} ${'planet '.repeat(40)}`);

async function server(options = {}): Promise<TestServer & AsyncDisposable> {
  const started = await startServer({ embedders: [], engine: { threads: 1, cache: false }, ...options });
  return { ...started, [Symbol.asyncDispose]: () => started.server.close() };
}

const stats = ({ pool }: TestServer) => {
  const [model] = pool.list();
  const found = model?.stats();
  if (found === undefined) throw new Error('no model');
  return found;
};

test('a request larger than the whole queue is served, and the next one is told when to come back', async () => {
  await using running = await server({ engine: { threads: 1, cache: false, maxQueuedTokens: 100 } });
  const large = running.post('/rerank', { query: QUERY, texts: many(3000, 'large') });
  await until(() => stats(running).queue.tokens > 0);
  const refused = await running.post('/rerank', { query: QUERY, texts: many(10, 'small') });
  expect([refused.status, await refused.json()]).toMatchObject([429, { error_type: 'Overloaded' }]);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  const cohere = await running.post('/v2/rerank', { model: 'a', query: QUERY, documents: many(10, 'x') });
  expect(cohere.status).toBe(429);
  const answer = await large;
  expect(answer.status).toBe(200);
  expect(await answer.json()).toHaveLength(3000);
  expect((await running.post('/rerank', { query: QUERY, texts: many(10, 'again') })).status).toBe(200);
});

test('a client that goes away ends its work', async () => {
  await using running = await server();
  const body = JSON.stringify({ query: QUERY, texts: many(5000, 'abandoned') });
  const socket = await openSocket(running.url);
  socket.write(
    `POST /rerank HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  await until(() => stats(running).running.chunks > 0);
  socket.destroy();
  await until(() => stats(running).requests.aborted === 1);
  await until(() => stats(running).queue.tokens === 0);
  expect((await running.post('/rerank', { query: QUERY, texts: ['a'] })).status).toBe(200);
});

test.each([
  ['x-timeout-ms', '50'],
  ['x-stainless-timeout', '0.05'],
])('%s ends the work of a request', async (header, value) => {
  await using running = await server();
  const answer = await running.post(
    '/rerank',
    { query: QUERY, texts: many(8000, header) },
    { [header]: value },
  );
  expect(answer.status).toBe(504);
  await until(() => stats(running).queue.tokens === 0);
  expect(stats(running).requests.timedOut).toBe(1);
});

test('requests at the same time are all answered, each with its own', async () => {
  await using running = await server();
  const answers = await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      const texts = many(1 + (i % 20), String(i));
      const answer = await running.post('/rerank', { query: QUERY, texts, return_text: true });
      return [answer.status, texts, (await answer.json()) as { index: number; text: string }[]] as const;
    }),
  );
  for (const [status, texts, results] of answers) {
    expect(status).toBe(200);
    expect(results.map(({ text }) => text).sort()).toEqual([...texts].sort());
  }
});

test('close waits for what runs, refuses what comes, and ends what takes too long', async () => {
  const patient = await startServer({ embedders: [], engine: { threads: 1, cache: false } });
  const socket = await openSocket(patient.url);
  const running = patient.post('/rerank', { query: QUERY, texts: many(1500, 'patient') });
  await until(() => stats(patient).running.chunks > 0);
  const closed = patient.server.close();
  expect(patient.server.close()).toBe(closed);
  expect((await running).status).toBe(200);
  await closed;
  expect(socket.destroyed || socket.readableEnded || (await ended(socket))).toBe(true);

  const hasty = await startServer({ embedders: [], engine: { threads: 1, cache: false }, drainMs: 20 });
  const cut = hasty.post('/rerank', { query: QUERY, texts: many(9000, 'cut') });
  await until(() => stats(hasty).running.chunks > 0);
  await hasty.server.close();
  expect((await cut).status).toBe(503);
});

async function ended(socket: Socket): Promise<boolean> {
  await new Promise((resolve) => socket.once('close', resolve));
  return true;
}
