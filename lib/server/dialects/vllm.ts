import type { Answer, RankAnswer, ScoreAnswer } from '../calls';
import type { Body, Dialect, Endpoint, ErrorAnswer, JsonSchema, Reading } from '../dialect';
import { RequestFailure } from '../failure';
import { rerankClaimSchema, VLLM_FIELDS } from './hosted-claim';
import { openAiError } from './openai-error';
import { STATUSES } from './statuses';

/**
 * vLLM's `/score` and `/rerank`, with their `/v1` and `/v2` twins, as of vLLM 0.11 to 0.16.
 *
 * A pair that is too long is refused unless `truncate_prompt_tokens` says where to cut. Scores are as the model's config
 * asks, `use_activation: false` gives logits. `/score` names its texts in one of four ways and takes one against one, one
 * against many, or as many against as many.
 */

const MODEL: JsonSchema = {
  type: ['string', 'null'],
  description: 'Name of a reranker that is served.',
};

const flag = (description: string): JsonSchema => ({ type: ['boolean', 'null'], description });

/** Fields that both APIs have; those which no other rerank API has tell whose a body is. */
const VLLM_ONLY = {
  truncate_prompt_tokens: {
    type: ['integer', 'null'],
    minimum: -1,
    description:
      'Cut pairs to so many tokens; -1: to as many as the model takes. Without it, a longer pair is refused.',
  },
  use_activation: flag('false: logits. Else the scores that the config of the model asks for.'),
  activation: flag('The older name of use_activation.'),
  softmax: flag('The oldest name of use_activation.'),
} as const satisfies Record<(typeof VLLM_FIELDS)[number], JsonSchema>;

const ONE_OR_MANY: JsonSchema = {
  description: 'A text, or texts.',
  anyOf: [{ type: 'string' }, { type: 'array', minItems: 1, items: { type: 'string' } }],
};

/** The names that `/score` has for its two sides; the first that are there count, in vLLM's order. */
const SIDES = [
  ['queries', 'documents'],
  ['queries', 'items'],
  ['data_1', 'data_2'],
  ['text_1', 'text_2'],
] as const;

const SCORE_REQUEST: JsonSchema = {
  type: 'object',
  properties: {
    model: MODEL,
    ...Object.fromEntries(SIDES.flat().map((name) => [name, ONE_OR_MANY])),
    ...VLLM_ONLY,
  },
  anyOf: SIDES.map((names) => ({ required: [...names] })),
};

const RERANK_REQUEST: JsonSchema = {
  type: 'object',
  required: ['query', 'documents'],
  properties: {
    model: MODEL,
    query: { type: 'string' },
    documents: ONE_OR_MANY,
    top_n: {
      type: ['integer', 'null'],
      default: 0,
      description: 'Return the best so many; 0 and less: all.',
    },
    ...VLLM_ONLY,
  },
};

const COUNT: JsonSchema = { type: 'integer', minimum: 0 };

const SCORE_RESPONSE: JsonSchema = {
  type: 'object',
  required: ['id', 'object', 'created', 'model', 'data', 'usage'],
  properties: {
    id: { type: 'string' },
    object: { const: 'list' },
    created: { type: 'integer', description: 'Seconds since 1970.' },
    model: { type: 'string' },
    data: {
      type: 'array',
      description: 'In the order of the pairs.',
      items: {
        type: 'object',
        required: ['index', 'object', 'score'],
        properties: { index: COUNT, object: { const: 'score' }, score: { type: 'number' } },
      },
    },
    usage: {
      type: 'object',
      required: ['prompt_tokens', 'total_tokens', 'completion_tokens', 'prompt_tokens_details'],
      properties: {
        prompt_tokens: COUNT,
        total_tokens: COUNT,
        completion_tokens: { const: 0 },
        prompt_tokens_details: { type: 'null' },
      },
    },
  },
};

const RERANK_RESPONSE: JsonSchema = {
  type: 'object',
  required: ['id', 'model', 'usage', 'results'],
  properties: {
    id: { type: 'string' },
    model: { type: 'string' },
    usage: {
      type: 'object',
      required: ['prompt_tokens', 'total_tokens'],
      properties: { prompt_tokens: COUNT, total_tokens: COUNT },
    },
    results: {
      type: 'array',
      description: 'Best first.',
      items: {
        type: 'object',
        required: ['index', 'document', 'relevance_score'],
        properties: {
          index: COUNT,
          document: {
            type: 'object',
            required: ['text', 'multi_modal'],
            properties: { text: { type: 'string' }, multi_modal: { type: 'null' } },
          },
          relevance_score: { type: 'number' },
        },
      },
    },
  },
};

const STATUS = { ...STATUSES, unsupported: 400 };

/** `error.type` by status. */
const TYPES: Readonly<Record<number, string>> = {
  401: 'UnauthorizedError',
  404: 'NotFoundError',
  405: 'MethodNotAllowedError',
  429: 'TooManyRequestsError',
  500: 'InternalServerError',
  503: 'ServiceUnavailableError',
  504: 'GatewayTimeoutError',
};

interface AnyBody {
  model?: string | null;
  truncate_prompt_tokens?: number | null;
  use_activation?: boolean | null;
  activation?: boolean | null;
  softmax?: boolean | null;
}

interface RerankBody extends AnyBody {
  query: string;
  documents: string | string[];
  top_n?: number | null;
}

