import { join } from 'node:path';
import { Embedder, Reranker } from '../lib';
import { createServer, type Server } from '../lib/server';
import { ROOT } from './support/models';

const RERANKER = join(ROOT, 'models', 'crossrank-mini');
const EMBEDDER = join(ROOT, 'models', 'multilingual-e5-small-zh-en');
const QUERY = 'Which planet is known as the Red Planet?';
const TEXTS = ['Bread is made of flour and water.', 'Mars is often called the Red Planet.', ''];

let server: Server;
let reranker: Reranker;
let embedder: Embedder;

beforeAll(async () => {
  server = await createServer({ port: 0, models: [RERANKER], embedders: [EMBEDDER] });
  await server.listen();
  reranker = await Reranker.load(RERANKER);
  embedder = await Embedder.load(EMBEDDER);
});

afterAll(async () => {
  await server?.close();
  await reranker?.dispose();
  await embedder?.dispose();
});

async function post(path: string, body: unknown): Promise<{ status: number; json: unknown }> {
  const response = await fetch(server.address + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, json: await response.json() };
}

test("vLLM's scores and ranks are those of the library", async () => {
  const scores = Array.from(await reranker.predict(TEXTS.map((text): [string, string] => [QUERY, text])));
  for (const sides of [
    { text_1: QUERY, text_2: TEXTS },
    { queries: [QUERY], documents: TEXTS },
    { data_1: TEXTS.map(() => QUERY), data_2: TEXTS },
  ]) {
    const { json } = await post('/score', sides);
    expect(json).toMatchObject({
      object: 'list',
      data: scores.map((score, index) => ({ index, object: 'score', score })),
    });
  }
  const { results } = await reranker.rerank(QUERY, TEXTS, { topK: 2 });
  const { json } = await post('/rerank', { query: QUERY, documents: TEXTS, top_n: 2, model: null });
  expect((json as { results: unknown }).results).toEqual(
    results.map(({ index, score }) => ({
      index,
      document: { text: TEXTS[index], multi_modal: null },
      relevance_score: score,
    })),
  );
});

test('vLLM refuses what its /score refuses, in its own shape', async () => {
  const uneven = await post('/score', { text_1: ['a', 'b'], text_2: ['a', 'b', 'c'] });
  expect(uneven).toMatchObject({
    status: 400,
    json: { error: { type: 'BadRequestError', param: 'text_1', code: 400 } },
  });
  expect(await post('/score', { text_1: 'a' })).toMatchObject({ status: 400 });
  expect(await post('/rerank', { query: QUERY, documents: ['word '.repeat(2000)] })).toMatchObject({
    status: 400,
  });
});

test('OpenAI embeddings are those of the library, as numbers and as base64', async () => {
  const expected = (await embedder.embed(['Mars'])).map((embedding) => Array.from(embedding));
  const numbers = await post('/v1/embeddings', { input: 'Mars' });
  expect((numbers.json as { data: { embedding: unknown }[] }).data.map((each) => each.embedding)).toEqual(
    expected,
  );
  const encoded = await post('/v1/embeddings', { input: ['Mars'], encoding_format: 'base64' });
  const [first] = (encoded.json as { data: [{ embedding: string }] }).data;
  const bytes = Buffer.from(first.embedding, 'base64');
  const values = Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4));
  expect([values]).toEqual(expected);
});

test.each([[[1, 2]], [[[1, 2]]], [''], [[]], [null]])(
  'OpenAI embeddings refuse the input %j',
  async (input) => {
    expect(await post('/v1/embeddings', { input })).toMatchObject({
      status: 400,
      json: { error: { type: 'invalid_request_error', message: expect.stringContaining('input') } },
    });
  },
);

test('the task of a Hugging Face path decides, whatever slashes the name of the model has', async () => {
  const inputs = { source_sentence: QUERY, sentences: TEXTS };
  const scores = Array.from(await reranker.predict(TEXTS.map((text): [string, string] => [QUERY, text])));
  const [source, ...others] = (await embedder.embed([QUERY, ...TEXTS])) as [Float32Array, ...Float32Array[]];
  const cosines = others.map((other) =>
    source.reduce((sum, value, i) => sum + value * (other[i] as number), 0),
  );
  for (const path of ['/', '/predict', '/models/any/name', '/models/any/name/pipeline/text-ranking']) {
    expect((await post(path, { inputs })).json).toEqual(scores);
  }
  for (const path of [
    '/models/any/name/pipeline/sentence-similarity',
    '/pipeline/sentence-similarity/any/name',
  ]) {
    const { json } = await post(path, { inputs });
    (json as number[]).forEach((cosine, i) => {
      expect(cosine).toBeCloseTo(cosines[i] as number, 6);
    });
    expect(json).toHaveLength(TEXTS.length);
  }
});

test('Hugging Face ranking carries texts where they are asked for, and scores pairs', async () => {
  const { results } = await reranker.rerank(QUERY, TEXTS);
  const ranked = await post('/', {
    inputs: { query: QUERY, texts: TEXTS },
    parameters: { return_documents: true },
  });
  expect(ranked.json).toEqual({
    scores: results.map(({ index, score, document }) => ({ index, score, text: document })),
  });
  const pairs = await post('/', { inputs: TEXTS.map((text) => [QUERY, text]) });
  expect((pairs.json as { scores: number[] }).scores).toHaveLength(TEXTS.length);
  expect(await post('/', { inputs: { query: QUERY, texts: [] } })).toMatchObject({
    status: 400,
    json: { error: expect.any(String) },
  });
});

test('every path of every API is in the OpenAPI document with its examples, which work', async () => {
  const document = (await (await fetch(`${server.address}/openapi.json`)).json()) as {
    paths: Record<
      string,
      { post?: { requestBody: { content: { 'application/json': { examples: object } } } } }
    >;
  };
  for (const [path, { post: operation }] of Object.entries(document.paths)) {
    if (operation === undefined) continue;
    const { examples } = operation.requestBody.content['application/json'];
    for (const { value } of Object.values(examples) as { value: unknown }[]) {
      const { status } = await post(path.replace('{model}', 'any/name'), value);
      expect({ path, status }).toEqual({ path, status: 200 });
    }
  }
  expect(Object.keys(document.paths)).toEqual(
    expect.arrayContaining(['/health', '/v1/score', '/v1/embeddings']),
  );
});
