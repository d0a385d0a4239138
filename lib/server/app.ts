import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import cors from '@fastify/cors';
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type HTTPMethods,
  LogController,
} from 'fastify';
import { AccessKeys } from './access';
import type { ActiveRequests } from './active-requests';
import { BodyReader } from './body';
import { deadlineOf } from './deadline';
import type { Dialect } from './dialect';
import { DIALECTS } from './dialects';
import { Dispatcher, readRequest } from './dispatch';
import { toFailure } from './errors';
import { RequestFailure } from './failure';
import { information } from './information';
import type { ModelPool } from './model-pool';
import { openApi } from './openapi-route';
import type { ServerSettings } from './options';
import type { ServerContext } from './plugin';
import { runCall } from './run';
import type { Served } from './served';

const KEEP_ALIVE_MS = 72_000; // longer than the minute of most proxies, so that they close first
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_ADDRESS_PART = 1024;
const CHECK_CONNECTIONS_MS = 2000;
const JSON_TYPE = 'application/json; charset=utf-8';
const SOUND_ID = /^[\w.:+/=@-]{1,128}$/;

/** What the server knows of one request beside `served`. */
interface InFlight {
  arrived: number;
  controller: AbortController;
  bodyBytes: number;
  /** Once it is known whose request it is. */
  dialect: Dialect | undefined;
}

declare module 'fastify' {
  interface FastifyRequest {
    inFlight: InFlight;
  }
}

/** The routes and their guards, without models or a socket. */
export async function buildApp(
  pool: ModelPool,
  active: ActiveRequests,
  options: ServerSettings,
): Promise<FastifyInstance> {
  const dispatcher = new Dispatcher(DIALECTS, options.api, options.maxDocuments);
  const bodies = new BodyReader(options);
  const errors = new ErrorWriter(dispatcher, active);
  const app = newFastify(options, dispatcher, errors);

  followRequests(app, active, bodies);
  if (options.cors.length > 0)
    await app.register(cors, { origin: [...options.cors], exposedHeaders: EXPOSED });
  readJson(app, bodies);
  app.setErrorHandler((error, request, reply) => errors.send(error, request, reply));

  const context: ServerContext = {
    pool,
    options,
    dialects: DIALECTS,
    activeRequests: () => active.count,
    isClosing: () => active.isClosing,
  };
  for (const plugin of [information, openApi, ...options.plugins]) await plugin(app, context);
  // After the hooks of plugins, which hear of what is refused, too.
  guard(app, active, new AccessKeys(options.apiKeys));
  for (const path of dispatcher.paths()) {
    app.post(path, (request, reply) => answer(request, reply, { path, dispatcher, pool, options }));
  }
  return app;
}

const EXPOSED = ['x-request-id', 'retry-after', 'server-timing'];

function newFastify(options: ServerSettings, dispatcher: Dispatcher, errors: ErrorWriter): FastifyInstance {
  return fastify({
    ...(options.logger === undefined ? { logger: false } : { loggerInstance: options.logger }),
    logController: new LogController({ disableRequestLogging: true }), // observe() writes one line a request
    genReqId: (request) => idOf(request as IncomingMessage),
    requestIdHeader: false,
    bodyLimit: options.maxBodyBytes,
    routerOptions: { maxParamLength: MAX_ADDRESS_PART, ignoreTrailingSlash: true },
    rewriteUrl: ({ url = '/' }) => dispatcher.rewrite(url),
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: options.requestTimeoutMs,
    return503OnClosing: false,
    forceCloseConnections: true,
    http: {
      headersTimeout: Math.min(options.headersTimeoutMs, options.requestTimeoutMs),
      connectionsCheckingInterval: CHECK_CONNECTIONS_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    clientErrorHandler: (error, socket) => errors.sendRaw(error as NodeJS.ErrnoException, socket),
    frameworkErrors: (error, request, reply) => {
      request.served ??= newServed(request.id);
      errors.send(error, request as FastifyRequest, reply as FastifyReply);
    },
  });
}

/** The client's own where it is sound: it is sent back in a header and stands in logs. */
function idOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && SOUND_ID.test(given) ? given : randomUUID();
}

function newServed(id: string): Served {
  return {
    id,
    api: undefined,
    path: undefined,
    operation: undefined,
    model: undefined,
    items: 0,
    tokens: 0,
    cached: 0,
    degraded: false,
    timings: undefined,
    scores: undefined,
    failure: undefined,
    disconnected: false,
  };
}

