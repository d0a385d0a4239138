import type { RankAnswer } from '../calls';
import type { Body, Dialect, JsonSchema, Reading } from '../dialect';
import { RequestFailure } from '../failure';
import { checkTexts, rerankResponse, SOME_TEXT, writeRerank } from './cohere';
import { EXAMPLE, OPTIONAL_MODEL, QUERY, rankCall, returnDocuments, TOP_N } from './hosted-body';
import { claimRerank, rerankClaimSchema } from './hosted-claim';
import { STATUSES } from './statuses';

type Document = string | Readonly<Record<string, unknown>>;

interface RerankBody {
  model?: string | null;
  query: string;
  documents: Document[];
  top_n?: number | null;
  rank_fields?: string[] | null;
  return_documents?: boolean | null;
}

const DEFAULT_FIELDS = ['text'];
/** Each is looked for in each document. */
const MAX_FIELDS = 64;

const TEXT_FIELD: JsonSchema = {
  type: 'object',
  required: ['text'],
  properties: { text: { type: 'string' } },
};
const SOME_TEXT_FIELD: JsonSchema = { type: 'object', required: ['text'], properties: { text: SOME_TEXT } };

/** What the fields hold that `rank_fields` names, no schema can tell. */
const BY_RANK_FIELDS: JsonSchema = {
  required: ['rank_fields'],
  properties: {
    rank_fields: { type: 'array', minItems: 1 },
    documents: { contains: { anyOf: [SOME_TEXT, { type: 'object' }], description: SOME_TEXT.description } },
  },
};

const BY_TEXT: JsonSchema = {
  properties: {
    rank_fields: { type: ['array', 'null'], maxItems: 0 },
    documents: {
      items: { anyOf: [{ type: 'string' }, TEXT_FIELD] },
      contains: { anyOf: [SOME_TEXT, SOME_TEXT_FIELD], description: SOME_TEXT.description },
    },
  },
};

const REQUEST: JsonSchema = {
  type: 'object',
  required: ['query', 'documents'],
  anyOf: [BY_RANK_FIELDS, BY_TEXT],
  properties: {
    model: OPTIONAL_MODEL,
    query: QUERY,
    documents: {
      type: 'array',
      minItems: 1,
      items: { anyOf: [{ type: 'string' }, { type: 'object' }] },
      description: 'Texts, or objects with the text in the fields that `rank_fields` names.',
    },
    top_n: TOP_N,
    rank_fields: {
      type: ['array', 'null'],
      maxItems: MAX_FIELDS,
      items: { type: 'string' },
      default: DEFAULT_FIELDS,
      description:
        'Fields of document objects that are ranked by, joined in this order by line breaks. Those a document has not ' +
        'are left out; it needs one of them, and they are texts.',
    },
    return_documents: returnDocuments(false),
    max_chunks_per_doc: {
      type: ['integer', 'null'],
      minimum: 1,
      description: 'Taken and without effect: documents are cut where the model ends.',
    },
  },
};

export const cohereV1: Dialect = {
  name: 'cohere-v1',
  title: 'Cohere v1',
  endpoints: [
    {
      path: '/v1/rerank',
      operationId: 'cohereV1Rerank',
      summary: 'Rank documents by their relevance to a query',
      requestSchema: REQUEST,
      responseSchema: rerankResponse({
        type: 'object',
        description: 'As it was sent; a text becomes an object with the field `text`.',
      }),
      example: { model: 'rerank-english-v3.0', ...EXAMPLE, top_n: 2, return_documents: true },
      claim: (body, headers) => claimRerank('cohere', body, headers),
      claimSchema: rerankClaimSchema('cohere'),
      read,
    },
  ],
  writeError: (failure) => ({ status: STATUSES[failure.kind], body: { message: failure.message } }),
  errorSchema: {
    type: 'object',
    required: ['message'],
    properties: { message: { type: 'string' } },
  },
};

function read(body: Body): Reading {
  const { model, query, documents, top_n, rank_fields, return_documents } = body as unknown as RerankBody;
  const fields = rank_fields?.length ? rank_fields : DEFAULT_FIELDS;
  const texts = documents.map((document, index) => textOf(document, index, fields));
  checkTexts(texts);
  const sent = () =>
    documents.map((document) => (typeof document === 'string' ? { text: document } : document));
  return {
    call: rankCall({ model, query, documents: texts, topN: top_n }),
    write: (answer) =>
      writeRerank(answer as RankAnswer, '1', documents.length, return_documents ? sent() : undefined),
  };
}

/** The API's documentation has the values of the fields read one after the other, and does not say what is between them. */
function textOf(document: Document, index: number, fields: readonly string[]): string {
  if (typeof document === 'string') return document;
  const present = fields.filter((field) => Object.hasOwn(document, field));
  if (present.length === 0)
    throw invalid(index, 'has none of the fields it is to be ranked by, see rank_fields');
  const values = present.map((field) => document[field]);
  if (values.every((value) => typeof value === 'string')) return values.join('\n');
  throw invalid(index, 'has something else than text in a field it is to be ranked by, see rank_fields');
}

function invalid(index: number, what: string): RequestFailure {
  return new RequestFailure('invalid', `documents[${index}] ${what}`, { field: `documents[${index}]` });
}
