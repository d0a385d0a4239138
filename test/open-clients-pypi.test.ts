import { largestDifference } from './support/embedders';
import { DOCUMENTS, EMBEDDER_NAME, KEY, MAX_DOCUMENTS, NAME, QUERY } from './support/hosted-servers';
import { DIMENSIONS, type OpenServers, startOpenServers } from './support/open-servers';
import { describeWith, pythonClients, runPython } from './support/python-clients';

const CLIENTS = pythonClients([
  'openai==3.57.0',
  'langchain-openai==1.7.4',
  'huggingface_hub==1.33.0',
  'llama-index-embeddings-text-embeddings-inference==0.6.0',
  'llama-index-postprocessor-tei-rerank==0.6.0',
  'llama-index-postprocessor-jinaai-rerank==0.6.0',
]);

let servers: OpenServers;
beforeAll(async () => {
  servers = await startOpenServers();
});
afterAll(() => servers.close());

/** What a script of `test/support/clients` got from the three servers. */
async function run(folder: string, script: string): Promise<Record<string, unknown>> {
  const { url, strictUrl, busyUrl } = servers;
  const texts = { query: QUERY, documents: DOCUMENTS, too_many: MAX_DOCUMENTS + 1, dimensions: DIMENSIONS };
  const input = {
    url,
    strict_url: strictUrl,
    busy_url: busyUrl,
    key: KEY,
    embedder: EMBEDDER_NAME,
    ...texts,
  };
  return (await runPython(folder, `clients/${script}`, input)) as Record<string, unknown>;
}

/** The library's numbers, to all digits that a float has. */
function expectEqual(actual: unknown, expected: readonly ArrayLike<number>[]): void {
  expect(largestDifference(actual as number[][], expected)).toBeLessThan(1e-6);
}

function expectRanked(actual: unknown, count = DOCUMENTS.length): void {
  const expected = servers.ranked.slice(0, count);
  const got = actual as [index: number, score: number][];
  expect(got.map(([index]) => index)).toEqual(expected.map(([index]) => index));
  expectEqual([got.map(([, score]) => score)], [expected.map(([, score]) => score)]);
}

const saying = (text: string) => expect.stringContaining(text);

describeWith(CLIENTS, 'openai, and OpenAIEmbeddings of langchain', (folder) => {
  test('embed as the library does, come back to a full queue, and have errors of their own', async () => {
    const asked = servers.asked();
    const got = await run(folder, 'openai_embeddings.py');
    const { embeddings, short, tokens } = servers;
    for (const name of ['default', 'float', 'base64', 'async', 'langchain'])
      expectEqual(got[name], embeddings);
    for (const name of ['short', 'langchain_short']) expectEqual(got[name], short);
    for (const name of ['retried', 'langchain_retried', 'after_busy']) expectEqual(got[name], embeddings);
    // Twice for each that came back, once for the call that did not, and once for the next.
    expect(servers.asked() - asked).toBe(6);
    expect(got.usage).toEqual({ prompt_tokens: tokens, total_tokens: tokens });
    expect(got).toMatchObject({
      model: EMBEDDER_NAME,
      models: [NAME, EMBEDDER_NAME],
      retrieved: EMBEDDER_NAME,
    });
    const refused = (type: string, status: number, code: string | null, text: string) => {
      return { type, status, code, message: saying(text), retry_after: null };
    };
    const bad = (text: string, code: string | null = null) => refused('BadRequestError', 400, code, text);
    expect(got.errors).toEqual({
      key: refused('AuthenticationError', 401, 'invalid_api_key', 'API key'),
      model: refused('NotFoundError', 404, 'model_not_found', EMBEDDER_NAME),
      many: bad(`${MAX_DOCUMENTS}`),
      long: bad('long', 'context_length_exceeded'),
      empty: bad('input'),
      ids: bad('input'),
      dimensions: bad('dimensions'),
      busy: {
        ...refused('RateLimitError', 429, 'rate_limit_exceeded', 'come back'),
        retry_after: expect.stringMatching(/^[1-9]\d*$/),
      },
    });
  });
});

describeWith(CLIENTS, 'InferenceClient of huggingface_hub', (folder) => {
  test('embeds and compares as the library does, and has errors of its own', async () => {
    const got = await run(folder, 'huggingface_inference.py');
    const { embeddings, short } = servers;
    for (const name of ['root', 'pipeline', 'async', 'after_busy']) expectEqual(got[name], embeddings);
    expectEqual(got.short, short);
    expectEqual([got.one as number[]], embeddings.slice(0, 1));
    expectEqual([got.cosines as number[]], [servers.cosines]);
    const scores = got.scores as number[];
    const order = scores.map((_, index) => index).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
    expect(order).toEqual(servers.ranked.map(([index]) => index));
    expect(got.errors).toEqual({
      key: { status: 401, message: saying('API key') },
      model: { status: 404, message: saying(EMBEDDER_NAME) },
      many: { status: 400, message: saying(`${MAX_DOCUMENTS}`) },
      long: { status: 400, message: saying('long') },
      busy: { status: 429, message: saying('come back') },
    });
  });
});

describeWith(CLIENTS, "LlamaIndex's clients of text-embeddings-inference and Jina", (folder) => {
  test('embed and rank as the library does, and say what was refused', async () => {
    const got = await run(folder, 'llamaindex_models.py');
    for (const name of ['embeddings', 'later']) expectEqual(got[name], servers.embeddings);
    expectEqual([got.one as number[]], servers.embeddings.slice(0, 1));
    expectRanked(got.tei);
    expectRanked(got.tei_best, 2);
    expectRanked(got.jina, 2);
    expect(got.jina_errors).toEqual({ key: saying('API key'), model: saying(NAME) });
  });
});
