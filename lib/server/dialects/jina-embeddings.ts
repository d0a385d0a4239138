import type { EmbedAnswer, EmbedCall } from '../calls';
import type { Body, Endpoint, JsonSchema, Reading } from '../dialect';
import { EMBEDDING_DATA, embeddingData } from './embedding-data';
import { OPTIONAL_MODEL, TOTAL_TOKENS } from './hosted-body';
import { claimEmbeddings, embeddingsClaimSchema } from './hosted-claim';
import { TEXT, type Text, textOf } from './jina-text';
import { DIMENSIONS } from './schemas';

interface EmbeddingsBody {
  model?: string | null;
  input: Text | Text[];
  task?: string | null;
  dimensions?: number | null;
  normalized?: boolean | null;
  embedding_type?: 'float' | 'base64' | null;
  truncate?: boolean | null;
}

const REQUEST: JsonSchema = {
  type: 'object',
  required: ['input'],
  properties: {
    model: OPTIONAL_MODEL,
    input: { anyOf: [TEXT, { type: 'array', minItems: 1, items: TEXT }] },
    task: {
      type: ['string', 'null'],
      description:
        '`retrieval.query` and `retrieval.passage` put before each text what the model wants there; others put nothing.',
    },
    dimensions: DIMENSIONS,
    normalized: {
      type: ['boolean', 'null'],
      default: true,
      description: 'Whether embeddings are scaled to length 1.',
    },
    embedding_type: {
      enum: ['float', 'base64', null],
      default: 'float',
      description: '`binary` and `ubinary` of the hosted API are not there.',
    },
    truncate: {
      type: ['boolean', 'null'],
      // The API refuses what goes beyond its 8192 tokens. Most models here end before, and no client was written for that.
      default: true,
      description: 'Whether texts too long for the model are cut; false: they are refused.',
    },
    late_chunking: {
      enum: [false, null],
      default: false,
      description: '`true` of the hosted API is not there: send each chunk as a text.',
    },
  },
};

const RESPONSE: JsonSchema = {
  type: 'object',
  required: ['model', 'object', 'usage', 'data'],
  properties: {
    model: { type: 'string' },
    object: { const: 'list' },
    usage: TOTAL_TOKENS,
    data: EMBEDDING_DATA,
  },
};

export const jinaEmbeddings: Endpoint = {
  path: '/v1/embeddings',
  operationId: 'jinaEmbeddings',
  summary: 'Embed texts',
  requestSchema: REQUEST,
  responseSchema: RESPONSE,
  example: { model: 'jina-embeddings-v3', task: 'retrieval.query', input: ['What is a reranker?'] },
  claim: (body, headers) => claimEmbeddings('jina', body, headers),
  claimSchema: embeddingsClaimSchema('jina'),
  read,
};

function read(body: Body): Reading {
  const { model, input, task, dimensions, normalized, embedding_type, truncate } =
    body as unknown as EmbeddingsBody;
  const call: EmbedCall = {
    kind: 'embed',
    model: model ?? undefined,
    texts: (Array.isArray(input) ? input : [input]).map(textOf),
    role: roleOf(task),
    normalize: normalized ?? true,
    dimensions: dimensions ?? undefined,
    tooLong: truncate === false ? 'refuse' : 'truncate',
  };
  return { call, write: (answer) => write(answer as EmbedAnswer, embedding_type ?? 'float') };
}

/** Also of `code.query`, and of `query` alone, as newer models have it. */
function roleOf(task: string | null | undefined): EmbedCall['role'] {
  if (task == null) return undefined;
  if (/(^|\.)query$/.test(task)) return 'query';
  return /(^|\.)passage$/.test(task) ? 'document' : undefined;
}

function write(answer: EmbedAnswer, encoding: 'float' | 'base64'): unknown {
  return {
    model: answer.model,
    object: 'list',
    usage: { total_tokens: answer.tokens },
    data: embeddingData(answer, encoding),
  };
}
