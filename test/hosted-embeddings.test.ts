import { Ajv2020 } from 'ajv/dist/2020';
import type { EmbedAnswer } from '../lib/server/calls';
import type { Endpoint } from '../lib/server/dialect';
import { jinaEmbeddings } from '../lib/server/dialects/jina-embeddings';
import { voyageEmbeddings } from '../lib/server/dialects/voyage-embeddings';
import { checkBody } from '../lib/server/dispatch';
import { limitedSchema } from '../lib/server/limits';

const ajv = new Ajv2020({ allowUnionTypes: true, strictTypes: false, verbose: true });
const LIMITS = { maxDocuments: 100, maxDimensions: undefined };
const EMBEDDINGS = [Float32Array.of(0.6, -0.8), Float32Array.of(0, 1)];

function read(endpoint: Endpoint, body: Record<string, unknown>) {
  checkBody(ajv.compile(limitedSchema(endpoint.requestSchema, LIMITS)), body);
  return endpoint.read(body, {});
}

function answerTo(endpoint: Endpoint, body: Record<string, unknown>): unknown {
  const answer: EmbedAnswer = { kind: 'embed', model: 'served', id: 'i', embeddings: EMBEDDINGS, tokens: 9 };
  const written = read(endpoint, body).write(answer);
  if (!ajv.validate(endpoint.responseSchema, written)) throw new Error(ajv.errorsText());
  return JSON.parse(JSON.stringify(written));
}

const decoded = (text: string) => {
  const bytes = Buffer.from(text, 'base64');
  return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(4 * index));
};

const AS_NUMBERS = [
  { object: 'embedding', index: 0, embedding: Array.from(EMBEDDINGS[0] as Float32Array) },
  { object: 'embedding', index: 1, embedding: [0, 1] },
];

describe("Jina's embeddings", () => {
  test('are of texts, one or many, as they are or in objects', () => {
    const texts = (input: unknown) => read(jinaEmbeddings, { input }).call;
    const call = { kind: 'embed', role: undefined, normalize: true, tooLong: 'truncate' };
    expect(texts('a')).toMatchObject({ ...call, texts: ['a'] });
    expect(texts({ text: 'a' })).toMatchObject({ ...call, texts: ['a'] });
    expect(texts(['a', { text: 'b' }, ''])).toMatchObject({ ...call, texts: ['a', 'b', ''] });
    for (const input of [[], null, 1, [1], [[1, 2]], { image: 'x' }, [{ url: 'x' }]]) {
      expect(() => texts(input)).toThrow();
    }
  });

  test.each([
    ['retrieval.query', 'query'],
    ['code.query', 'query'],
    ['retrieval.passage', 'document'],
    ['passage', 'document'],
    ['text-matching', undefined],
    ['subquery', undefined],
    [null, undefined],
  ])('the task %p is the role %p', (task, role) => {
    expect(read(jinaEmbeddings, { input: 'a', task }).call).toMatchObject({ role });
  });

  test('are cut, shortened and scaled as asked', () => {
    const asked = { input: 'a', truncate: false, dimensions: 2, normalized: false };
    expect(read(jinaEmbeddings, asked).call).toMatchObject({
      tooLong: 'refuse',
      dimensions: 2,
      normalize: false,
    });
  });

  test('are numbers, or base64 where that is asked for', () => {
    const body = { input: ['a', 'b'], model: 'm' };
    const answer = { model: 'served', object: 'list', usage: { total_tokens: 9 } };
    expect(answerTo(jinaEmbeddings, body)).toEqual({ ...answer, data: AS_NUMBERS });
    const { data } = answerTo(jinaEmbeddings, { ...body, embedding_type: 'base64' }) as {
      data: { embedding: string }[];
    };
    expect(data.map(({ embedding }) => decoded(embedding))).toEqual(
      AS_NUMBERS.map(({ embedding }) => embedding),
    );
  });

  test('what this server has not is said', () => {
    const refused = (field: string) => expect.objectContaining({ kind: 'invalid', field });
    expect(() => read(jinaEmbeddings, { input: 'a', embedding_type: 'ubinary' })).toThrow(
      refused('embedding_type'),
    );
    expect(() => read(jinaEmbeddings, { input: 'a', late_chunking: true })).toThrow(refused('late_chunking'));
    expect(read(jinaEmbeddings, { input: 'a', late_chunking: false }).call.kind).toBe('embed');
  });
});

describe("Voyage's embeddings", () => {
  const BODY = { input: ['a', 'b'], model: 'm' };

  test('are of texts, one or many, for queries or documents', () => {
    expect(read(voyageEmbeddings, { ...BODY, input: 'a' }).call).toMatchObject({ texts: ['a'] });
    expect(read(voyageEmbeddings, { ...BODY, input_type: 'document' }).call).toMatchObject({
      texts: ['a', 'b'],
      role: 'document',
      normalize: true,
      tooLong: 'truncate',
    });
    const asked = { ...BODY, truncation: false, output_dimension: 2 };
    expect(read(voyageEmbeddings, asked).call).toMatchObject({ tooLong: 'refuse', dimensions: 2 });
    for (const wrong of [{ input: '' }, { input: [] }, { input: ['a', ''] }, { model: null }, { top: 1 }]) {
      expect(() => read(voyageEmbeddings, { ...BODY, ...wrong })).toThrow();
    }
    expect(() => read(voyageEmbeddings, { ...BODY, input_type: 'passage' })).toThrow();
  });

  test('are numbers, or base64 where that is asked for', () => {
    const answer = { model: 'served', object: 'list', usage: { total_tokens: 9 } };
    expect(answerTo(voyageEmbeddings, BODY)).toEqual({ ...answer, data: AS_NUMBERS });
    const { data } = answerTo(voyageEmbeddings, { ...BODY, encoding_format: 'base64' }) as {
      data: { embedding: string }[];
    };
    expect(decoded(data[1]?.embedding as string)).toEqual([0, 1]);
  });

  test('other types of numbers are said to be missing', () => {
    const asked = { ...BODY, output_dtype: 'int8' };
    expect(() => read(voyageEmbeddings, asked)).toThrow(
      expect.objectContaining({ kind: 'invalid', field: 'output_dtype' }),
    );
    expect(read(voyageEmbeddings, { ...BODY, output_dtype: 'float' }).call.kind).toBe('embed');
  });
});

describe('/v1/embeddings is claimed', () => {
  test.each<[string, Record<string, unknown>, Record<string, string>, string[]]>([
    ['by a task', { task: 'retrieval.query' }, {}, ['certain', 'no']],
    ['by a model of Jina', { model: 'jina-embeddings-v3' }, {}, ['certain', 'no']],
    ['by truncation', { truncation: true }, {}, ['no', 'certain']],
    ['by a model of Voyage', { model: 'voyage-3.5' }, {}, ['no', 'certain']],
    ['by the client of Voyage', {}, { 'x-fern-sdk-name': 'voyageai' }, ['no', 'certain']],
    ['by neither, as OpenAI has it', { input: 'a', model: 'text-embedding-3-small' }, {}, ['no', 'no']],
  ])('%s', (_name, body, headers, expected) => {
    expect([jinaEmbeddings, voyageEmbeddings].map(({ claim }) => claim(body, headers))).toEqual(expected);
  });

  test('by their examples', () => {
    for (const { example, claim, requestSchema } of [jinaEmbeddings, voyageEmbeddings]) {
      expect(ajv.validate(limitedSchema(requestSchema, LIMITS), example)).toBe(true);
      expect(claim(example, {})).toBe('certain');
    }
  });
});
