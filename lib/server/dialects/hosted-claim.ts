import type { IncomingHttpHeaders } from 'node:http';
import type { Body, JsonSchema } from '../dialect';

/** The companies whose APIs share paths. */
type Provider = 'jina' | 'cohere' | 'voyage';

/** What only one of them has. */
interface Signs {
  fields: readonly (readonly [string, Provider])[];
  models: readonly (readonly [RegExp, Provider])[];
}

/** How the SDKs introduce themselves. The Python SDK of Voyage does not, and Jina has none. */
const CLIENTS: readonly (readonly [RegExp, Provider])[] = [
  [/^voyage(ai)?\b/i, 'voyage'],
  [/^(cohere\b|com\.cohere\b|github\.com\/cohere-ai\/)/i, 'cohere'],
];

const RERANK: Signs = {
  fields: [
    ['top_k', 'voyage'],
    ['truncation', 'voyage'],
    ['rank_fields', 'cohere'],
    ['max_chunks_per_doc', 'cohere'],
  ],
  models: [
    [/^jina-/, 'jina'],
    [/^rerank-(english|multilingual|v\d)/, 'cohere'],
    [/^rerank-(lite-)?\d/, 'voyage'],
  ],
};

const EMBEDDINGS: Signs = {
  fields: [
    ['truncation', 'voyage'],
    ['output_dimension', 'voyage'],
    ['output_dtype', 'voyage'],
    ['task', 'jina'],
    ['normalized', 'jina'],
    ['embedding_type', 'jina'],
    ['late_chunking', 'jina'],
  ],
  models: [
    [/^jina-/, 'jina'],
    [/^voyage-/, 'voyage'],
  ],
};

/**
 * A claim on `/v1/rerank`: `certain` for the provider that the client names, else the fields, else the model's name. Where
 * none of them tells, all are `possible`: most bodies mean the same to all three.
 */
export function claimRerank(
  provider: Provider,
  body: Body,
  headers: IncomingHttpHeaders,
): 'certain' | 'possible' {
  return providerOf(RERANK, body, headers) === provider ? 'certain' : 'possible';
}

/** As {@link claimRerank}, on `/v1/embeddings`; where nothing tells, it is OpenAI's, which the others have taken it from. */
export function claimEmbeddings(
  provider: Provider,
  body: Body,
  headers: IncomingHttpHeaders,
): 'certain' | 'no' {
  return providerOf(EMBEDDINGS, body, headers) === provider ? 'certain' : 'no';
}

/** Fields of the rerank API of vLLM that no other has. */
export const VLLM_FIELDS = ['truncate_prompt_tokens', 'use_activation', 'activation', 'softmax'] as const;

/** Which bodies {@link claimRerank}, and vLLM's own claim, leave to an API, where no header tells. */
export function rerankClaimSchema(provider: Provider | 'vllm'): JsonSchema {
  if (provider === 'vllm') return { anyOf: [...VLLM_FIELDS.map(has), unsigned(RERANK)] };
  return { anyOf: [...signed(RERANK, provider), unsigned(RERANK, VLLM_FIELDS)] };
}

/** Which bodies {@link claimEmbeddings} leaves to an API, where no header tells. */
export function embeddingsClaimSchema(provider: Provider | 'openai'): JsonSchema {
  return provider === 'openai' ? unsigned(EMBEDDINGS) : { anyOf: signed(EMBEDDINGS, provider) };
}

/** As {@link byFields} and {@link byModel} find it. */
function signed({ fields, models }: Signs, provider: Provider): JsonSchema[] {
  const own = fields.filter(([, each]) => each === provider);
  const before = fields.slice(
    0,
    fields.findIndex(([, each]) => each === provider),
  );
  const byModel = {
    required: ['model'],
    properties: {
      model: { type: 'string', pattern: patternOf(models.filter(([, each]) => each === provider)) },
      ...without(fields.map(([field]) => field)),
    },
  };
  const byField = own.map(([field]) => ({
    ...has(field),
    properties: without(before.map(([each]) => each)),
  }));
  return [...byField, byModel];
}

function unsigned({ fields, models }: Signs, others: readonly string[] = []): JsonSchema {
  const model = { not: { type: 'string', pattern: patternOf(models) } };
  return { properties: { model, ...without([...fields.map(([field]) => field), ...others]) } };
}

const has = (field: string) => ({ required: [field] });

const without = (fields: readonly string[]) => Object.fromEntries(fields.map((field) => [field, false]));

const patternOf = (models: Signs['models']) => models.map(([{ source }]) => source).join('|');

function providerOf(signs: Signs, body: Body, headers: IncomingHttpHeaders): Provider | undefined {
  return byClient(headers) ?? byFields(signs, body) ?? byModel(signs, body);
}

/** Whether the client says that it is one of Cohere's. */
export function isCohere(headers: IncomingHttpHeaders): boolean {
  return byClient(headers) === 'cohere';
}

function byClient(headers: IncomingHttpHeaders): Provider | undefined {
  const named = [headers['x-fern-sdk-name'], headers['user-agent']];
  for (const name of named) {
    const client = CLIENTS.find(([pattern]) => typeof name === 'string' && pattern.test(name));
    if (client !== undefined) return client[1];
  }
  // Cohere's documentation has clients of one's own name themselves so.
  return headers['x-client-name'] === undefined ? undefined : 'cohere';
}

function byFields({ fields }: Signs, body: Body): Provider | undefined {
  return fields.find(([field]) => Object.hasOwn(body, field))?.[1];
}

function byModel({ models }: Signs, { model }: Body): Provider | undefined {
  if (typeof model !== 'string') return undefined;
  return models.find(([pattern]) => pattern.test(model))?.[1];
}