/** First of all hooks: what counts, is told and is ended with a request. */
function followRequests(app: FastifyInstance, active: ActiveRequests, bodies: BodyReader): void {
  // Null stands for what the hook below sets before anything reads it; fastify wants the shape of a request early.
  app.decorateRequest('served', null as unknown as Served);
  app.decorateRequest('inFlight', null as unknown as InFlight);
  app.addHook('onRequest', (request, reply, done) => {
    const controller = new AbortController();
    request.served = newServed(request.id);
    request.served.path = request.routeOptions.url;
    request.inFlight = { arrived: performance.now(), controller, bodyBytes: 0, dialect: undefined };
    active.add(controller);
    reply.raw.once('close', () => {
      active.remove(controller);
      bodies.release(request.inFlight.bodyBytes);
      if (reply.raw.writableFinished) return;
      request.served.disconnected = true;
      controller.abort();
    });
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    reply.header('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
    reply.header('referrer-policy', 'no-referrer');
    reply.header('cache-control', 'no-store');
    done();
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (active.isClosing) reply.header('connection', 'close');
    done(null, payload);
  });
}

/** Of routes; pages of other origins ask with OPTIONS first, which is answered whatever the address. */
const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** What an address takes, with its parameters filled in. */
function methodsOf(app: FastifyInstance, url: string): string[] {
  const [path = '/'] = url.split('?', 1);
  return METHODS.filter((method) => app.findRoute({ method, url: path }) !== null);
}

function guard(app: FastifyInstance, active: ActiveRequests, keys: AccessKeys): void {
  app.addHook('onRequest', (request, reply, done) => {
    if (active.isClosing) return done(new RequestFailure('closing', 'the server is shutting down'));
    if (request.routeOptions.config?.public !== true && !keys.allow(request.headers)) {
      reply.header('www-authenticate', 'Bearer');
      const message = 'a valid API key is needed: send it as authorization: Bearer KEY';
      return done(new RequestFailure('unauthorized', message));
    }
    if (!request.is404) return done();
    const allowed = methodsOf(app, request.url);
    if (allowed.length === 0)
      return done(new RequestFailure('not-found', 'there is nothing at this address'));
    const list = allowed.join(', ');
    reply.header('allow', list);
    return done(new RequestFailure('method', `this address takes ${list}`));
  });
}

function readJson(app: FastifyInstance, bodies: BodyReader): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', (request: FastifyRequest, payload: IncomingMessage) =>
    bodies.read(payload, (bytes) => {
      request.inFlight.bodyBytes += bytes;
    }),
  );
}

interface Route {
  path: string;
  dispatcher: Dispatcher;
  pool: ModelPool;
  options: ServerSettings;
}

/** One call of an API. */
async function answer(request: FastifyRequest, reply: FastifyReply, route: Route): Promise<FastifyReply> {
  const { served, inFlight, headers, body } = request;
  const target = route.dispatcher.choose(route.path, body, headers);
  if (target === undefined) throw new RequestFailure('not-found', 'there is nothing at this address');
  inFlight.dialect = target.dialect;
  served.api = target.dialect.name;
  const { call, write } = readRequest(target, body, request.params as Record<string, string>);
  const done = await runCall(call, {
    pool: route.pool,
    maxDocuments: route.options.maxDocuments,
    maxLength: route.options.maxLength,
    deadline: deadlineOf(headers, inFlight.arrived, route.options),
    signal: inFlight.controller.signal,
    served,
  });
  const { timings } = served;
  if (timings !== undefined) reply.header('server-timing', serverTiming(timings));
  return reply.type(JSON_TYPE).send(JSON.stringify(write(done)));
}

function serverTiming({ tokenizeMs, queueMs, computeMs, totalMs }: NonNullable<Served['timings']>): string {
  const stages = { tokenize: tokenizeMs, queue: queueMs, compute: computeMs, total: totalMs };
  return Object.entries(stages)
    .map(([name, ms]) => `${name};dur=${ms.toFixed(2)}`)
    .join(', ');
}

/** Errors, each in the words of the API that was called. */
class ErrorWriter {
  readonly #dispatcher: Dispatcher;
  readonly #active: ActiveRequests;

  constructor(dispatcher: Dispatcher, active: ActiveRequests) {
    this.#dispatcher = dispatcher;
    this.#active = active;
  }

  send(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const failure = toFailure(error);
    const { served, inFlight } = request;
    served.failure = failure.kind;
    if (failure.kind === 'internal' && !served.disconnected) {
      request.log.error({ err: failure.cause ?? failure, requestId: served.id }, 'a request failed');
    }
    const api = request.routeOptions?.config?.api;
    const dialect = inFlight?.dialect ?? this.#dispatcher.dialectOf(served.path, request.headers, api);
    if (served.path !== undefined && dialect.endpoints.some(({ path }) => path === served.path)) {
      served.api = dialect.name;
    }
    const { status, body } = dialect.writeError(failure, served.id);
    if (failure.retryAfterMs !== undefined)
      reply.header('retry-after', Math.max(1, Math.ceil(failure.retryAfterMs / 1000)));
    if (this.#active.isClosing) reply.header('connection', 'close');
    reply.code(status).type(JSON_TYPE).send(JSON.stringify(body));
  }

  /** For what is no HTTP, or came too slowly: there is no request to answer. */
  sendRaw(error: NodeJS.ErrnoException, socket: Socket): void {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const [line, failure] = rawFailure(error.code);
    const { body } = this.#dispatcher.dialectOf(undefined, {}).writeError(failure, '');
    const text = JSON.stringify(body);
    socket.end(
      `HTTP/1.1 ${line}\r\ncontent-type: ${JSON_TYPE}\r\ncontent-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
    );
  }
}

function rawFailure(code: string | undefined): [string, RequestFailure] {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return ['408 Request Timeout', new RequestFailure('timeout', 'the request came too slowly')];
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return [
      '431 Request Header Fields Too Large',
      new RequestFailure('too-large', 'the headers are too large'),
    ];
  }
  return ['400 Bad Request', new RequestFailure('malformed', 'this is no HTTP request')];
}
