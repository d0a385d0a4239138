import { createRequire } from 'node:module';
import { CohereRerank } from '@langchain/cohere';
import { CohereClient, CohereClientV2, CohereError } from 'cohere-ai';
import { VoyageAIClient, VoyageAIError } from 'voyageai';
import { Embedder } from '../lib';
import { largestDifference } from './support/embedders';
import {
  DOCUMENTS,
  EMBEDDER_NAME,
  type HostedServers,
  KEY,
  MAX_DOCUMENTS,
  NAME,
  QUERY,
  startHostedServers,
} from './support/hosted-servers';

const BODY = { query: QUERY, documents: DOCUMENTS };
const MANY = Array<string>(MAX_DOCUMENTS + 1).fill('a');

let servers: HostedServers;
beforeAll(async () => {
  servers = await startHostedServers();
});
beforeEach(() => servers.reset());
afterAll(() => servers.close());

/** The library's ranks, and its scores to all digits that a float has. */
function expectRanked(
  results: readonly { index?: number; relevanceScore?: number }[] | undefined,
  count = DOCUMENTS.length,
): void {
  expect(results?.map(({ index }) => index)).toEqual(
    servers.expected.slice(0, count).map(([index]) => index),
  );
  results?.forEach(({ relevanceScore }, rank) => {
    expect(Math.abs((relevanceScore as number) - (servers.expected[rank]?.[1] as number))).toBeLessThan(1e-6);
  });
}

/** What the client makes of a refusal: its own error, with our message in it. */
async function refusal(call: () => PromiseLike<unknown>): Promise<Record<string, unknown>> {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof CohereError || error instanceof VoyageAIError)) throw error;
    const { statusCode, rawResponse } = error;
    const body = error.body as { message?: string; detail?: string };
    const retryAfter = rawResponse?.headers.get('retry-after') ?? undefined;
    return { type: error.constructor.name, statusCode, said: body.message ?? body.detail, retryAfter };
  }
  throw new Error('the call was answered');
}

describe('CohereClient', () => {
  const client = (url: string, token = KEY) => new CohereClient({ token, environment: url });

  test('ranks as the library does', async () => {
    const response = await client(servers.url).rerank({ ...BODY, model: 'rerank-english-v3.0' });
    expectRanked(response.results);
    expect(response.results.map(({ document }) => document)).toEqual(DOCUMENTS.map(() => undefined));
    expect(response.meta).toMatchObject({ apiVersion: { version: '1' }, billedUnits: { searchUnits: 1 } });
    expect(response.id).toMatch(/./);
  });

  test('gets back the best documents as it sent them', async () => {
    const documents = DOCUMENTS.map((text, at) => ({ text, title: `T${at}` }));
    const options = { topN: 2, returnDocuments: true, rankFields: ['text'], maxChunksPerDoc: 1 };
    const { results } = await client(servers.url).rerank({ query: QUERY, documents, ...options });
    expectRanked(results, 2);
    expect(results.map(({ document }) => document)).toEqual(
      results.map(({ index }) => ({ text: DOCUMENTS[index], title: `T${index}` })),
    );
  });

  test('has errors of its own for what is refused', async () => {
    const { url, strictUrl, busyUrl } = servers;
    const once = { maxRetries: 0 };
    expect(await refusal(() => client(url, 'wrong').rerank(BODY))).toMatchObject({
      type: 'UnauthorizedError',
      said: expect.stringContaining('API key'),
    });
    expect(await refusal(() => client(url).rerank({ query: QUERY, documents: [] }))).toMatchObject({
      type: 'BadRequestError',
      said: expect.stringContaining('documents'),
    });
    expect(await refusal(() => client(url).rerank({ query: QUERY, documents: MANY }))).toMatchObject({
      type: 'BadRequestError',
      said: expect.stringContaining(`${MAX_DOCUMENTS}`),
    });
    expect(await refusal(() => client(strictUrl).rerank({ ...BODY, model: 'none-such' }))).toMatchObject({
      type: 'NotFoundError',
      said: expect.stringContaining(NAME),
    });
    expect(await refusal(() => client(busyUrl).rerank(BODY, once))).toMatchObject({
      type: 'TooManyRequestsError',
      retryAfter: '1',
    });
  });

  test('comes back to a full queue when it is told to', async () => {
    expectRanked((await client(servers.busyUrl).rerank(BODY)).results);
    expect(servers.asked()).toBe(2);
  });
});

describe('CohereClientV2', () => {
  const client = (url: string, token = KEY) => new CohereClientV2({ token, environment: url });
  const V2 = { ...BODY, model: 'rerank-v3.5' };

  test('ranks as the library does', async () => {
    const response = await client(servers.url).rerank(V2);
    expectRanked(response.results);
    expect(response.meta).toMatchObject({ apiVersion: { version: '2' }, billedUnits: { searchUnits: 1 } });
    expectRanked((await client(servers.url).rerank({ ...V2, topN: 2, maxTokensPerDoc: 4096 })).results, 2);
    expectRanked((await client(servers.url).rerank({ ...V2, topN: 1000, priority: 5 })).results);
  });

  test('has errors of its own for what is refused', async () => {
    const { url, strictUrl, busyUrl } = servers;
    expect(await refusal(() => client(url, 'wrong').rerank(V2))).toMatchObject({ type: 'UnauthorizedError' });
    expect(await refusal(() => client(url).rerank({ ...V2, topN: 0 }))).toMatchObject({
      type: 'UnprocessableEntityError',
      said: expect.stringContaining('top_n'),
    });
    expect(await refusal(() => client(url).rerank({ ...V2, documents: MANY }))).toMatchObject({
      type: 'BadRequestError',
    });
    expect(await refusal(() => client(strictUrl).rerank(V2))).toMatchObject({ type: 'NotFoundError' });
    expect(await refusal(() => client(busyUrl).rerank(V2, { maxRetries: 0 }))).toMatchObject({
      type: 'TooManyRequestsError',
      retryAfter: '1',
    });
    expectRanked((await client(busyUrl).rerank(V2)).results);
  });
});

