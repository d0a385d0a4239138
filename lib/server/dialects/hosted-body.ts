import type { RankCall } from '../calls';
import type { Body, JsonSchema } from '../dialect';

/**
 * What the rerank APIs of Jina, Cohere and Voyage have in common. Their clients send `null` for what was not set, so each
 * optional field may be null.
 */

export const MODEL: JsonSchema = {
  type: 'string',
  description:
    'Name of a model. Any name is taken where one model is served, unless the server is strict about it.',
};
export const OPTIONAL_MODEL: JsonSchema = { ...MODEL, type: ['string', 'null'] };

export const QUERY: JsonSchema = { type: 'string', description: 'What the documents are ranked for.' };

export const TOP_N: JsonSchema = {
  type: ['integer', 'null'],
  minimum: 1,
  description: 'Return the best so many results; more than there are documents is all of them, as is null.',
};

export function returnDocuments(byDefault: boolean): JsonSchema {
  return {
    type: ['boolean', 'null'],
    default: byDefault,
    description: 'Whether results carry the document as well.',
  };
}

/** Of a document in its list. */
export const INDEX: JsonSchema = {
  type: 'integer',
  minimum: 0,
  description: 'Position of the document in the request, from 0.',
};
export const RELEVANCE_SCORE: JsonSchema = {
  type: 'number',
  minimum: 0,
  maximum: 1,
  description: 'Sigmoid of what the model says of query and document.',
};

export const TOTAL_TOKENS: JsonSchema = {
  type: 'object',
  required: ['total_tokens'],
  properties: { total_tokens: { type: 'integer', minimum: 0 } },
};

export const EXAMPLE: Body = {
  query: 'What is the capital of the United States?',
  documents: [
    'Carson City is the capital city of the American state of Nevada.',
    'Washington, D.C. is the capital of the United States.',
    'Capital punishment has existed in the United States since before it was a country.',
  ],
};

interface Ranking {
  model?: string | null | undefined;
  query: string;
  documents: readonly string[];
  topN: number | null | undefined;
  maxTokens?: number | undefined;
  tooLong?: RankCall['tooLong'];
}

/** The call of a body; scores of these APIs lie between 0 and 1. */
export function rankCall({ model, query, documents, topN, maxTokens, tooLong }: Ranking): RankCall {
  return {
    kind: 'rank',
    model: model ?? undefined,
    query,
    documents,
    // JSON has no integers, and 1e300 is one to JSON Schema.
    topK: topN == null ? undefined : Math.min(topN, documents.length),
    scores: 'sigmoid',
    maxTokens,
    tooLong: tooLong ?? 'truncate',
  };
}
