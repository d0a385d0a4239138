import type { RankAnswer } from '../calls';
import type { Body, Dialect, JsonSchema, Reading } from '../dialect';
import { rerankResponse, SOME_TEXT, writeRerank } from './cohere';
import { EXAMPLE, MODEL, QUERY, rankCall, returnDocuments, TOP_N } from './hosted-body';
import { isCohere } from './hosted-claim';
import { STATUSES } from './statuses';

interface RerankBody {
  model: string;
  query: string;
  documents: string[];
  top_n?: number | null;
  max_tokens_per_doc?: number | null;
  return_documents?: boolean | null;
}

const DEFAULT_MAX_TOKENS = 4096;

/** As the API does, this refuses fields that it does not know: `top_k` would else return everything. */
const REQUEST: JsonSchema = {
  type: 'object',
  required: ['model', 'query', 'documents'],
  additionalProperties: false,
  properties: {
    model: MODEL,
    query: QUERY,
    documents: { type: 'array', minItems: 1, items: { type: 'string' }, contains: SOME_TEXT },
    top_n: TOP_N,
    max_tokens_per_doc: {
      type: ['integer', 'null'],
      minimum: 1,
      default: DEFAULT_MAX_TOKENS,
      description: 'Tokens where query and document together are cut, or where the model ends.',
    },
    priority: {
      type: ['integer', 'null'],
      minimum: 0,
      maximum: 999,
      description: 'Taken and without effect: all calls of a server are equal.',
    },
    // Not in the documentation any more, but gateways that speak v1 as well still send it.
    return_documents: returnDocuments(false),
  },
};

export const cohereV2: Dialect = {
  name: 'cohere-v2',
  title: 'Cohere v2',
  endpoints: [
    {
      path: '/v2/rerank',
      operationId: 'cohereV2Rerank',
      summary: 'Rank documents by their relevance to a query',
      requestSchema: REQUEST,
      responseSchema: rerankResponse({
        type: 'object',
        required: ['text'],
        properties: { text: { type: 'string' } },
      }),
      example: { model: 'rerank-v3.5', ...EXAMPLE, top_n: 2 },
      // vLLM has the path, too, and is sure of bodies with its own fields.
      claim: (_, headers) => (isCohere(headers) ? 'certain' : 'possible'),
      read,
    },
  ],
  writeError: (failure, requestId) => ({
    status: failure.kind === 'invalid' ? 422 : STATUSES[failure.kind],
    body: { id: requestId, message: failure.message },
  }),
  errorSchema: {
    type: 'object',
    required: ['id', 'message'],
    properties: { id: { type: 'string' }, message: { type: 'string' } },
  },
};

function read(body: Body): Reading {
  const { model, query, documents, top_n, max_tokens_per_doc, return_documents } =
    body as unknown as RerankBody;
  const maxTokens = max_tokens_per_doc ?? DEFAULT_MAX_TOKENS;
  const sent = () => documents.map((text) => ({ text }));
  return {
    call: rankCall({ model, query, documents, topN: top_n, maxTokens }),
    write: (answer) =>
      writeRerank(answer as RankAnswer, '2', documents.length, return_documents ? sent() : undefined),
  };
}
