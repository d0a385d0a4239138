import type { EmbedAnswer, EmbedCall } from '../calls';
import type { Body, Endpoint, JsonSchema, Reading } from '../dialect';
import { EMBEDDING_DATA, embeddingData } from './embedding-data';
import { MODEL, TOTAL_TOKENS } from './hosted-body';
import { claimEmbeddings, embeddingsClaimSchema } from './hosted-claim';
import { DIMENSIONS } from './schemas';

interface EmbeddingsBody {
  input: string | string[];
  model: string;
  input_type?: 'query' | 'document' | null;
  truncation?: boolean | null;
  output_dimension?: number | null;
  encoding_format?: 'base64' | null;
}

const TEXT: JsonSchema = { type: 'string', minLength: 1 };

/** As the API does, this refuses empty texts, and arguments that it does not know. */
const REQUEST: JsonSchema = {
  type: 'object',
  required: ['input', 'model'],
  additionalProperties: false,
  properties: {
    input: { anyOf: [TEXT, { type: 'array', minItems: 1, items: TEXT }] },
    model: MODEL,
    input_type: {
      enum: ['query', 'document', null],
      default: null,
      description: 'What puts before each text what the model wants there.',
    },
    truncation: {
      type: ['boolean', 'null'],
      default: true,
      description: 'Whether texts too long for the model are cut; false: they are refused.',
    },
    output_dimension: DIMENSIONS,
    output_dtype: {
      enum: ['float', null],
      default: 'float',
      description: 'The other types of the hosted API are not there.',
    },
    encoding_format: { enum: ['base64', null], default: null },
  },
};

const RESPONSE: JsonSchema = {
  type: 'object',
  required: ['object', 'data', 'model', 'usage'],
  properties: {
    object: { const: 'list' },
    data: EMBEDDING_DATA,
    model: { type: 'string' },
    usage: TOTAL_TOKENS,
  },
};

export const voyageEmbeddings: Endpoint = {
  path: '/v1/embeddings',
  operationId: 'voyageEmbeddings',
  summary: 'Embed texts',
  requestSchema: REQUEST,
  responseSchema: RESPONSE,
  example: { input: ['What is a reranker?'], model: 'voyage-3.5', input_type: 'query' },
  claim: (body, headers) => claimEmbeddings('voyage', body, headers),
  claimSchema: embeddingsClaimSchema('voyage'),
  read,
};

function read(body: Body): Reading {
  const { input, model, input_type, truncation, output_dimension, encoding_format } =
    body as unknown as EmbeddingsBody;
  const call: EmbedCall = {
    kind: 'embed',
    model,
    texts: typeof input === 'string' ? [input] : input,
    role: input_type ?? undefined,
    normalize: true,
    dimensions: output_dimension ?? undefined,
    tooLong: truncation === false ? 'refuse' : 'truncate',
  };
  return { call, write: (answer) => write(answer as EmbedAnswer, encoding_format ?? 'float') };
}

function write(answer: EmbedAnswer, encoding: 'float' | 'base64'): unknown {
  return {
    object: 'list',
    data: embeddingData(answer, encoding),
    model: answer.model,
    usage: { total_tokens: answer.tokens },
  };
}
