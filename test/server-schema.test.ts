// What bodies are checked against is what the OpenAPI document says; and what no schema can tell, which
// test/support/schemathesis/hooks.py lists by its messages.

import { fixture } from './support/models';
import { startServer, type TestServer } from './support/server';

const MOST = 20;

let served: TestServer;
beforeAll(async () => {
  served = await startServer({ maxDocuments: MOST });
});
afterAll(() => served.server.close());

const ask = async (path: string, body: unknown, headers = {}) => {
  const response = await served.post(path, body, headers);
  return { status: response.status, text: await response.text() };
};
const list = (count: number) => Array.from({ length: count }, () => 'q');
const COHERE = { 'user-agent': 'cohere-python/5.0', 'x-client-name': 'x' };

test.each<[string, unknown, number, string]>([
  [
    '/score',
    { text_1: ['a', 'b'], text_2: ['a', 'b', 'c'] },
    400,
    'Input lengths must be either 1:1, 1:N or N:N, and text_1 has 2 texts and text_2 has 3.',
  ],
  [
    '/v1/rerank',
    { model: 'mini', query: 'a', documents: [{ x: '1' }], rank_fields: ['y'] },
    400,
    'documents[0] has none of the fields it is to be ranked by, see rank_fields',
  ],
  [
    '/v1/rerank',
    { model: 'mini', query: 'a', documents: [{ y: 1 }], rank_fields: ['y'] },
    400,
    'documents[0] has something else than text in a field it is to be ranked by, see rank_fields',
  ],
  [
    '/v1/rerank',
    { model: 'embedder', query: 'a', documents: ['x'] },
    422,
    'the model "embedder" is no reranker',
  ],
  ['/v1/embeddings', { model: 'mini', input: ['x'] }, 404, 'the model "mini" is no embedder'],
  [
    '/rerank',
    '{ "query": "a", "texts": ["x"], "__proto__": { "a": 1 } }',
    400,
    'the body has a key __proto__ or constructor',
  ],
  [
    '/rerank',
    `{ "query": "a", "texts": ["x"], "n": ${'['.repeat(200)}${']'.repeat(200)} }`,
    400,
    'the body is nested more than 32 deep',
  ],
  [
    '/score',
    { text_1: 'a', text_2: 'word '.repeat(900) },
    400,
    'a text of 904 tokens is longer than the 128 that are read',
  ],
])('%s refuses what its schema cannot: %j', async (path, body, status, message) => {
  const answer = await ask(path, body);
  expect(answer.status).toBe(status);
  expect(answer.text).toContain(JSON.stringify(message).slice(1, -1));
});

test('documents of nothing but white space are refused where Cohere refuses them', async () => {
  const body = { model: 'mini', query: 'a', documents: ['', ' '] };
  expect((await ask('/v2/rerank', body, COHERE)).status).toBe(422);
  const fields = { ...body, documents: [{ y: ' ' }], rank_fields: ['y'] };
  const answer = await ask('/v1/rerank', fields, COHERE);
  expect(answer).toMatchObject({ status: 400, text: expect.stringContaining('only empty strings') });
});

test('a body without what one API requires is for another that takes it, but a client stays its own', async () => {
  const body = { query: 'a', documents: ['x'] };
  expect(await ask('/v2/rerank', body)).toMatchObject({ status: 200 }); // vLLM
  const refused = await ask('/v2/rerank', body, COHERE);
  expect(refused).toMatchObject({ status: 422, text: expect.stringContaining('model') }); // Cohere needs one
});

test('lists are bounded in fields that are not read, too', async () => {
  const answer = await ask('/score', { text_1: 'a', text_2: 'b', queries: list(MOST + 1) });
  expect(answer).toMatchObject({
    status: 400,
    text: expect.stringContaining('21 queries are more than the 20'),
  });
});

test('as many sentences as documents may be compared with one', async () => {
  const path = '/models/embedder/pipeline/sentence-similarity';
  const compare = (count: number) => ask(path, { inputs: { source_sentence: 'a', sentences: list(count) } });
  const whole = await compare(MOST);
  expect(whole.status).toBe(200);
  expect(JSON.parse(whole.text)).toHaveLength(MOST);
  expect((await compare(MOST + 1)).status).toBeGreaterThanOrEqual(400);
});

test('dimensions are at most those of the embedder, in the document and in requests', async () => {
  const document = await (await fetch(`${served.url}/openapi.json`)).text();
  expect(document).toMatch(/"dimensions":\{[^}]*"maximum":64/);
  expect(await ask('/v1/embeddings', { model: 'embedder', input: ['x'], dimensions: 64 })).toMatchObject({
    status: 200,
  });
  const more = await ask('/v1/embeddings', { model: 'embedder', input: ['x'], dimensions: 65 });
  expect(more).toMatchObject({ status: 400, text: expect.stringContaining('from 1 to 64') });
});

test('an embedder that is not loaded yet bounds nothing in the document', async () => {
  const lazy = await startServer({
    models: [],
    embedders: [`${fixture('bert-embedder')}=embedder`],
    lazy: true,
  });
  try {
    const document = await (await fetch(`${lazy.url}/openapi.json`)).text();
    expect(document).toContain('"dimensions":');
    expect(document).not.toMatch(/"dimensions":\{[^}]*"maximum"/);
  } finally {
    await lazy.server.close();
  }
});

test.each(['/rerank', '/models/mini', '/pipeline/text-ranking/mini'])(
  '%s says which methods it has',
  async (path) => {
    const response = await fetch(served.url + path, { method: 'DELETE' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'POST']);
  },
);
