import type { IncomingHttpHeaders } from 'node:http';
import type { Body } from '../dialect';

/** The companies whose APIs share the path `/v1/rerank`. */
type Provider = 'jina' | 'cohere' | 'voyage';

/** How the SDKs introduce themselves. The Python SDK of Voyage does not, and Jina has none. */
const CLIENTS: readonly (readonly [RegExp, Provider])[] = [
  [/^voyage(ai)?\b/i, 'voyage'],
  [/^(cohere\b|com\.cohere\b|github\.com\/cohere-ai\/)/i, 'cohere'],
];

/** Fields that only one of them has. */
const FIELDS: readonly (readonly [string, Provider])[] = [
  ['top_k', 'voyage'],
  ['truncation', 'voyage'],
  ['rank_fields', 'cohere'],
  ['max_chunks_per_doc', 'cohere'],
];

const MODELS: readonly (readonly [RegExp, Provider])[] = [
  [/^jina-/, 'jina'],
  [/^rerank-(english|multilingual|v\d)/, 'cohere'],
  [/^rerank-(lite-)?\d/, 'voyage'],
];

/**
 * A claim on `/v1/rerank`: `certain` for the provider that the client names, else the fields, else the model's name. Where
 * none of them tells, all are `possible`: most bodies mean the same to all three.
 */
export function claimOf(
  provider: Provider,
  body: Body,
  headers: IncomingHttpHeaders,
): 'certain' | 'possible' {
  return (byClient(headers) ?? byFields(body) ?? byModel(body)) === provider ? 'certain' : 'possible';
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

function byFields(body: Body): Provider | undefined {
  return FIELDS.find(([field]) => Object.hasOwn(body, field))?.[1];
}

function byModel({ model }: Body): Provider | undefined {
  if (typeof model !== 'string') return undefined;
  return MODELS.find(([pattern]) => pattern.test(model))?.[1];
}