type ScoreBody = AnyBody & Partial<Record<(typeof SIDES)[number][0 | 1], string | string[]>>;

const SCORE: Omit<Endpoint, 'path' | 'operationId'> = {
  summary: 'Score pairs of texts',
  requestSchema: SCORE_REQUEST,
  responseSchema: SCORE_RESPONSE,
  example: {
    text_1: 'Which planet is known as the Red Planet?',
    text_2: ['Mars is often called the Red Planet.', 'Bread is made of flour and water.'],
  },
  claim: () => 'possible',
  read: readScore,
};

const RERANK: Omit<Endpoint, 'path' | 'operationId' | 'claim'> = {
  summary: 'Rank documents by how well they answer a query',
  requestSchema: RERANK_REQUEST,
  responseSchema: RERANK_RESPONSE,
  example: {
    query: 'Which planet is known as the Red Planet?',
    documents: ['Bread is made of flour and water.', 'Mars is often called the Red Planet.'],
  },
  read: readRerank,
};

const VERSIONED = {
  ...RERANK,
  claim: claimVersioned,
  example: { ...RERANK.example, truncate_prompt_tokens: -1 }, // which tells that it is vLLM's
};

export const vllm: Dialect = {
  name: 'vllm',
  title: 'vLLM',
  endpoints: [
    { ...SCORE, path: '/score', operationId: 'vllmScore' },
    { ...SCORE, path: '/v1/score', operationId: 'vllmScoreV1' },
    { ...RERANK, path: '/rerank', operationId: 'vllmRerank', claim: claimRoot },
    { ...VERSIONED, path: '/v1/rerank', operationId: 'vllmRerankV1', claimSchema: rerankClaimSchema('vllm') },
    { ...VERSIONED, path: '/v2/rerank', operationId: 'vllmRerankV2' },
  ],
  writeError,
  errorSchema: openAiError({ type: 'integer', description: 'The status.' }),
};

/** `/rerank` is text-embeddings-inference's, too: there, documents are `texts`. */
function claimRoot(body: Body) {
  if (Object.hasOwn(body, 'documents')) return 'certain';
  return Object.hasOwn(body, 'texts') ? 'no' : claimVersioned(body);
}

/** Jina, Cohere and Voyage have these paths and the same field names: it is vLLM's where nobody else could have sent it. */
function claimVersioned(body: Body) {
  return VLLM_FIELDS.some((name) => Object.hasOwn(body, name)) ? 'certain' : 'possible';
}

function readScore(body: Body): Reading {
  const request = body as ScoreBody;
  const [first, second] = SIDES.find((names) =>
    names.every((name) => Object.hasOwn(request, name)),
  ) as (typeof SIDES)[number];
  const queries = listOf(request[first] as string | string[]);
  const documents = listOf(request[second] as string | string[]);
  if (queries.length > 1 && queries.length !== documents.length) {
    const told = `${first} has ${queries.length} texts and ${second} has ${documents.length}`;
    throw new RequestFailure('invalid', `Input lengths must be either 1:1, 1:N or N:N, and ${told}.`, {
      field: first,
    });
  }
  return {
    call: {
      kind: 'score',
      ...readCommon(request),
      pairs: documents.map((document, i) => [queries[queries.length === 1 ? 0 : i] as string, document]),
    },
    write: writeScore,
  };
}

function readRerank(body: Body): Reading {
  const request = body as unknown as RerankBody;
  const documents = listOf(request.documents);
  const topN = request.top_n ?? 0;
  return {
    call: {
      kind: 'rank',
      ...readCommon(request),
      query: request.query,
      documents,
      topK: topN > 0 ? Math.min(topN, documents.length) : undefined, // 1e300 is an integer in JSON
    },
    write: (answer) => writeRerank(answer, documents),
  };
}

const listOf = (texts: string | string[]) => (typeof texts === 'string' ? [texts] : texts);

function readCommon({ model, truncate_prompt_tokens, use_activation, activation, softmax }: AnyBody) {
  const cut = truncate_prompt_tokens ?? undefined;
  const active = use_activation ?? activation ?? softmax ?? true;
  return {
    model: model ?? undefined,
    maxTokens: cut === -1 ? undefined : cut,
    tooLong: cut === undefined ? 'refuse' : 'truncate',
    scores: active ? 'model' : 'raw',
  } as const;
}

function writeScore(answer: Answer): unknown {
  const { id, model, scores, tokens } = answer as ScoreAnswer;
  return {
    id: `score-${id}`,
    object: 'list',
    created: Math.floor(Date.now() / 1000),
    model,
    data: Array.from(scores, (score, index) => ({ index, object: 'score', score })),
    usage: {
      prompt_tokens: tokens,
      total_tokens: tokens,
      completion_tokens: 0,
      prompt_tokens_details: null,
    },
  };
}

function writeRerank(answer: Answer, documents: readonly string[]): unknown {
  const { id, model, results, tokens } = answer as RankAnswer;
  return {
    id: `rerank-${id}`,
    model,
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    results: results.map(({ index, score }) => ({
      index,
      document: { text: documents[index], multi_modal: null },
      relevance_score: score,
    })),
  };
}

function writeError({ kind, message, field }: RequestFailure): ErrorAnswer {
  const code = STATUS[kind];
  const type = TYPES[code] ?? 'BadRequestError';
  return { status: code, body: { error: { message, type, param: field ?? null, code } } };
}
