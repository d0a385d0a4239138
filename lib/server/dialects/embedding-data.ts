import { encodeFloats } from '../../base64-floats';
import type { EmbedAnswer } from '../calls';
import type { JsonSchema } from '../dialect';

/** How OpenAI's API, and those that follow it, write embeddings. */

export const EMBEDDING_DATA: JsonSchema = {
  type: 'array',
  items: {
    type: 'object',
    required: ['object', 'index', 'embedding'],
    properties: {
      object: { const: 'embedding' },
      index: { type: 'integer', minimum: 0 },
      embedding: {
        anyOf: [
          { type: 'array', items: { type: 'number' } },
          { type: 'string', contentEncoding: 'base64' },
        ],
        description: 'Numbers, or as base64 the bytes of 32-bit floats, the lowest byte first.',
      },
    },
  },
};

export function embeddingData({ embeddings }: EmbedAnswer, encoding: 'float' | 'base64'): object[] {
  return embeddings.map((embedding, index) => ({
    object: 'embedding',
    index,
    embedding: encoding === 'base64' ? encodeFloats(embedding) : Array.from(embedding),
  }));
}
