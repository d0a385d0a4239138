import { Ajv2020 } from 'ajv/dist/2020';
import type { RankAnswer, RankCall } from '../lib/server/calls';
import type { Dialect, Endpoint } from '../lib/server/dialect';
import { cohereV1 } from '../lib/server/dialects/cohere-v1';
import { cohereV2 } from '../lib/server/dialects/cohere-v2';
import { jina } from '../lib/server/dialects/jina';
import { voyage } from '../lib/server/dialects/voyage';
import { checkBody } from '../lib/server/dispatch';
import { type FailureKind, RequestFailure } from '../lib/server/failure';
import { limitedSchema } from '../lib/server/limits';

const DIALECTS = [jina, cohereV1, cohereV2, voyage];
const ajv = new Ajv2020({ allowUnionTypes: true, strictTypes: false, verbose: true });
const LIMITS = { maxDocuments: 100, maxDimensions: undefined };

const BODY = { model: 'm', query: 'q', documents: ['a', 'b', 'c'] };

function endpointOf(dialect: Dialect): Endpoint {
  return dialect.endpoints[0] as Endpoint;
}

function isValid(dialect: Dialect) {
  return ajv.compile(limitedSchema(endpointOf(dialect).requestSchema, LIMITS));
}

function allowed(dialect: Dialect, body: unknown): boolean {
  return isValid(dialect)(body) as boolean;
}

/** What a body that was sent asks for. */
function callOf(dialect: Dialect, body: Record<string, unknown>): RankCall {
  checkBody(isValid(dialect), body);
  return endpointOf(dialect).read(JSON.parse(JSON.stringify(body)), {}).call as RankCall;
}

/** What is answered to it, where all documents but the last are sent back in reverse. */
function answerTo(dialect: Dialect, body: Record<string, unknown>): unknown {
  const { call, write } = endpointOf(dialect).read(body, {});
  const { documents } = call as RankCall;
  const results = documents.slice(0, -1).map((_, index) => ({
    index,
    score: (index + 1) / documents.length,
    truncated: false,
    tokensLost: 0,
  }));
  const answer: RankAnswer = {
    kind: 'rank',
    model: 'served',
    id: 'id-1',
    results: results.reverse(),
    tokens: 42,
  };
  const written = write(answer);
  if (!ajv.validate(endpointOf(dialect).responseSchema, written)) throw new Error(ajv.errorsText());
  return written;
}

function errorOf(dialect: Dialect, kind: FailureKind): { status: number; body: unknown } {
  const answer = dialect.writeError(new RequestFailure(kind, 'What to do'), 'id-1');
  if (!ajv.validate(dialect.errorSchema, answer.body)) throw new Error(ajv.errorsText());
  return answer;
}

describe.each(DIALECTS.map((dialect) => [dialect.title, dialect] as const))('%s', (_, dialect) => {
  const limit = dialect === voyage ? 'top_k' : 'top_n';

  test('its example is a request', () => {
    const { example } = endpointOf(dialect);
    expect(allowed(dialect, example)).toBe(true);
    expect(callOf(dialect, example)).toMatchObject({ kind: 'rank', topK: example[limit] });
  });

  test('ranks all documents by the sigmoid, cut where need be', () => {
    const call = callOf(dialect, BODY);
    expect(call).toEqual({
      kind: 'rank',
      model: 'm',
      query: 'q',
      documents: ['a', 'b', 'c'],
      topK: undefined,
      scores: 'sigmoid',
      tooLong: 'truncate',
      maxTokens: dialect === cohereV2 ? 4096 : undefined,
    });
  });

  test('null is as good as nothing for what may be left out', () => {
    const { properties, required } = endpointOf(dialect).requestSchema as {
      properties: object;
      required: string[];
    };
    const optional = Object.keys(properties).filter((name) => !required.includes(name));
    expect(optional.length).toBeGreaterThan(2);
    const nulls = Object.fromEntries(optional.map((name) => [name, null]));
    const { model: _model, ...rest } = BODY;
    const body = required.includes('model') ? BODY : rest;
    expect(callOf(dialect, { ...body, ...nulls })).toEqual(callOf(dialect, body));
    expect(answerTo(dialect, { ...body, ...nulls })).toEqual(answerTo(dialect, body));
  });

  test.each([
    [1, 1],
    [3, 3],
    [4, 3],
    [1e300, 3],
  ])(`the best ${limit} %p of 3 are %p`, (asked, topK) => {
    expect(callOf(dialect, { ...BODY, [limit]: asked }).topK).toBe(topK);
  });

  test.each<[string, Record<string, unknown>]>([
    ['no query', { query: undefined }],
    ['a query of null', { query: null }],
    ['a query that is a number', { query: 7 }],
    ['no documents', { documents: undefined }],
    ['an empty list of documents', { documents: [] }],
    ['documents that are a text', { documents: 'a' }],
    ['documents that are an object', { documents: { text: 'a' } }],
    ['a document of null', { documents: ['a', null] }],
    ['a document that is a number', { documents: ['a', 1] }],
    ['a document that is a list', { documents: [['a']] }],
    ['a limit of 0', { [limit]: 0 }],
    ['a negative limit', { [limit]: -1 }],
    ['half a limit', { [limit]: 1.5 }],
    ['a limit that is a text', { [limit]: '2' }],
    ['a model that is a number', { model: 1 }],
    ['return_documents that is a text', { return_documents: 'yes' }],
  ])('refuses %s', (_name, change) => {
    const body = JSON.parse(JSON.stringify({ ...BODY, ...change }));
    expect(allowed(dialect, body)).toBe(false);
  });

  test('the same document twice is two documents, and any script is text', () => {
    const documents = ['数据库', '数据库', 'ﬁ\u0000\ud83d\ude00', ' '];
    expect(callOf(dialect, { ...BODY, documents }).documents).toEqual(documents);
  });

  test('every failure is written in its shape', () => {
    const kinds: [FailureKind, number][] = [
      ['too-large', 413],
      ['unauthorized', 401],
      ['not-found', 404],
      ['method', 405],
      ['media-type', 415],
      ['queue-full', 429],
      ['closing', 503],
      ['timeout', 504],
      ['internal', 500],
    ];
    for (const [kind, status] of kinds) expect(errorOf(dialect, kind).status).toBe(status);
  });
});

