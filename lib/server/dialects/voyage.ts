import type { RankAnswer } from '../calls';
import type { Body, Dialect, JsonSchema, Reading } from '../dialect';
import {
  EXAMPLE,
  INDEX,
  MODEL,
  QUERY,
  RELEVANCE_SCORE,
  rankCall,
  returnDocuments,
  TOP_N,
  TOTAL_TOKENS,
} from './hosted-body';
import { claimRerank, rerankClaimSchema } from './hosted-claim';
import { STATUSES } from './statuses';
import { voyageEmbeddings } from './voyage-embeddings';

interface RerankBody {
  model: string;
  query: string;
  documents: string[];
  top_k?: number | null;
  return_documents?: boolean | null;
  truncation?: boolean | null;
}

/** As the API does, this refuses empty texts, and arguments that it does not know: `top_n` would else return everything. */
const REQUEST: JsonSchema = {
  type: 'object',
  required: ['query', 'documents', 'model'],
  additionalProperties: false,
  properties: {
    query: { ...QUERY, minLength: 1 },
    documents: { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } },
    model: MODEL,
    top_k: TOP_N,
    return_documents: returnDocuments(false),
    truncation: {
      type: ['boolean', 'null'],
      default: true,
      description: 'Whether texts too long for the model are cut; false: they are refused.',
    },
  },
};

const RESPONSE: JsonSchema = {
  type: 'object',
  required: ['object', 'data', 'model', 'usage'],
  properties: {
    object: { const: 'list' },
    data: {
      type: 'array',
      items: {
        type: 'object',
        required: ['relevance_score', 'index'],
        properties: { relevance_score: RELEVANCE_SCORE, index: INDEX, document: { type: 'string' } },
      },
    },
    model: { type: 'string' },
    usage: TOTAL_TOKENS,
  },
};

export const voyage: Dialect = {
  name: 'voyage',
  title: 'Voyage',
  endpoints: [
    {
      path: '/v1/rerank',
      operationId: 'voyageRerank',
      summary: 'Rank documents by their relevance to a query',
      requestSchema: REQUEST,
      responseSchema: RESPONSE,
      example: { ...EXAMPLE, model: 'rerank-2.5', top_k: 2 },
      claim: (body, headers) => claimRerank('voyage', body, headers),
      claimSchema: rerankClaimSchema('voyage'),
      read,
    },
    voyageEmbeddings,
  ],
  // Its documentation has 400 for all that is wrong with a body, the model's name included.
  writeError: (failure) => ({
    status: { ...STATUSES, 'unknown-model': 400, unsupported: 400 }[failure.kind],
    body: { detail: failure.message },
  }),
  errorSchema: {
    type: 'object',
    required: ['detail'],
    properties: { detail: { type: 'string' } },
  },
};

function read(body: Body): Reading {
  const { model, query, documents, top_k, return_documents, truncation } = body as unknown as RerankBody;
  const tooLong = truncation === false ? 'refuse' : 'truncate';
  return {
    call: rankCall({ model, query, documents, topN: top_k, tooLong }),
    write: (answer) => write(answer as RankAnswer, return_documents ? documents : undefined),
  };
}

function write({ model, tokens, results }: RankAnswer, documents: readonly string[] | undefined): unknown {
  return {
    object: 'list',
    data: results.map(({ index, score }) => ({
      relevance_score: score,
      index,
      ...(documents && { document: documents[index] }),
    })),
    model,
    usage: { total_tokens: tokens },
  };
}
