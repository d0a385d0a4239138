import type { Dialect, Endpoint, ErrorAnswer, JsonSchema } from './dialect';
import { type FailureKind, RequestFailure } from './failure';
import { limitedSchema, type SchemaLimits } from './limits';
import { INFO, MODEL, MODELS } from './openapi-own';

/** What of a server its OpenAPI document depends on. */
export interface DocumentedServer extends SchemaLimits {
  version: string;
  dialects: readonly Dialect[];
  /** Goes before the order of the dialects, for errors that are for no API in particular, too. */
  api: string | undefined;
  /** Whether API keys are asked for. */
  isGuarded: boolean;
  /** Whether `/metrics` asks for one, too; undefined: it is not served. */
  metrics: 'public' | 'guarded' | undefined;
  /** Whether there is a page at `/`. */
  hasPage: boolean;
}

interface Target {
  dialect: Dialect;
  endpoint: Endpoint;
}

/** What may become of any `POST`. */
const FAILURES: readonly FailureKind[] = [
  'malformed',
  'invalid',
  'too-large',
  'too-many',
  'too-long',
  'unknown-model',
  'unsupported',
  'unauthorized',
  'not-found',
  'method',
  'media-type',
  'queue-full',
  'closing',
  'timeout',
  'internal',
];

const REASONS: Readonly<Record<number, string>> = {
  400: 'The request is not as this API has it, or asks for what cannot be done.',
  401: 'No API key, or a wrong one.',
  404: 'No model of that name is served, or there is nothing at this address.',
  405: 'Not with this method; the header allow tells which.',
  413: 'The body, a text or the number of texts is more than the server takes.',
  415: 'The body is not declared as JSON.',
  422: 'The request is not as this API has it, or asks for what cannot be done.',
  424: 'The model cannot do what was asked, or failed.',
  429: 'Too much waits already; the header retry-after tells when to come back.',
  500: 'The server failed; its log tells why.',
  503: 'The server is shutting down.',
  504: 'The deadline of the request has passed.',
};

const HTML = { 'text/html': { schema: { type: 'string' } } };

const REQUEST_ID = {
  description: 'Id of the request: the one it came with, or a new one.',
  schema: { type: 'string' },
};

/** An OpenAPI 3.1 document of everything a server answers, true to its limits. */
export function openApiDocument(server: DocumentedServer): JsonSchema {
  return {
    openapi: '3.1.1',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: 'crossrank',
      version: server.version,
      description:
        'Reranking and embeddings in the words of several APIs. Where APIs share a path, the body tells which one is meant.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    tags: server.dialects.map(({ name, title }) => ({ name, description: `The API of ${title}.` })),
    ...(server.isGuarded ? { security: [{ bearer: [] }, { key: [] }] } : {}),
    paths: pathsOf(server),
    components: {
      schemas: componentSchemas(server),
      ...(server.isGuarded ? { securitySchemes: SECURITY_SCHEMES } : {}),
    },
  };
}

const SECURITY_SCHEMES = {
  bearer: { type: 'http', scheme: 'bearer' },
  key: { type: 'apiKey', in: 'header', name: 'X-Api-Key' },
};

function componentSchemas(server: DocumentedServer): JsonSchema {
  const schemas: Record<string, unknown> = {};
  for (const { name, title, endpoints, errorSchema } of server.dialects) {
    schemas[errorName(name)] = { title: `Error of ${title}`, ...errorSchema };
    for (const { operationId, requestSchema, claimSchema, responseSchema } of endpoints) {
      schemas[`${operationId}Request`] = {
        title: `Request of ${title}`,
        ...limitedSchema(requestSchema, server),
        ...(claimSchema === undefined ? {} : { allOf: [claimSchema] }),
      };
      schemas[`${operationId}Response`] = { title: `Response of ${title}`, ...responseSchema };
    }
  }
  return schemas;
}

const errorName = (api: string) =>
  `${api.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase())}Error`;

const reference = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** A path may be an API's for one method, and the server's own for another. */
function pathsOf(server: DocumentedServer): JsonSchema {
  const paths: Record<string, unknown> = apiPaths(server);
  for (const [path, item] of Object.entries(ownPaths(server))) {
    paths[path] = { ...(paths[path] as JsonSchema | undefined), ...(item as JsonSchema) };
  }
  return paths;
}

function apiPaths(server: DocumentedServer): JsonSchema {
  const targets = new Map<string, Target[]>();
  for (const dialect of server.dialects) {
    for (const endpoint of dialect.endpoints) {
      targets.set(endpoint.path, [...(targets.get(endpoint.path) ?? []), { dialect, endpoint }]);
    }
  }
  return Object.fromEntries(
    [...targets].map(([path, sharing]) => [
      path.replaceAll(/:(\w+)/g, '{$1}'),
      { ...pathParameters(path), post: operation(sharing) },
    ]),
  );
}