describe('Jina', () => {
  test('texts may be objects, and come back unless they are not wanted', () => {
    const body = { query: { text: 'q' }, documents: [{ text: 'a', id: 1 }, 'b', 'c'] };
    expect(callOf(jina, body)).toMatchObject({ model: undefined, query: 'q', documents: ['a', 'b', 'c'] });
    expect(answerTo(jina, body)).toEqual({
      model: 'served',
      usage: { total_tokens: 42 },
      results: [
        { index: 1, relevance_score: 2 / 3, document: { text: 'b' } },
        { index: 0, relevance_score: 1 / 3, document: { text: 'a' } },
      ],
    });
    expect(answerTo(jina, { ...body, return_documents: false })).toMatchObject({
      results: [
        { index: 1, relevance_score: 2 / 3 },
        { index: 0, relevance_score: 1 / 3 },
      ],
    });
    expect(JSON.stringify(answerTo(jina, { ...body, return_documents: false }))).not.toContain('document');
  });

  test('images and objects without text are refused, unknown fields are not', () => {
    expect(allowed(jina, { ...BODY, documents: [{ image: 'https://host/a.png' }] })).toBe(false);
    expect(allowed(jina, { ...BODY, documents: [{ text: null }] })).toBe(false);
    expect(allowed(jina, { ...BODY, truncate: 'END' })).toBe(true);
  });

  test('an empty query and empty documents are texts', () => {
    expect(callOf(jina, { query: '', documents: [''] })).toMatchObject({ query: '', documents: [''] });
  });

  test('what is wrong with a body is 422, the model included', () => {
    for (const kind of ['malformed', 'invalid', 'too-many', 'too-long', 'unknown-model'] as const) {
      expect(errorOf(jina, kind)).toEqual({ status: 422, body: { detail: 'What to do' } });
    }
  });
});

