import type { RankAnswer } from '../calls';
import type { JsonSchema } from '../dialect';
import { RequestFailure } from '../failure';
import { INDEX, RELEVANCE_SCORE } from './hosted-body';

/** What Cohere's two versions have in common. */

/** Documents of one search unit, which is what the API counts by. */
const DOCUMENTS_PER_UNIT = 100;

/** Of a list of documents: the API refuses texts that say nothing at all. */
export const SOME_TEXT = {
  type: 'string',
  pattern: '\\S',
  description: 'a text that is not only whitespace',
} as const;

/** @param document - As results carry it where it was asked for */
export function rerankResponse(document: JsonSchema): JsonSchema {
  return {
    type: 'object',
    required: ['id', 'results', 'meta'],
    properties: {
      id: { type: 'string' },
      results: {
        type: 'array',
        items: {
          type: 'object',
          required: ['index', 'relevance_score'],
          properties: { index: INDEX, relevance_score: RELEVANCE_SCORE, document },
        },
      },
      meta: {
        type: 'object',
        required: ['api_version', 'billed_units'],
        properties: {
          api_version: {
            type: 'object',
            required: ['version'],
            properties: { version: { type: 'string' } },
          },
          billed_units: {
            type: 'object',
            required: ['search_units'],
            properties: { search_units: { type: 'integer', minimum: 1 } },
          },
        },
      },
    },
  };
}

/**
 * @param documentCount - Of the request
 * @param documents - What results carry; undefined: nothing
 */
export function writeRerank(
  { id, results }: RankAnswer,
  version: '1' | '2',
  documentCount: number,
  documents: readonly object[] | undefined,
): unknown {
  return {
    id,
    results: results.map(({ index, score }) => ({
      index,
      relevance_score: score,
      // A client that checks types takes no null for it.
      ...(documents && { document: documents[index] }),
    })),
    meta: {
      api_version: { version },
      billed_units: { search_units: Math.ceil(documentCount / DOCUMENTS_PER_UNIT) },
    },
  };
}

/** @throws RequestFailure where the API refuses texts that say nothing at all */
export function checkTexts(texts: readonly string[]): void {
  if (texts.every((text) => text.trim() === '')) {
    const message = 'list of documents must not contain only empty strings or only whitespace';
    throw new RequestFailure('invalid', message, { field: 'documents' });
  }
}
