import { Embedder } from '../lib';
import { largestDifference } from './support/embedders';
import {
  DOCUMENTS,
  type HostedServers,
  KEY,
  MAX_DOCUMENTS,
  NAME,
  QUERY,
  startHostedServers,
} from './support/hosted-servers';
import { describeWith, pythonClients, runPython } from './support/python-clients';

const CLIENTS = pythonClients([
  'cohere==7.3.1',
  'voyageai==0.5.0',
  'langchain-community==0.4.2',
  'langchain-voyageai==0.4.1',
]);
/** It needs an older client of Cohere. */
const LANGCHAIN_COHERE = pythonClients(['langchain-cohere==0.6.0']);

type Ranked = [index: number, score: number][];

let servers: HostedServers;
beforeAll(async () => {
  servers = await startHostedServers();
});
beforeEach(() => servers.reset());
afterAll(() => servers.close());

/** What a script of `test/support/clients` got from the three servers. */
async function run(folder: string, script: string): Promise<Record<string, unknown>> {
  const { url, strictUrl, busyUrl } = servers;
  const more = { key: KEY, query: QUERY, documents: DOCUMENTS, too_many: MAX_DOCUMENTS + 1 };
  const input = { url, strict_url: strictUrl, busy_url: busyUrl, ...more };
  return (await runPython(folder, `clients/${script}`, input)) as Record<string, unknown>;
}

/** The library's ranks, and its scores to all digits that a float has. */
function expectRanked(ranked: unknown, count = DOCUMENTS.length): void {
  const expected = servers.expected.slice(0, count);
  const got = ranked as Ranked;
  expect(got.map(([index]) => index)).toEqual(expected.map(([index]) => index));
  got.forEach(([, score], rank) => {
    expect(Math.abs(score - (expected[rank]?.[1] as number))).toBeLessThan(1e-6);
  });
}

const saying = (text: string) => expect.stringContaining(text);

describeWith(CLIENTS, 'cohere', (folder) => {
  test('ranks as the library does, comes back to a full queue, and has errors of its own', async () => {
    const got = await run(folder, 'cohere_rerank.py');
    for (const name of ['v1', 'v2', 'retried_v1', 'retried_v2']) expectRanked(got[name]);
    expect(servers.asked()).toBe(4);
    expectRanked(got.v2_best, 2);
    expect(got.v1_told).toEqual({ version: '1', units: 1, id: 'str' });
    expect(got.v2_told).toEqual({ version: '2', units: 1, id: 'str' });
    expect(got.v1_documents).toEqual(DOCUMENTS.map(() => null));
    expect(got.v1_returned).toEqual(
      servers.expected.slice(0, 2).map(([index]) => [index, { text: DOCUMENTS[index], title: `T${index}` }]),
    );
    const badKey = { type: 'UnauthorizedError', status: 401, message: saying('API key') };
    const badModel = { type: 'NotFoundError', status: 404, message: saying(NAME) };
    const many = { type: 'BadRequestError', status: 400, message: saying(`${MAX_DOCUMENTS}`) };
    expect(got.errors).toEqual({
      empty_v1: { type: 'BadRequestError', status: 400, message: saying('documents') },
      empty_v2: { type: 'UnprocessableEntityError', status: 422, message: saying('documents') },
      many_v1: many,
      many_v2: many,
      key_v1: badKey,
      key_v2: badKey,
      model_v1: badModel,
      model_v2: badModel,
    });
  });
});

describeWith(CLIENTS, 'voyageai', (folder) => {
  test('ranks as the library does, comes back to a full queue, and has errors of its own', async () => {
    const got = await run(folder, 'voyage_rerank.py');
    for (const name of ['all', 'async', 'retried']) expectRanked(got[name]);
    expectRanked(got.best, 2);
    expect(got.tokens).toBe(servers.tokens);
    // Twice for the call that came back, once for the call that did not.
    expect(servers.asked()).toBe(3);
    const wrong = (text: string) => ({ type: 'InvalidRequestError', status: 400, message: saying(text) });
    expect(got.errors).toEqual({
      empty: wrong('documents'),
      empty_text: wrong('documents'),
      many: wrong(`${MAX_DOCUMENTS}`),
      long: wrong('long'),
      key: { type: 'AuthenticationError', status: 401, message: saying('API key') },
      model: wrong(NAME),
      busy: { type: 'RateLimitError', status: 429, message: saying('waits') },
    });
  });
});

describeWith(CLIENTS, 'JinaRerank and VoyageAIRerank of langchain', (folder) => {
  test('rank as the library does, and say what was refused', async () => {
    const got = await run(folder, 'langchain_rerank.py');
    expectRanked(got.jina);
    expectRanked(got.jina_best, 2);
    expectRanked(got.voyage, 2);
    const [best] = got.jina_objects as { index: number; relevance_score: number }[];
    expectRanked([[best?.index, best?.relevance_score]], 1);
    expect(got.jina_errors).toEqual({
      key: saying('API key'),
      model: saying(NAME),
      many: saying(`${MAX_DOCUMENTS}`),
    });
  });
});

describeWith(CLIENTS, 'embed of voyageai and JinaEmbeddings of langchain', (folder) => {
  test('embed as the library does, and say what was refused', async () => {
    const got = await run(folder, 'hosted_embeddings.py');
    await using embedder = await Embedder.load();
    const plain = await embedder.embed(DOCUMENTS);
    const documents = await embedder.embed(DOCUMENTS, { kind: 'document' });
    const [query = new Float32Array()] = await embedder.embed([QUERY], { kind: 'query' });
    const short = Array.from(query.subarray(0, 64));
    const length = Math.hypot(...short);
    expect(largestDifference(got.documents as number[][], documents)).toBeLessThan(1e-6);
    expect(largestDifference(got.jina as number[][], plain)).toBeLessThan(1e-6);
    expect(largestDifference([got.short as number[]], [short.map((value) => value / length)])).toBeLessThan(
      1e-6,
    );
    expect(got.tokens).toBeGreaterThan(DOCUMENTS.length);
    expect(got.refused).toEqual(saying('output_dtype'));
  });
});

describeWith(LANGCHAIN_COHERE, 'CohereRerank of langchain', (folder) => {
  test('ranks as the library does, and says what was refused', async () => {
    const got = await run(folder, 'langchain_cohere_rerank.py');
    expectRanked(got.best, 2);
    expectRanked(got.all);
    expect(got.refused).toEqual(saying('only whitespace'));
  });
});
