import { InferenceClient, InferenceClientProviderApiError } from '@huggingface/inference';
import { OpenAIEmbeddings } from '@langchain/openai';
import OpenAI, { APIError } from 'openai';
import { largestDifference } from './support/embedders';
import { DOCUMENTS, EMBEDDER_NAME, KEY, MAX_DOCUMENTS, NAME, QUERY } from './support/hosted-servers';
import { DIMENSIONS, type OpenServers, startOpenServers } from './support/open-servers';

const MANY = Array<string>(MAX_DOCUMENTS + 1).fill('a');
const LONG = 'word '.repeat(2000);

let servers: OpenServers;
beforeAll(async () => {
  servers = await startOpenServers();
});
afterAll(() => servers.close());

/** The library's numbers, to all digits that a float has. */
function expectEqual(actual: readonly ArrayLike<number>[], expected: readonly ArrayLike<number>[]): void {
  expect(largestDifference(actual, expected)).toBeLessThan(1e-6);
}

async function caught<E>(kind: abstract new (...args: never) => E, call: PromiseLike<unknown>): Promise<E> {
  try {
    await call;
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
  throw new Error('the call was answered');
}

describe('OpenAI', () => {
  const client = (url: string, apiKey = KEY) => new OpenAI({ apiKey, baseURL: `${url}/v1` });
  const EMBED = { input: DOCUMENTS, model: 'text-embedding-3-small' };

  /** What it makes of a refusal: its own error, with our message in it. */
  async function refusal(call: PromiseLike<unknown>): Promise<object> {
    const error = await caught<APIError>(APIError, call);
    const { status, code, type, message } = error;
    const retryAfter = (error.headers as Headers | undefined)?.get('retry-after') ?? undefined;
    return { kind: error.constructor.name, status, code, type, message, retryAfter };
  }

  test.each(['float', undefined] as const)('embeds as the library does, as %s', async (encoding_format) => {
    const { data, model, usage } = await client(servers.url).embeddings.create({ ...EMBED, encoding_format });
    expectEqual(
      data.map(({ embedding }) => embedding),
      servers.embeddings,
    );
    expect(data.map(({ index }) => index)).toEqual(DOCUMENTS.map((_, index) => index));
    expect(model).toBe(EMBEDDER_NAME);
    expect(usage).toEqual({ prompt_tokens: servers.tokens, total_tokens: servers.tokens });
  });

  test('embeds as the library does, as base64 and with fewer dimensions', async () => {
    const { embeddings } = client(servers.url);
    const encoded = await embeddings.create({ ...EMBED, encoding_format: 'base64' });
    const bytes = encoded.data.map(({ embedding }) => Buffer.from(embedding as unknown as string, 'base64'));
    expectEqual(
      bytes.map((each) => Float32Array.from({ length: each.length / 4 }, (_, i) => each.readFloatLE(i * 4))),
      servers.embeddings,
    );
    const short = await embeddings.create({ ...EMBED, dimensions: DIMENSIONS });
    expectEqual(
      short.data.map(({ embedding }) => embedding),
      servers.short,
    );
    const one = await embeddings.create({ ...EMBED, input: DOCUMENTS[0] as string, user: 'somebody' });
    expectEqual(
      one.data.map(({ embedding }) => embedding),
      servers.embeddings.slice(0, 1),
    );
  });

  test('lists the models', async () => {
    const names: string[] = [];
    for await (const { id } of client(servers.url).models.list()) names.push(id);
    expect(names).toEqual([NAME, EMBEDDER_NAME]);
    expect(await client(servers.url).models.retrieve(EMBEDDER_NAME)).toMatchObject({
      id: EMBEDDER_NAME,
      object: 'model',
    });
    expect(await refusal(client(servers.url).models.retrieve('none-such'))).toMatchObject({
      kind: 'NotFoundError',
      code: 'model_not_found',
      message: expect.stringContaining('none-such'),
    });
  });

  test('has errors of its own for what is refused', async () => {
    const { url, strictUrl, busyUrl } = servers;
    const create = (body: object) => client(url).embeddings.create({ ...EMBED, ...body });
    expect(await refusal(client(url, 'wrong').embeddings.create(EMBED))).toMatchObject({
      kind: 'AuthenticationError',
      code: 'invalid_api_key',
      message: expect.stringContaining('API key'),
    });
    expect(await refusal(client(strictUrl).embeddings.create(EMBED))).toMatchObject({
      kind: 'NotFoundError',
      code: 'model_not_found',
      message: expect.stringContaining(EMBEDDER_NAME),
    });
    const bad = { kind: 'BadRequestError', type: 'invalid_request_error' };
    expect(await refusal(create({ input: MANY }))).toMatchObject({
      ...bad,
      message: expect.stringContaining(`${MAX_DOCUMENTS}`),
    });
    expect(await refusal(create({ input: [LONG] }))).toMatchObject({
      ...bad,
      code: 'context_length_exceeded',
    });
    for (const body of [{ input: [] }, { input: '' }, { input: [[1, 2, 3]] }]) {
      expect(await refusal(create(body))).toMatchObject({
        ...bad,
        message: expect.stringContaining('input'),
      });
    }
    expect(await refusal(create({ dimensions: 100_000 }))).toMatchObject({
      ...bad,
      message: expect.stringContaining('dimensions'),
    });
    const once = client(busyUrl).embeddings.create(EMBED, { maxRetries: 0 });
    expect(await refusal(once)).toMatchObject({
      kind: 'RateLimitError',
      code: 'rate_limit_exceeded',
      retryAfter: expect.stringMatching(/^[1-9]\d*$/),
    });
    // The next one finds the queue empty, so that every other one still finds it full.
    await client(busyUrl).embeddings.create(EMBED, { maxRetries: 0 });
  });

  test('comes back to a full queue by itself', async () => {
    const asked = servers.asked();
    const { data } = await client(servers.busyUrl).embeddings.create(EMBED);
    expectEqual(
      data.map(({ embedding }) => embedding),
      servers.embeddings,
    );
    expect(servers.asked() - asked).toBe(2);
  });
});

describe('OpenAIEmbeddings of LangChain', () => {
  const embeddings = (url: string, more = {}) =>
    new OpenAIEmbeddings({ apiKey: KEY, configuration: { baseURL: `${url}/v1` }, ...more });

  test('embeds as the library does, and comes back to a full queue by itself', async () => {
    expectEqual(await embeddings(servers.url).embedDocuments(DOCUMENTS), servers.embeddings);
    const short = embeddings(servers.url, { dimensions: DIMENSIONS, batchSize: 2 });
    expectEqual(await short.embedDocuments(DOCUMENTS), servers.short);
    const asked = servers.asked();
    expectEqual(
      [await embeddings(servers.busyUrl).embedQuery(DOCUMENTS[0] as string)],
      [servers.embeddings[0] as number[]],
    );
    expect(servers.asked() - asked).toBe(2);
  });
});

describe('InferenceClient', () => {
  const inference = new InferenceClient(KEY);

  async function refusal(call: PromiseLike<unknown>): Promise<object> {
    const { message, httpResponse } = await caught(InferenceClientProviderApiError, call);
    return { status: httpResponse.status, message };
  }

  test('embeds as the library does, whatever the address', async () => {
    const model = `${servers.url}/models/any/name`;
    for (const endpointUrl of [servers.url, model, `${model}/pipeline/feature-extraction`]) {
      const embeddings = await inference.featureExtraction({ endpointUrl, inputs: DOCUMENTS });
      expectEqual(embeddings as number[][], servers.embeddings);
    }
    const endpointUrl = servers.url;
    const one = await inference.featureExtraction({ endpointUrl, inputs: DOCUMENTS[0] as string });
    expectEqual([one as number[]], servers.embeddings.slice(0, 1));
    const short = { endpointUrl, inputs: DOCUMENTS, dimensions: DIMENSIONS, normalize: true };
    expectEqual((await inference.featureExtraction(short)) as number[][], servers.short);
  });

  test('compares sentences by their embeddings where the address says so, else by the reranker', async () => {
    const inputs = { source_sentence: QUERY, sentences: DOCUMENTS };
    const model = `${servers.url}/models/any/name`;
    const cosines = await inference.sentenceSimilarity({
      endpointUrl: `${model}/pipeline/sentence-similarity`,
      inputs,
    });
    expectEqual([cosines], [servers.cosines]);
    const scores = await inference.sentenceSimilarity({ endpointUrl: model, inputs });
    const order = scores.map((_, index) => index).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0));
    expect(order).toEqual(servers.ranked.map(([index]) => index));
  });

  test('has an error of its own for what is refused', async () => {
    const inputs = DOCUMENTS;
    const { url, strictUrl, busyUrl } = servers;
    expect(
      await refusal(new InferenceClient('wrong').featureExtraction({ endpointUrl: url, inputs })),
    ).toMatchObject({ status: 401, message: expect.stringContaining('API key') });
    const unknown = { endpointUrl: `${strictUrl}/models/none/such`, inputs };
    expect(await refusal(inference.featureExtraction(unknown))).toMatchObject({
      status: 404,
      message: expect.stringContaining(EMBEDDER_NAME),
    });
    expect(
      await refusal(inference.featureExtraction({ endpointUrl: url, inputs: [LONG], truncate: false })),
    ).toMatchObject({ status: 400, message: expect.stringContaining('long') });
    expect(await refusal(inference.featureExtraction({ endpointUrl: url, inputs: MANY }))).toMatchObject({
      status: 400,
      message: expect.stringContaining(`${MAX_DOCUMENTS}`),
    });
    // It does not come back by itself.
    expect(await refusal(inference.featureExtraction({ endpointUrl: busyUrl, inputs }))).toMatchObject({
      status: 429,
      message: expect.stringContaining('come back'),
    });
    expectEqual(
      (await inference.featureExtraction({ endpointUrl: busyUrl, inputs })) as number[][],
      servers.embeddings,
    );
  });
});
