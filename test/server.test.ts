import { Embedder, Reranker } from '../lib';
import { DEFAULT_EMBEDDER } from '../lib/embedder';
import { DEFAULT_RERANKER } from '../lib/reranker';
import { createServer } from '../lib/server';
import { fixture } from './support/models';
import { startServer, type TestServer } from './support/server';

const QUERY = 'Which planet is known as the Red Planet?';
const TEXTS = ['Bread is made of flour.', 'Mars is the red planet.', 'Venus is hot.'];

let running: TestServer;
beforeAll(async () => {
  running = await startServer({ engine: { precision: 'fp32' } });
});
afterAll(() => running.server.close());

const url = (path: string) => running.url + path;

describe('text-embeddings-inference', () => {
  test('/rerank sorts as the library does, with sigmoid scores or raw ones', async () => {
    await using reranker = await Reranker.load(fixture('bert'), { precision: 'fp32' });
    for (const raw_scores of [false, true]) {
      const { results } = await reranker.rerank(QUERY, TEXTS, { scores: raw_scores ? 'raw' : 'sigmoid' });
      const answer = await running.post('/rerank', { query: QUERY, texts: TEXTS, raw_scores });
      expect(answer.status).toBe(200);
      expect(await answer.json()).toEqual(results.map(({ index, score }) => ({ index, score })));
    }
  });

  test('return_text gives texts back', async () => {
    const answer = await running.post('/rerank', { query: QUERY, texts: TEXTS, return_text: true });
    for (const { index, text } of (await answer.json()) as { index: number; text: string }[])
      expect(text).toBe(TEXTS[index]);
  });

  test('/embed gives what the library gives, of one text or several', async () => {
    await using embedder = await Embedder.load(fixture('bert-embedder'), { precision: 'fp32' });
    const expected = await embedder.embed(TEXTS);
    const several = (await (await running.post('/embed', { inputs: TEXTS })).json()) as number[][];
    expect(several).toHaveLength(3);
    several.forEach((vector, i) => {
      vector.forEach((value, j) => {
        expect(value).toBeCloseTo(expected[i]?.[j] as number, 6);
      });
    });
    expect(await (await running.post('/embed', { inputs: TEXTS[0] })).json()).toEqual([several[0]]);
  });

  test('dimensions keeps the first values, of length 1 again, and normalize: false leaves lengths', async () => {
    const [cut] = (await (await running.post('/embed', { inputs: 'Mars', dimensions: 8 })).json()) as [
      number[],
    ];
    expect(cut).toHaveLength(8);
    expect(Math.hypot(...cut)).toBeCloseTo(1, 5);
    const [pooled] = (await (await running.post('/embed', { inputs: 'Mars', normalize: false })).json()) as [
      number[],
    ];
    await using embedder = await Embedder.load(fixture('bert-embedder'), {
      precision: 'fp32',
      normalize: false,
    });
    const [expected] = await embedder.embed(['Mars']);
    pooled.forEach((value, i) => {
      expect(value).toBeCloseTo(expected?.[i] as number, 5);
    });
    const tooMany = await running.post('/embed', { inputs: 'Mars', dimensions: 100_000 });
    expect(tooMany.status).toBe(422);
    expect(await tooMany.json()).toMatchObject({
      error: expect.stringMatching(/dimensions/),
      error_type: 'Validation',
    });
  });

  test('truncate: false refuses a text that is too long, and names its length', async () => {
    const texts = ['short', 'red planet '.repeat(400)];
    const answer = await running.post('/rerank', { query: QUERY, texts, truncate: false });
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({
      error: expect.stringMatching(/tokens is longer than/),
      error_type: 'Validation',
    });
    expect((await running.post('/rerank', { query: QUERY, texts })).status).toBe(200);
    expect((await running.post('/rerank', { query: QUERY, texts: TEXTS, truncate: false })).status).toBe(200);
    expect((await running.post('/embed', { inputs: texts, truncate: false })).status).toBe(413);
  });

  test('a length below what the model needs is that of one token each', async () => {
    for (const max_tokens_per_doc of [1, 5]) {
      const body = { model: 'a', query: QUERY, documents: TEXTS, max_tokens_per_doc };
      expect((await running.post('/v2/rerank', body)).status).toBe(200);
    }
  });

  test('/info and /health', async () => {
    const info = await (await fetch(url('/info'))).json();
    expect(info).toMatchObject({ model_id: 'mini', model_dtype: 'fp32', max_input_length: 128 });
    expect(info).toHaveProperty('model_type.reranker');
    const health = await fetch(url('/health'));
    expect([health.status, await health.text()]).toEqual([200, '']);
    expect((await fetch(url('/health'), { method: 'HEAD' })).status).toBe(200);
  });
});

