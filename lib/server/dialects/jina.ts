import type { RankAnswer } from '../calls';
import type { Body, Dialect, JsonSchema, Reading } from '../dialect';
import {
  EXAMPLE,
  INDEX,
  OPTIONAL_MODEL,
  QUERY,
  RELEVANCE_SCORE,
  rankCall,
  returnDocuments,
  TOP_N,
  TOTAL_TOKENS,
} from './hosted-body';
import { claimRerank, rerankClaimSchema } from './hosted-claim';
import { jinaEmbeddings } from './jina-embeddings';
import { TEXT, TEXT_OBJECT, type Text, textOf } from './jina-text';
import { STATUSES } from './statuses';

interface RerankBody {
  model?: string | null;
  query: Text;
  documents: Text[];
  top_n?: number | null;
  return_documents?: boolean | null;
}

const REQUEST: JsonSchema = {
  type: 'object',
  required: ['query', 'documents'],
  properties: {
    model: OPTIONAL_MODEL,
    query: { ...TEXT, description: QUERY.description },
    documents: { type: 'array', minItems: 1, items: TEXT },
    top_n: TOP_N,
    // It was true for years, and clients of then still read the text; one that does not want it can say so.
    return_documents: returnDocuments(true),
  },
};

const RESPONSE: JsonSchema = {
  type: 'object',
  required: ['model', 'usage', 'results'],
  properties: {
    model: { type: 'string' },
    usage: TOTAL_TOKENS,
    results: {
      type: 'array',
      items: {
        type: 'object',
        required: ['index', 'relevance_score'],
        properties: { index: INDEX, relevance_score: RELEVANCE_SCORE, document: TEXT_OBJECT },
      },
    },
  },
};

export const jina: Dialect = {
  name: 'jina',
  title: 'Jina',
  endpoints: [
    {
      path: '/v1/rerank',
      operationId: 'jinaRerank',
      summary: 'Rank documents by their relevance to a query',
      requestSchema: REQUEST,
      responseSchema: RESPONSE,
      example: { model: 'jina-reranker-v2-base-multilingual', ...EXAMPLE, top_n: 2 },
      claim: (body, headers) => claimRerank('jina', body, headers),
      claimSchema: rerankClaimSchema('jina'),
      read,
    },
    jinaEmbeddings,
  ],
  writeError: (failure) => ({
    status: { ...STATUSES, ...VALIDATION }[failure.kind],
    body: { detail: failure.message },
  }),
  errorSchema: {
    type: 'object',
    required: ['detail'],
    properties: { detail: { type: 'string' } },
  },
};

/** What FastAPI, which the API is built on, answers with 422, and so a model's name that is not in its list. */
const VALIDATION = {
  malformed: 422,
  invalid: 422,
  'too-many': 422,
  'too-long': 422,
  'unknown-model': 422,
};

function read(body: Body): Reading {
  const { model, query, documents, top_n, return_documents } = body as unknown as RerankBody;
  const texts = documents.map(textOf);
  const call = rankCall({ model, query: textOf(query), documents: texts, topN: top_n });
  const withDocuments = return_documents ?? true;
  return { call, write: (answer) => write(answer as RankAnswer, withDocuments ? texts : undefined) };
}

function write({ model, tokens, results }: RankAnswer, texts: readonly string[] | undefined): unknown {
  return {
    model,
    usage: { total_tokens: tokens },
    results: results.map(({ index, score }) => ({
      index,
      relevance_score: score,
      ...(texts && { document: { text: texts[index] } }),
    })),
  };
}