describe('Cohere v1', () => {
  const OBJECTS = [
    { title: 'T0', text: 'x0', year: 1999 },
    { title: 'T1', text: 'x1', author: 'A1' },
    { text: 'x2', nested: { deep: [1] } },
  ];

  test('objects are ranked by their text', () => {
    expect(callOf(cohereV1, { query: 'q', documents: OBJECTS }).documents).toEqual(['x0', 'x1', 'x2']);
    const empty = { query: 'q', documents: OBJECTS, rank_fields: [] };
    expect(callOf(cohereV1, empty).documents).toEqual(['x0', 'x1', 'x2']);
  });

  test('or by the fields asked for, in the order asked for, where they are', () => {
    const body = { query: 'q', documents: [...OBJECTS, 'plain'], rank_fields: ['author', 'text', 'title'] };
    expect(callOf(cohereV1, body).documents).toEqual(['x0\nT0', 'A1\nx1\nT1', 'x2', 'plain']);
  });

  test('documents come back only when they are wanted, and as they were', () => {
    const body = { query: 'q', documents: [...OBJECTS.slice(0, 1), 'plain', 'last'] };
    expect(answerTo(cohereV1, { ...body, return_documents: true })).toEqual({
      id: 'id-1',
      results: [
        { index: 1, relevance_score: 2 / 3, document: { text: 'plain' } },
        { index: 0, relevance_score: 1 / 3, document: OBJECTS[0] },
      ],
      meta: { api_version: { version: '1' }, billed_units: { search_units: 1 } },
    });
    expect(answerTo(cohereV1, body)).toMatchObject({
      results: [
        { index: 1, relevance_score: 2 / 3 },
        { index: 0, relevance_score: 1 / 3 },
      ],
    });
    expect(JSON.stringify(answerTo(cohereV1, body))).not.toContain('"document"');
  });

  test.each<[string, unknown[], string[] | undefined]>([
    ['without text', [{ text: 'x' }, { title: 'T' }], undefined],
    ['without any of the fields', [{ text: 'x' }], ['title', 'body']],
    ['that inherit the field', [{ text: 'x' }], ['constructor', 'toString']],
    ['with a number for text', [{ text: 1 }], undefined],
    ['with null for text', [{ text: null }], undefined],
    ['that say nothing', ['', ' \n', { text: '' }], undefined],
  ])('refuses documents %s', (_name, documents, rank_fields) => {
    const body = { query: 'q', documents, rank_fields };
    expect(() => callOf(cohereV1, body)).toThrow(expect.objectContaining({ kind: 'invalid' }));
  });

  test('one document that says something is enough, and a query need not', () => {
    expect(callOf(cohereV1, { query: '', documents: ['', 'a'] }).documents).toEqual(['', 'a']);
  });

  test('a search unit is a hundred documents', () => {
    const units = (count: number) => answerTo(cohereV1, { query: 'q', documents: Array(count).fill('a') });
    expect(units(100)).toMatchObject({ meta: { billed_units: { search_units: 1 } } });
    expect(units(101)).toMatchObject({ meta: { billed_units: { search_units: 2 } } });
  });

  test('fields are bounded, since each is looked for in each document', () => {
    const rank_fields = Array.from({ length: 65 }, (_, index) => `f${index}`);
    expect(allowed(cohereV1, { ...BODY, rank_fields })).toBe(false);
    expect(allowed(cohereV1, { ...BODY, rank_fields: rank_fields.slice(1) })).toBe(true);
    expect(allowed(cohereV1, { ...BODY, rank_fields: [1] })).toBe(false);
  });

  test('what is wrong with a body is 400, another model 404', () => {
    for (const kind of ['malformed', 'invalid', 'too-many'] as const) {
      expect(errorOf(cohereV1, kind)).toEqual({ status: 400, body: { message: 'What to do' } });
    }
    expect(errorOf(cohereV1, 'unknown-model').status).toBe(404);
    expect(errorOf(cohereV1, 'unsupported').status).toBe(422);
  });
});

describe('Cohere v2', () => {
  test('needs a model, texts and no field it does not know', () => {
    expect(allowed(cohereV2, { query: 'q', documents: ['a'] })).toBe(false);
    expect(allowed(cohereV2, { ...BODY, documents: [{ text: 'a' }] })).toBe(false);
    expect(allowed(cohereV2, { ...BODY, top_k: 1 })).toBe(false);
    expect(allowed(cohereV2, { ...BODY, rank_fields: ['text'] })).toBe(false);
  });

  test('texts are cut where asked', () => {
    expect(callOf(cohereV2, { ...BODY, max_tokens_per_doc: 100, priority: 3 }).maxTokens).toBe(100);
    expect(allowed(cohereV2, { ...BODY, max_tokens_per_doc: 0 })).toBe(false);
    expect(allowed(cohereV2, { ...BODY, priority: 1000 })).toBe(false);
  });

  test('answers as version 2, without documents', () => {
    expect(answerTo(cohereV2, BODY)).toEqual({
      id: 'id-1',
      results: [
        { index: 1, relevance_score: 2 / 3 },
        { index: 0, relevance_score: 1 / 3 },
      ],
      meta: { api_version: { version: '2' }, billed_units: { search_units: 1 } },
    });
  });

  test('gateways that ask for documents get them', () => {
    expect(answerTo(cohereV2, { ...BODY, return_documents: true })).toMatchObject({
      results: [{ document: { text: 'b' } }, { document: { text: 'a' } }],
    });
  });

  test('documents that say nothing are refused', () => {
    const body = { ...BODY, documents: ['', ' '] };
    expect(() => callOf(cohereV2, body)).toThrow(expect.objectContaining({ kind: 'invalid' }));
  });

  test('errors carry the id of the request; an invalid field is 422', () => {
    expect(errorOf(cohereV2, 'invalid')).toEqual({
      status: 422,
      body: { id: 'id-1', message: 'What to do' },
    });
    expect(errorOf(cohereV2, 'malformed').status).toBe(400);
    expect(errorOf(cohereV2, 'unknown-model').status).toBe(404);
  });
});