describe('a path that several APIs have', () => {
  const body = { query: QUERY, documents: TEXTS };
  const shapeOf = async (running: TestServer, fields: object, headers = {}) =>
    Object.keys((await (await running.post('/v1/rerank', { ...body, ...fields }, headers)).json()) as object);

  test('is told apart by fields, models and clients', async () => {
    expect(await shapeOf(running, { model: 'jina-reranker-v2-base-multilingual' })).toEqual([
      'model',
      'usage',
      'results',
    ]);
    expect(await shapeOf(running, { model: 'x', top_k: 2 })).toEqual(['object', 'data', 'model', 'usage']);
    expect(await shapeOf(running, { model: 'rerank-english-v3.0' })).toEqual(['id', 'results', 'meta']);
    expect(await shapeOf(running, { model: 'x' }, { 'user-agent': 'cohere/5.0' })).toEqual([
      'id',
      'results',
      'meta',
    ]);
  });

  test('is the one that api names where nothing tells', async () => {
    expect(await shapeOf(running, {})).toEqual(['model', 'usage', 'results']);
    await using cohere = await asDisposable(startServer({ api: 'cohere-v1' }));
    expect(await shapeOf(cohere, {})).toEqual(['id', 'results', 'meta']);
    expect(await shapeOf(cohere, { top_k: 2, model: 'x' })).toEqual(['object', 'data', 'model', 'usage']);
  });

  test('/rerank is TEI with texts, vLLM with documents', async () => {
    const tei = await (await running.post('/rerank', { query: QUERY, texts: TEXTS })).json();
    expect(Array.isArray(tei)).toBe(true);
    const vllm = await (await running.post('/rerank', body)).json();
    expect(vllm).toMatchObject({ id: expect.any(String), results: expect.any(Array) });
  });
});

describe('models', () => {
  const rank = (running: TestServer, model: string) =>
    running.post('/v1/rerank', { model, query: QUERY, documents: TEXTS });

  test('one is taken for any name, and answers with its own', async () => {
    const answer = await rank(running, 'BAAI/bge-reranker-v2-m3');
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ model: 'mini' });
  });

  test('strictModel, or a second one, makes names count', async () => {
    for (const options of [
      { strictModel: true },
      { models: [`${fixture('bert')}=mini`, `${fixture('electra')}=other`] },
    ]) {
      await using strict = await asDisposable(startServer(options));
      expect((await rank(strict, 'mini')).status).toBe(200);
      const unknown = await rank(strict, 'evil\r\nset-cookie: a=b');
      expect(unknown.status).toBe(422); // as Jina has it
      expect(unknown.headers.get('set-cookie')).toBeNull();
      expect(JSON.stringify(await unknown.json())).toMatch(/served are|served/);
    }
  });

  test('a model of the other kind is refused by name', async () => {
    const answer = await rank(running, 'embedder');
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(JSON.stringify(await answer.json())).toMatch(/embed/);
  });

  test('of one kind alone leave the other kind unsupported', async () => {
    await using rerankers = await asDisposable(startServer({ embedders: [] }));
    const answer = await rerankers.post('/embed', { inputs: 'a' });
    expect(answer.status).toBe(424);
    expect(await answer.json()).toMatchObject({ error_type: 'Backend' });
  });

  test('are loaded once by the first of many requests where the server is lazy', async () => {
    await using lazy = await asDisposable(startServer({ lazy: true, embedders: [] }));
    const [model] = lazy.pool.list();
    expect(model?.info()).toBeUndefined();
    const answers = await Promise.all(Array.from({ length: 8 }, () => rank(lazy, 'mini')));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(model?.loaded).toBe(true);
  });

  test('that cannot be loaded are an error of the server, without its path, and are tried again', async () => {
    await using broken = await asDisposable(startServer({ lazy: true, models: ['/no/such/folder=gone'] }));
    for (let i = 0; i < 2; i++) {
      const answer = await rank(broken, 'gone');
      expect(answer.status).toBe(500);
      expect(await answer.text()).not.toContain('/no/such');
    }
    expect((await broken.post('/embed', { inputs: 'a' })).status).toBe(200);
    await expect(createServer({ models: ['/no/such/folder'] })).rejects.toMatchObject({
      code: 'ERR_MODEL_NOT_FOUND',
    });
  });

  test('are listed as OpenAI lists them', async () => {
    const { data } = (await (await fetch(url('/v1/models'))).json()) as { data: { id: string }[] };
    expect(data.map(({ id }) => id)).toEqual(['mini', 'embedder']);
  });

  test('are told one by one as OpenAI tells them, whether slashes of a name are escaped or not', async () => {
    const slashed = await startServer({ models: [`${fixture('bert')}=org/mini`] });
    try {
      for (const path of ['org/mini', 'org%2Fmini']) {
        const answer = await fetch(`${slashed.url}/v1/models/${path}`);
        expect(await answer.json()).toMatchObject({ id: 'org/mini', object: 'model' });
      }
      const unknown = await fetch(`${slashed.url}/v1/models/org/other`);
      expect(unknown.status).toBe(404);
      expect(await unknown.json()).toMatchObject({
        error: { code: 'model_not_found', message: expect.stringContaining('org/other') },
      });
    } finally {
      await slashed.server.close();
    }
  });

  test('are the embedded ones where none is named', async () => {
    const server = await createServer({ port: 0 });
    try {
      const address = await server.listen();
      const { data } = (await (await fetch(`${address}/v1/models`)).json()) as { data: { id: string }[] };
      expect(data.map(({ id }) => id)).toEqual([DEFAULT_RERANKER, DEFAULT_EMBEDDER]);
    } finally {
      await server.close();
    }
  });
});

