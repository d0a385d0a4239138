import { Ajv2020 } from 'ajv/dist/2020';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { deadlineOf } from './deadline';
import { STATUSES } from './dialects/statuses';
import { checkBody } from './dispatch';
import { toFailure } from './errors';
import { type PageFile, readPageFiles } from './page-files';
import { PAGE_REQUEST_SCHEMA, type PageRequest, rankForPage } from './page-rank';
import { describeServer } from './page-served';
import type { ServerContext, ServerPlugin } from './plugin';

const JSON_TYPE = 'application/json; charset=utf-8';

/** What the page may do: load its own files, and ask its own server. Texts never become markup or script. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-cache', // asked for again each time, and answered with 304
} as const;

/**
 * A page at `/` that shows what a reranker does: both orders side by side, spans, timings, and each API as curl. The page
 * itself is open to all; what it asks needs a key where the server wants one.
 */
export const page: ServerPlugin = (app: FastifyInstance, context: ServerContext) => {
  for (const file of readPageFiles()) {
    const path = file.name === 'index.html' ? '/' : `/page/${file.name}`;
    app.get(path, { config: { public: true } }, (request, reply) => sendFile(file, request, reply));
  }
  app.get('/page/models', { errorHandler: sendError }, () => describeServer(context));

  const isValid = new Ajv2020({ strict: false, verbose: true }).compile(PAGE_REQUEST_SCHEMA);
  app.post('/page/rank', { errorHandler: sendError }, async (request, reply) => {
    const { served, inFlight, headers, body } = request;
    served.api = 'page';
    checkBody(isValid, body);
    const answer = await rankForPage(body as unknown as PageRequest, {
      pool: context.pool,
      maxDocuments: context.options.maxDocuments,
      maxLength: context.options.maxLength,
      deadline: deadlineOf(headers, inFlight.arrived, context.options),
      signal: inFlight.controller.signal,
      served,
    });
    return reply.type(JSON_TYPE).send(JSON.stringify(answer));
  });
};

function sendFile(
  { type, etag, body }: PageFile,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  reply.headers({ ...HEADERS, etag });
  const known = (request.headers['if-none-match'] ?? '').split(/\s*,\s*/);
  if (known.some((each) => each.replace(/^W\//, '') === etag)) return reply.code(304).send();
  return reply.type(type).send(body);
}

function sendError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const { kind, message, field, retryAfterMs, cause } = toFailure(error);
  const { served } = request;
  served.api = 'page';
  served.failure = kind;
  if (kind === 'internal' && !served.disconnected) {
    request.log.error({ err: cause ?? error, requestId: served.id }, 'a request failed');
  }
  if (retryAfterMs !== undefined) reply.header('retry-after', Math.max(1, Math.ceil(retryAfterMs / 1000)));
  reply
    .code(STATUSES[kind])
    .type(JSON_TYPE)
    .send(JSON.stringify({ error: { kind, message, field, requestId: served.id } }));
}
