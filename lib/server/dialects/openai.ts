import type { Answer, EmbedAnswer } from '../calls';
import type { Body, Dialect, ErrorAnswer, JsonSchema, Reading } from '../dialect';
import type { FailureKind, RequestFailure } from '../failure';

/**
 * OpenAI's `/v1/embeddings`, as `openai` for Node.js and Python, LangChain and LlamaIndex call it.
 *
 * Its embeddings have length 1, and a text that is too long is refused; `truncate_prompt_tokens`, as vLLM has it, cuts
 * instead. Token ids are refused, since they are of another model's tokenizer: LangChain sends them unless
 * `check_embedding_ctx_length` is false.
 */

const TEXTS: JsonSchema = {
  description:
    'The text or texts to embed. Token ids are not taken, since they are those of another tokenizer: send texts (in LangChain, check_embedding_ctx_length=False).',
  anyOf: [
    { type: 'string', minLength: 1 },
    { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } },
  ],
};

const REQUEST: JsonSchema = {
  type: 'object',
  required: ['input'],
  properties: {
    input: TEXTS,
    model: { type: ['string', 'null'], description: 'Name of an embedding model that is served.' },
    encoding_format: {
      enum: ['float', 'base64', null],
      default: 'float',
      description: 'base64: little-endian 32-bit floats.',
    },
    dimensions: {
      type: ['integer', 'null'],
      minimum: 1,
      description: 'Return the first so many values, scaled to length 1 again.',
    },
    truncate_prompt_tokens: {
      type: ['integer', 'null'],
      minimum: -1,
      description:
        'Cut texts to so many tokens, as vLLM does; -1: to as many as the model takes. Without it, a longer text is refused.',
    },
    user: { type: ['string', 'null'], description: 'Ignored.' },
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
        required: ['object', 'index', 'embedding'],
        properties: {
          object: { const: 'embedding' },
          index: { type: 'integer', minimum: 0 },
          embedding: { anyOf: [{ type: 'array', items: { type: 'number' } }, { type: 'string' }] },
        },
      },
    },
    model: { type: 'string' },
    usage: {
      type: 'object',
      required: ['prompt_tokens', 'total_tokens'],
      properties: {
        prompt_tokens: { type: 'integer', minimum: 0 },
        total_tokens: { type: 'integer', minimum: 0 },
      },
    },
  },
};

const ERROR: JsonSchema = {
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
        code: { type: ['string', 'null'] },
      },
    },
  },
};

/** Status, `type` and `code`; the clients retry 408, 409, 429 and everything from 500 on. */
const FAILURES: Record<FailureKind, readonly [status: number, type: string, code: string | null]> = {
  malformed: [400, 'invalid_request_error', null],
  invalid: [400, 'invalid_request_error', null],
  'too-large': [413, 'invalid_request_error', null],
  'too-many': [400, 'invalid_request_error', null],
  'too-long': [400, 'invalid_request_error', 'context_length_exceeded'],
  'unknown-model': [404, 'invalid_request_error', 'model_not_found'],
  unsupported: [400, 'invalid_request_error', null],
  unauthorized: [401, 'invalid_request_error', 'invalid_api_key'],
  'not-found': [404, 'invalid_request_error', 'unknown_url'],
  method: [405, 'invalid_request_error', 'method_not_supported'],
  'media-type': [415, 'invalid_request_error', null],
  'queue-full': [429, 'requests', 'rate_limit_exceeded'],
  closing: [503, 'server_error', null],
  timeout: [504, 'server_error', 'timeout'],
  internal: [500, 'server_error', null],
};

interface EmbeddingsBody {
  input: string | string[];
  model?: string | null;
  encoding_format?: 'float' | 'base64' | null;
  dimensions?: number | null;
  truncate_prompt_tokens?: number | null;
}

export const openai: Dialect = {
  name: 'openai',
  title: 'OpenAI',
  endpoints: [
    {
      path: '/v1/embeddings',
      operationId: 'openaiEmbeddings',
      summary: 'Embed texts',
      requestSchema: REQUEST,
      responseSchema: RESPONSE,
      example: { input: ['Mars is often called the Red Planet.', 'Bread is made of flour and water.'] },
      claim: () => 'possible',
      read: readEmbeddings,
    },
  ],
  writeError,
  errorSchema: ERROR,
};

function readEmbeddings(body: Body): Reading {
  const { input, model, encoding_format, dimensions, truncate_prompt_tokens } =
    body as unknown as EmbeddingsBody;
  const cut = truncate_prompt_tokens ?? undefined;
  return {
    call: {
      kind: 'embed',
      model: model ?? undefined,
      texts: typeof input === 'string' ? [input] : input,
      role: undefined,
      normalize: true,
      dimensions: dimensions ?? undefined,
      maxTokens: cut === -1 ? undefined : cut,
      tooLong: cut === undefined ? 'refuse' : 'truncate',
    },
    write: (answer) => writeEmbeddings(answer, encoding_format === 'base64' ? toBase64 : toNumbers),
  };
}

function writeEmbeddings(answer: Answer, encode: (embedding: Float32Array) => unknown): unknown {
  const { model, embeddings, tokens } = answer as EmbedAnswer;
  return {
    object: 'list',
    data: embeddings.map((embedding, index) => ({
      object: 'embedding',
      index,
      embedding: encode(embedding),
    })),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}

const toNumbers = (embedding: Float32Array) => Array.from(embedding);

const toBase64 = ({ buffer, byteOffset, byteLength }: Float32Array) =>
  Buffer.from(buffer, byteOffset, byteLength).toString('base64');

function writeError({ kind, message, field }: RequestFailure): ErrorAnswer {
  const [status, type, code] = FAILURES[kind];
  return { status, body: { error: { message, type, param: field ?? null, code } } };
}