describe('Voyage', () => {
  test('needs a model, texts that are not empty and no argument it does not know', () => {
    expect(allowed(voyage, { query: 'q', documents: ['a'] })).toBe(false);
    expect(allowed(voyage, { ...BODY, query: '' })).toBe(false);
    expect(allowed(voyage, { ...BODY, documents: ['a', ''] })).toBe(false);
    expect(allowed(voyage, { ...BODY, documents: [{ text: 'a' }] })).toBe(false);
    expect(allowed(voyage, { ...BODY, top_n: 2 })).toBe(false);
  });

  test('without truncation, what is too long is refused', () => {
    expect(callOf(voyage, { ...BODY, truncation: false }).tooLong).toBe('refuse');
    expect(callOf(voyage, { ...BODY, truncation: true }).tooLong).toBe('truncate');
  });

  test('answers with a list, documents as texts where they are wanted', () => {
    const answer = {
      object: 'list',
      data: [
        { relevance_score: 2 / 3, index: 1 },
        { relevance_score: 1 / 3, index: 0 },
      ],
      model: 'served',
      usage: { total_tokens: 42 },
    };
    expect(answerTo(voyage, BODY)).toEqual(answer);
    expect(answerTo(voyage, { ...BODY, return_documents: true })).toMatchObject({
      data: [{ document: 'b' }, { document: 'a' }],
    });
  });

  test('what is wrong with a body is 400, the model included', () => {
    for (const kind of [
      'malformed',
      'invalid',
      'too-many',
      'too-long',
      'unknown-model',
      'unsupported',
    ] as const) {
      expect(errorOf(voyage, kind)).toEqual({ status: 400, body: { detail: 'What to do' } });
    }
  });
});

describe('/v1/rerank is claimed', () => {
  const SHARED = [jina, cohereV1, voyage];
  const claims = (body: Record<string, unknown>, headers: Record<string, string> = {}) =>
    SHARED.filter((dialect) => endpointOf(dialect).claim(body, headers) === 'certain').map(
      ({ name }) => name,
    );

  test.each<[string, Record<string, unknown>, Record<string, string>, string[]]>([
    ['by the client of Cohere for TypeScript', {}, { 'x-fern-sdk-name': 'cohere-ai' }, ['cohere-v1']],
    [
      'by the client of Cohere for Go',
      {},
      { 'user-agent': 'github.com/cohere-ai/cohere-go/v2/2.12.0' },
      ['cohere-v1'],
    ],
    ['by the name Cohere has clients give', {}, { 'x-client-name': 'my-cool-project' }, ['cohere-v1']],
    ['by the client of Voyage for TypeScript', {}, { 'user-agent': 'voyageai/0.4.0' }, ['voyage']],
    ['by top_k', { top_k: 3 }, {}, ['voyage']],
    ['by truncation, whatever its type', { truncation: [] }, {}, ['voyage']],
    ['by rank_fields', { rank_fields: null }, {}, ['cohere-v1']],
    ['by max_chunks_per_doc', { max_chunks_per_doc: 1 }, {}, ['cohere-v1']],
    ['by a model of Jina', { model: 'jina-reranker-v3' }, {}, ['jina']],
    ['by a model of Cohere', { model: 'rerank-v4.0-pro' }, {}, ['cohere-v1']],
    ['by an older model of Cohere', { model: 'rerank-multilingual-v3.0' }, {}, ['cohere-v1']],
    ['by a model of Voyage', { model: 'rerank-2.5-lite' }, {}, ['voyage']],
    ['by an older model of Voyage', { model: 'rerank-lite-1' }, {}, ['voyage']],
    ['by nobody, on the model we serve', { model: 'bge-reranker-v2-m3', top_n: 2 }, {}, []],
    ['by nobody, on a model that is no text', { model: ['jina-'] }, { 'user-agent': 'curl/8.5.0' }, []],
    ['by nobody, on what an object inherits', { query: 'q' }, {}, []],
  ])('%s', (_name, body, headers, expected) => {
    expect(claims(body, headers)).toEqual(expected);
  });

  test('by one of them at most: the client goes before the fields, and these before the model', () => {
    const body = { model: 'jina-reranker-v3', top_k: 1, rank_fields: ['text'] };
    expect(claims(body)).toEqual(['voyage']);
    expect(claims(body, { 'user-agent': 'cohere/7.3.1' })).toEqual(['cohere-v1']);
  });

  test('and is possible for all else', () => {
    expect(SHARED.map((dialect) => endpointOf(dialect).claim({}, {}))).toEqual(Array(3).fill('possible'));
  });
});
