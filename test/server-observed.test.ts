import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { samplesOf, sampleValue } from './support/metrics';
import { type ObservedServer, observedServer } from './support/observed-server';

const SECRET = 'zebra crossing';
const KEY = 'key-of-zanzibar';
const CALL = { query: `${SECRET} question`, texts: [`${SECRET} one`, `two ${SECRET}`, 'three'] };

let observed: ObservedServer;

afterEach(async () => observed.server.close());

/** Sends a call and goes away before it is answered. */
async function leave({ url }: ObservedServer): Promise<void> {
  const texts = Array.from({ length: 5000 }, (_, i) => `${SECRET} ${i}`);
  const controller = new AbortController();
  const call = fetch(`${url}/rerank`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: SECRET, texts }),
    signal: controller.signal,
  }).catch((error) => error.name);
  while ((await metricOf('crossrank_queue_requests', { model: 'mini' })) === 0)
    await new Promise(setImmediate);
  controller.abort();
  expect(await call).toBe('AbortError');
}

async function metricOf(name: string, labels = {}): Promise<number> {
  return sampleValue(await observed.metrics(), name, labels);
}

test('calls are counted, by what became of them', async () => {
  observed = await observedServer({ engine: { threads: 1, cache: false } });
  await (await observed.post('/rerank', CALL)).json();
  await (await observed.post('/embed', { inputs: 'one text' })).json();
  await (await observed.post('/rerank', { query: 3, texts: ['a'] })).json();
  await leave(observed);
  await observed.requests(5);
  const text = await observed.metrics();
  const rank = { api: 'tei', route: '/rerank', model: 'mini' };
  expect(sampleValue(text, 'crossrank_requests_total', { ...rank, status: '200' })).toBe(1);
  expect(sampleValue(text, 'crossrank_requests_total', { ...rank, status: '499' })).toBe(1);
  expect(sampleValue(text, 'crossrank_requests_disconnected_total', { api: 'tei' })).toBe(1);
  expect(sampleValue(text, 'crossrank_request_failures_total', { api: 'tei', kind: 'invalid' })).toBe(1);
  expect(sampleValue(text, 'te_request_success', { method: 'batch' })).toBe(1);
  expect(sampleValue(text, 'te_request_success', { method: 'single' })).toBe(1);
  expect(sampleValue(text, 'te_predict_success')).toBe(3);
  expect(sampleValue(text, 'te_request_inference_duration_count')).toBe(2);
  // The question itself is the one in flight.
  expect(sampleValue(text, 'crossrank_requests_in_flight')).toBe(1);
  expect(sampleValue(text, 'crossrank_model_loaded', { model: 'embedder' })).toBe(1);
});

test('no client makes labels: a thousand paths, models and methods leave as many series as one', async () => {
  observed = await observedServer();
  const send = async (path: string, model: string) => {
    await (await observed.post(`/${path}`, CALL)).text();
    await (await observed.post('/rerank', { ...CALL, model, [model]: 1 }, { 'x-request-id': model })).text();
    await (await fetch(`${observed.url}/${path}?${model}`, { method: 'DELETE' })).text();
  };
  await send('first', 'first');
  await observed.requests(3);
  const before = samplesOf(await observed.metrics()).filter(({ name }) => /^(crossrank|te)_/.test(name));
  for (let i = 0; i < 1000; i += 50)
    await Promise.all(Array.from({ length: 50 }, () => send(randomUUID(), randomUUID())));
  const text = await observed.metrics();
  const after = samplesOf(text).filter(({ name }) => /^(crossrank|te)_/.test(name));
  // The look at /metrics itself is new, and nothing else.
  expect(after.length).toBeLessThanOrEqual(before.length + 1);
  expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/);
});

test('the log has a line for each request, with id, latency and scores', async () => {
  observed = await observedServer();
  const answer = await observed.post('/rerank', CALL, { 'x-request-id': 'mine-1' });
  expect(answer.status).toBe(200);
  await answer.json();
  await (await fetch(`${observed.url}/health`)).text();
  await (await observed.post('/nowhere', CALL)).text();
  const [rank, health, nowhere] = await observed.requests(3);
  expect(rank).toMatchObject({
    level: 'info',
    requestId: 'mine-1',
    api: 'tei',
    route: '/rerank',
    operation: 'rank',
    model: 'mini',
    status: 200,
    items: 3,
    degraded: false,
    scores: { count: 3, min: expect.any(Number), max: expect.any(Number), mean: expect.any(Number) },
    durationMs: expect.any(Number),
    computeMs: expect.any(Number),
  });
  expect(rank?.tokens).toBeGreaterThan(0);
  expect(health).toMatchObject({ level: 'debug', route: '/health', status: 200 });
  expect(nowhere).toMatchObject({ level: 'info', status: 404, failure: 'not-found' });
  expect(nowhere).not.toHaveProperty('route');
});