describe('VoyageAIClient', () => {
  const client = (url: string, apiKey = KEY) => new VoyageAIClient({ apiKey, environment: `${url}/v1` });
  const VOYAGE = { ...BODY, model: 'rerank-2.5' };

  test('ranks as the library does', async () => {
    const response = await client(servers.url).rerank(VOYAGE);
    expectRanked(response.data);
    expect(response).toMatchObject({ object: 'list', model: NAME, usage: { totalTokens: servers.tokens } });
    expect(response.data?.map(({ document }) => document)).toEqual(DOCUMENTS.map(() => undefined));
  });

  test('gets back the best documents', async () => {
    const { data } = await client(servers.url).rerank({ ...VOYAGE, topK: 2, returnDocuments: true });
    expectRanked(data, 2);
    expect(data?.map(({ document }) => document)).toEqual(
      data?.map(({ index }) => DOCUMENTS[index as number]),
    );
  });

  test('is known by its headers, whatever it asks for', async () => {
    const { data } = await client(servers.url).rerank({ ...BODY, model: 'jina-reranker-v3' });
    expectRanked(data);
  });

  test('has errors of its own for what is refused', async () => {
    const { url, strictUrl, busyUrl } = servers;
    const type = 'VoyageAIError';
    expect(await refusal(() => client(url, 'wrong').rerank(VOYAGE))).toMatchObject({ type, statusCode: 401 });
    expect(await refusal(() => client(url).rerank({ ...VOYAGE, documents: ['a', ''] }))).toMatchObject({
      type,
      statusCode: 400,
      said: expect.stringContaining('documents'),
    });
    const long = { ...VOYAGE, documents: ['a '.repeat(2000)] };
    expectRanked((await client(url).rerank({ ...VOYAGE, truncation: false })).data);
    expect((await client(url).rerank(long)).data).toHaveLength(1);
    expect(await refusal(() => client(url).rerank({ ...long, truncation: false }))).toMatchObject({
      type,
      statusCode: 400,
    });
    expect(await refusal(() => client(url).rerank({ ...VOYAGE, documents: MANY }))).toMatchObject({
      statusCode: 400,
    });
    expect(await refusal(() => client(strictUrl).rerank(VOYAGE))).toMatchObject({
      statusCode: 400,
      said: expect.stringContaining(NAME),
    });
    expect(await refusal(() => client(busyUrl).rerank(VOYAGE, { maxRetries: 0 }))).toMatchObject({
      statusCode: 429,
      retryAfter: '1',
    });
    expectRanked((await client(busyUrl).rerank(VOYAGE)).data);
  });
});

describe("VoyageAIClient's embed", () => {
  const client = (url: string) => new VoyageAIClient({ apiKey: KEY, environment: `${url}/v1` });

  test('embeds as the library does, and has errors of its own', async () => {
    await using embedder = await Embedder.load();
    const voyage = client(servers.url);
    const embed = { input: DOCUMENTS, model: 'voyage-3.5', inputType: 'document' } as const;
    const { data, model } = await voyage.embed(embed);
    const embeddings = (data ?? []).map(({ embedding }) => embedding as number[]);
    expect(largestDifference(embeddings, await embedder.embed(DOCUMENTS, { kind: 'document' }))).toBeLessThan(
      1e-6,
    );
    expect(data?.map(({ index }) => index)).toEqual(DOCUMENTS.map((_, index) => index));
    expect(model).toBe(EMBEDDER_NAME);
    expect(await refusal(() => voyage.embed({ ...embed, outputDtype: 'int8' }))).toMatchObject({
      type: 'VoyageAIError',
      statusCode: 400,
      said: expect.stringContaining('output_dtype'),
    });
    expect(await refusal(() => voyage.embed({ ...embed, outputDimension: 100_000 }))).toMatchObject({
      statusCode: 400,
      said: expect.stringContaining('dimension'),
    });
  });
});

describe('CohereRerank of LangChain', () => {
  const documents = DOCUMENTS.map((pageContent, at) => ({ pageContent, metadata: { at } }));
  // It has a client of its own, of an older version.
  const its = createRequire(require.resolve('@langchain/cohere'))('cohere-ai') as typeof import('cohere-ai');

  test('ranks as the library does', async () => {
    const client = new its.CohereClient({ token: KEY, environment: servers.url }) as never;
    const options = { client, model: 'rerank-english-v3.0', topN: 2, maxChunksPerDoc: 10 };
    const compressor = new CohereRerank(options);
    expectRanked(await compressor.rerank(DOCUMENTS, QUERY), 2);
    const best = await compressor.compressDocuments(documents, QUERY);
    expectRanked(
      best.map(({ metadata }) => ({ index: metadata.at, relevanceScore: metadata.relevanceScore })),
      2,
    );
  });
});