function pathParameters(path: string): JsonSchema {
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name);
  if (names.length === 0) return {};
  return {
    parameters: names.map((name) => ({
      name,
      in: 'path',
      required: true,
      description: 'Name of a model; its slashes may stand as they are.',
      schema: { type: 'string', minLength: 1 },
    })),
  };
}

function operation(targets: readonly Target[]): JsonSchema {
  const [first] = targets as [Target];
  return {
    operationId: targets.map(({ endpoint }) => endpoint.operationId).join('_or_'),
    summary: [...new Set(targets.map(({ endpoint }) => endpoint.summary))].join('; '),
    tags: targets.map(({ dialect }) => dialect.name),
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: anyOf(targets.map(({ endpoint }) => reference(`${endpoint.operationId}Request`))),
          examples: Object.fromEntries(
            targets.map(({ dialect, endpoint }) => [
              dialect.name,
              { summary: dialect.title, value: endpoint.example },
            ]),
          ),
        },
      },
    },
    responses: {
      200: {
        description: first.endpoint.summary,
        headers: { 'x-request-id': REQUEST_ID },
        content: json(anyOf(targets.map(({ endpoint }) => reference(`${endpoint.operationId}Response`)))),
      },
      ...failures(
        targets.map(({ dialect }) => dialect),
        FAILURES,
      ),
    },
  };
}

const anyOf = (schemas: readonly JsonSchema[]) => (schemas.length === 1 ? schemas[0] : { anyOf: schemas });

const json = (schema: unknown) => ({ 'application/json': { schema } });

/** Each status with the error shapes of the APIs that have it. */
function failures(dialects: readonly Dialect[], kinds: readonly FailureKind[]): JsonSchema {
  const shapes = new Map<number, Set<string>>();
  for (const dialect of dialects) {
    for (const kind of kinds) {
      const { status } = writtenError(dialect, kind);
      shapes.set(status, (shapes.get(status) ?? new Set()).add(errorName(dialect.name)));
    }
  }
  return Object.fromEntries(
    [...shapes].map(([status, names]) => [
      status,
      {
        description: REASONS[status] ?? 'The request got no answer.',
        headers: failureHeaders(status),
        content: json(anyOf([...names].map(reference))),
      },
    ]),
  );
}

function writtenError(dialect: Dialect, kind: FailureKind): ErrorAnswer {
  return dialect.writeError(new RequestFailure(kind, kind), '');
}

function failureHeaders(status: number): JsonSchema {
  const retry = { description: 'Seconds after which to come back.', schema: { type: 'string' } };
  return {
    'x-request-id': REQUEST_ID,
    ...(status === 429 ? { 'retry-after': retry } : {}),
    ...(status === 401 ? { 'www-authenticate': { schema: { type: 'string' } } } : {}),
    ...(status === 405 ? { allow: { schema: { type: 'string' } } } : {}),
  };
}

/** What the server tells of itself; errors are in the words of the API that goes first, those of models also in OpenAI's. */
function ownPaths(server: DocumentedServer): JsonSchema {
  const { dialects, api, metrics, hasPage } = server;
  const first = dialects.find(({ name }) => name === api) ?? (dialects[0] as Dialect);
  const models = [first, dialects.find(({ name }) => name === 'openai') ?? first];
  const errors = (of: readonly Dialect[], isPublic: boolean, ...more: FailureKind[]) =>
    failures(of, [
      ...(isPublic ? [] : (['unauthorized'] as const)),
      'malformed',
      'method',
      'closing',
      'internal',
      ...more,
    ]);
  const get = (
    operationId: string,
    summary: string,
    content: JsonSchema | undefined,
    isPublic: boolean,
    more: FailureKind[] = [],
    of: readonly Dialect[] = [first],
  ) => ({
    get: {
      operationId,
      summary,
      ...(isPublic ? { security: [] } : {}),
      responses: {
        200: { description: summary, ...(content === undefined ? {} : { content }) },
        ...errors(of, isPublic, ...more),
      },
    },
  });
  return {
    '/health': get('health', 'Whether the server takes requests', undefined, true),
    '/info': get('info', 'The first model, as text-embeddings-inference tells it', json(INFO), false, [
      'unsupported',
      'timeout',
    ]),
    '/v1/models': get('models', 'The models that are served', json(MODELS), false, [], models),
    '/v1/models/{model}': {
      ...get('model', 'One of the models', json(MODEL), false, ['unknown-model'], models),
      ...pathParameters('/v1/models/:model'),
    },
    '/openapi.json': get('openApi', 'This document', json({ type: 'object' }), true),
    ...(hasPage ? { '/': get('page', 'A page that shows what a reranker does', HTML, true) } : {}),
    ...(metrics === undefined
      ? {}
      : {
          '/metrics': get(
            'metrics',
            'Metrics for Prometheus',
            { 'text/plain': { schema: { type: 'string' } } },
            metrics === 'public',
          ),
        }),
  };
}