test('no text and no key is in the log, whatever is sent and whatever fails', async () => {
  let boom = false;
  observed = await observedServer({
    level: 'trace',
    apiKeys: [KEY],
    maxDocuments: 100,
    maxBodyBytes: 100_000,
    plugins: [
      (app) => {
        app.addHook('preHandler', async (request) => {
          if (boom) throw new TypeError(`cannot read ${JSON.stringify(request.body)}`);
        });
      },
    ],
  });
  const many = Array.from({ length: 101 }, () => SECRET);
  const key = { authorization: `Bearer ${KEY}` };
  const bodies: unknown[] = [
    CALL,
    { ...CALL, model: SECRET },
    { ...CALL, [SECRET]: SECRET },
    { ...CALL, texts: SECRET },
    { ...CALL, texts: [SECRET, 7, { text: SECRET }] },
    { ...CALL, query: [SECRET] },
    { ...CALL, truncate: SECRET },
    { ...CALL, texts: many },
    { ...CALL, truncate: false, texts: [`${SECRET} `.repeat(2000)] },
    { ...CALL, texts: [SECRET.repeat(20_000)] },
    `{"query": "${SECRET}" "texts"`,
    `${SECRET} is no JSON`,
    JSON.stringify(SECRET),
    `{"__proto__": {"query": "${SECRET}"}}`,
  ];
  let sent = 0;
  for (const path of [
    '/rerank',
    '/embed',
    '/predict',
    `/${encodeURIComponent(SECRET)}?q=${encodeURIComponent(SECRET)}`,
  ])
    for (const body of bodies) {
      await (await observed.post(path, body, key)).text();
      sent++;
    }
  await (
    await observed.post('/rerank', CALL, { authorization: `Bearer wrong-${KEY}`, 'x-api-key': KEY })
  ).text();
  await (
    await observed.post('/rerank', CALL, { ...key, 'x-timeout-ms': SECRET, 'x-request-id': SECRET })
  ).text();
  await (
    await observed.post('/rerank', CALL, { ...key, 'content-type': `text/${SECRET.replace(' ', '-')}` })
  ).text();
  boom = true;
  await (await observed.post('/rerank', CALL, key)).text();
  await raw(observed.url, `NONSENSE ${SECRET}\r\nauthorization: ${KEY}\r\n\r\n`);
  const lines = await observed.requests(sent + 4);
  const failures = new Set(lines.map(({ failure }) => failure));
  for (const failure of [
    'invalid',
    'malformed',
    'too-many',
    'too-large',
    'unauthorized',
    'not-found',
    'internal',
  ])
    expect(failures).toContain(failure);
  expect(observed.log()).toContain('"err":{"type":"TypeError"');
  expect(observed.log()).not.toMatch(/zebra|crossing|zanzibar/i);
});

test('texts are in the log where it was asked for them, cut', async () => {
  observed = await observedServer({ logTexts: true, apiKeys: [KEY] });
  const long = `${SECRET} `.repeat(100);
  await (await observed.post('/rerank', { query: SECRET, texts: [long] }, { 'x-api-key': KEY })).text();
  const [line] = await observed.requests(1);
  expect(line?.body).toEqual({ query: SECRET, texts: [`${long.slice(0, 200)}…[+${long.length - 200}]`] });
  expect(observed.log()).not.toContain(KEY);
});

test('/metrics needs a key where it is protected, and only then', async () => {
  observed = await observedServer({ apiKeys: [KEY], protectMetrics: true });
  expect((await fetch(`${observed.url}/metrics`)).status).toBe(401);
  const answer = await fetch(`${observed.url}/metrics`, { headers: { 'x-api-key': KEY } });
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  await observed.server.close();
  observed = await observedServer({ apiKeys: [KEY] });
  expect((await fetch(`${observed.url}/metrics`)).status).toBe(200);
});

function raw(url: string, text: string): Promise<void> {
  const { port, hostname } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.resume();
  });
}
