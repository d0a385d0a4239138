import type { JsonSchema } from '../dialect';

/**
 * How OpenAI's API, and vLLM after it, write errors.
 * @param code - A word at OpenAI, the status at vLLM
 */
export function openAiError(code: JsonSchema): JsonSchema {
  return {
    type: 'object',
    required: ['error'],
    properties: {
      error: {
        type: 'object',
        required: ['message', 'type', 'param', 'code'],
        properties: {
          message: { type: 'string' },
          type: { type: 'string' },
          param: { type: ['string', 'null'] },
          code,
        },
      },
    },
  };
}
