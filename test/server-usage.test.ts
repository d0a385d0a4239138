import { EMBEDDER_NAME, NAME } from './support/hosted-servers';
import { startServer, type TestServer } from './support/server';

const QUERY = 'Which planet is known as the Red Planet?';
const TEXTS = ['Bread is made of flour and water.', 'Mars is often called the Red Planet.'];
/** A ligature of one UTF-16 unit that both models read as 18 letters: few units, and more tokens than they take. */
const LIGATURES = '\uFDFA'.repeat(150);

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ models: [NAME], embedders: [EMBEDDER_NAME] });
});
afterAll(() => server.server.close());

async function ask(path: string, body: object): Promise<{ status: number; json: Record<string, unknown> }> {
  const answer = await server.post(path, body);
  return { status: answer.status, json: (await answer.json()) as Record<string, unknown> };
}

test.each([
  ['Jina', '/v1/rerank', { model: 'jina-reranker-v2', query: QUERY, documents: TEXTS }],
  ['Voyage', '/v1/rerank', { model: 'rerank-2', query: 'which is red?', documents: TEXTS, top_k: 1 }],
  ['vLLM, ranking', '/rerank', { query: 'which one?', documents: TEXTS }],
  ['vLLM, scoring', '/score', { text_1: 'what is it?', text_2: [...TEXTS, TEXTS[0]] }],
  ['OpenAI', '/v1/embeddings', { input: TEXTS }],
  ['Jina, embedding', '/v1/embeddings', { task: 'retrieval.query', input: TEXTS }],
  ['Voyage, embedding', '/v1/embeddings', voyageEmbeddings(TEXTS)],
])('the usage of %s is the same when scores are there already', async (_, path, body) => {
  const first = await ask(path, body);
  expect(first.status).toBe(200);
  const { total_tokens } = first.json.usage as { total_tokens: number };
  expect(total_tokens).toBeGreaterThan(10);
  expect((await ask(path, body)).json.usage).toEqual(first.json.usage);
});

test.each([
  ['TEI, ranking', '/rerank', { query: QUERY, texts: [LIGATURES], truncate: false }],
  ['TEI, embedding', '/embed', { inputs: [LIGATURES], truncate: false }],
  ['OpenAI', '/v1/embeddings', { input: [TEXTS[0], LIGATURES] }],
  ['vLLM', '/score', { text_1: QUERY, text_2: [TEXTS[0], LIGATURES] }],
  ['Voyage, which wants only the best', '/v1/rerank', voyage([...TEXTS, LIGATURES])],
  ['Hugging Face', '/', { inputs: [[QUERY, LIGATURES]], parameters: { truncate: false } }],
])('%s refuses what is too long only as the model reads it', async (_, path, body) => {
  const { status, json } = await ask(path, body);
  expect([400, 413]).toContain(status);
  expect(JSON.stringify(json)).toContain('is longer than the 512 that are read');
});

test('what is not too long is ranked as far as it is wanted', async () => {
  const { json } = await ask('/v1/rerank', voyage(TEXTS));
  expect(json.data).toMatchObject([{ index: 1 }]);
});

function voyage(documents: readonly (string | undefined)[]): object {
  return { model: 'rerank-2', query: QUERY, documents, top_k: 1, truncation: false };
}

function voyageEmbeddings(input: readonly string[]): object {
  return { model: 'voyage-3.5', input, truncation: true, input_type: 'document' };
}