describe('every answer', () => {
  test('has a request id: the client’s where it is sound, else a new one', async () => {
    const id = async (sent?: string) =>
      (
        await fetch(url('/health'), sent === undefined ? {} : { headers: { 'x-request-id': sent } })
      ).headers.get('x-request-id');
    expect(await id('abc-123')).toBe('abc-123');
    expect(await id()).toMatch(/^[\da-f-]{36}$/);
    expect(await id('a b <script>')).toMatch(/^[\da-f-]{36}$/);
    expect(await id('x'.repeat(500))).toMatch(/^[\da-f-]{36}$/);
  });

  test('forbids a browser to make anything else of it', async () => {
    const { headers } = await running.post('/rerank', { query: QUERY, texts: TEXTS });
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(headers.get('access-control-allow-origin')).toBeNull();
    expect(headers.get('server-timing')).toMatch(/^tokenize;dur=[\d.]+, queue;dur=/);
  });

  test('to what is not there is in the shape of an API', async () => {
    const nowhere = await fetch(url('/nowhere'));
    expect(nowhere.status).toBe(404);
    expect(await nowhere.json()).toMatchObject({ error: expect.any(String) });
    const method = await fetch(url('/rerank'));
    expect([method.status, method.headers.get('allow')]).toEqual([405, 'POST']);
    const type = await fetch(url('/rerank'), { method: 'POST', body: 'query=a' });
    expect(type.status).toBe(415);
  });
});

test('pages of named origins may call, no others', async () => {
  await using open = await asDisposable(startServer({ cors: ['https://search.example'] }));
  const preflight = (origin: string) =>
    fetch(`${open.url}/rerank`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      },
    });
  expect((await preflight('https://search.example')).headers.get('access-control-allow-origin')).toBe(
    'https://search.example',
  );
  expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).not.toBe(
    'https://evil.example',
  );
});

test('keys are asked for everywhere but at /health', async () => {
  await using closed = await asDisposable(
    startServer({ apiKeys: ['first-key', 'second-key'], protectMetrics: true }),
  );
  const status = async (headers: Record<string, string>) =>
    (await closed.post('/rerank', { query: QUERY, texts: TEXTS }, headers)).status;
  expect(await status({})).toBe(401);
  expect(await status({ authorization: 'Bearer first-ke' })).toBe(401);
  expect(await status({ authorization: 'Bearer first-keyx' })).toBe(401);
  expect(await status({ authorization: 'Basic first-key' })).toBe(401);
  expect(await status({ authorization: 'Bearer first-key' })).toBe(200);
  expect(await status({ authorization: 'bearer second-key' })).toBe(200);
  expect(await status({ 'x-api-key': 'second-key' })).toBe(200);
  expect((await fetch(`${closed.url}/health`)).status).toBe(200);
  expect((await fetch(`${closed.url}/v1/models`)).status).toBe(401);
  const refused = await closed.post('/v2/rerank', { model: 'a', query: QUERY, documents: TEXTS });
  expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  expect(await refused.json()).toMatchObject({ message: expect.stringMatching(/API key/) });
});

test.each<[string, object, RegExp]>([
  ['a misspelt option', { prot: 1 }, /Unknown option "prot"/],
  ['a port that is none', { port: 70_000 }, /port/],
  ['an API that is none', { api: 'coher' }, /one of 'tei'/],
  ['a key with a space', { apiKeys: ['a b'] }, /apiKeys/],
  ['an origin with a path', { cors: ['https://a.example/b'] }, /cors/],
  ['two models of one name', { models: [fixture('bert'), fixture('bert')] }, /ALIAS/],
  ['an alias that is no name', { models: [`${fixture('bert')}=<b>`] }, /cannot be the name/],
  ['a model option that is none', { engine: { precison: 'int8' } }, /Unknown option "precison"/],
])('%s is refused', async (_, options, message) => {
  await expect(createServer(options)).rejects.toThrow(message);
});

async function asDisposable(starting: Promise<TestServer>): Promise<TestServer & AsyncDisposable> {
  const started = await starting;
  return { ...started, [Symbol.asyncDispose]: () => started.server.close() };
}
