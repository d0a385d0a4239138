import type { EmbedAnswer } from '../calls';
import type { Body, Dialect, ErrorAnswer, JsonSchema, Reading } from '../dialect';
import type { FailureKind, RequestFailure } from '../failure';
import { EMBEDDING_DATA, embeddingData } from './embedding-data';
import { embeddingsClaimSchema } from './hosted-claim';
import { openAiError } from './openai-error';
import { DIMENSIONS } from './schemas';
import { STATUSES } from './statuses';

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
    dimensions: DIMENSIONS,
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
    data: EMBEDDING_DATA,
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

/** How the SDKs introduce themselves, such as `OpenAI/JS 6.49.0` and `AsyncOpenAI/Python 3.57.0`. */
const CLIENT = /^(Async)?(Azure)?OpenAI\//;

/** The clients retry 408, 409, 429 and everything from 500 on. */
const STATUS = { ...STATUSES, unsupported: 400 };

const CODES: Partial<Record<FailureKind, string>> = {
  'too-long': 'context_length_exceeded',
  'unknown-model': 'model_not_found',
  unauthorized: 'invalid_api_key',
  'not-found': 'unknown_url',
  'queue-full': 'rate_limit_exceeded',
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
      // Jina and Voyage have the path, too; bodies with fields of theirs are theirs, whoever sends them.
      claim: (_, headers) => (CLIENT.test(headers['user-agent'] ?? '') ? 'certain' : 'possible'),
      claimSchema: embeddingsClaimSchema('openai'),
      read: readEmbeddings,
    },
  ],
  writeError,
  errorSchema: openAiError({ type: ['string', 'null'] }),
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
    write: (answer) => writeEmbeddings(answer as EmbedAnswer, encoding_format ?? 'float'),
  };
}

function writeEmbeddings(answer: EmbedAnswer, encoding: 'float' | 'base64'): unknown {
  const { model, tokens } = answer;
  return {
    object: 'list',
    data: embeddingData(answer, encoding),
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}

function writeError({ kind, message, field }: RequestFailure): ErrorAnswer {
  const status = STATUS[kind];
  const type = kind === 'queue-full' ? 'requests' : status < 500 ? 'invalid_request_error' : 'server_error';
  return { status, body: { error: { message, type, param: field ?? null, code: CODES[kind] ?? null } } };
}
