import { context } from '@opentelemetry/api';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { logRequest } from './log';
import { WorkerMetrics } from './metrics/cluster-metrics';
import { ServerMetrics } from './metrics/server-metrics';
import type { ServerContext, ServerPlugin } from './plugin';
import { CLIENT_GONE } from './request-end';
import { RequestTrace } from './trace';

/** Options of {@link observe}. */
export interface ObserveOptions {
  /** Gets one line for each request. @defaultValue none */
  log?: Logger;
  /** Whether the log shows bodies of requests, cut. @defaultValue `false` */
  logTexts?: boolean;
  /** Of the package. */
  version: string;
  /** Whether this is one of several workers, so that `/metrics` is of all of them. @defaultValue `false` */
  workers?: boolean;
}

/** What belongs to one request from its head to its end. */
interface Observed {
  startedMs: number;
  trace: RequestTrace | undefined;
  error: unknown;
}

/** Metrics at `GET /metrics`, a line of log for each request, and its spans. */
export function observe(options: ObserveOptions): ServerPlugin {
  return (app, { pool, options: { protectMetrics } }: ServerContext) => {
    const metrics = new ServerMetrics(pool, options.version);
    const workers = options.workers === true ? new WorkerMetrics(metrics) : undefined;
    followRequests(app, metrics, options);
    app.get('/metrics', { config: { public: !protectMetrics } }, async (_request, reply) => {
      const text = await (workers ?? metrics).text();
      return reply.type(ServerMetrics.contentType).send(text);
    });
    app.addHook('onClose', async () => {
      workers?.close();
      metrics.close();
    });
  };
}

function followRequests(app: FastifyInstance, metrics: ServerMetrics, options: ObserveOptions): void {
  const requests = new WeakMap<FastifyRequest, Observed>();

  app.addHook('onRequest', (request, reply, done) => {
    const trace = startTrace(request, options.version);
    const observed: Observed = { startedMs: performance.now(), trace, error: undefined };
    requests.set(request, observed);
    metrics.started();
    // Not onResponse, which does not come where the client went away.
    reply.raw.once('close', () => {
      try {
        end(request, reply, observed, metrics, options);
      } catch (error) {
        options.log?.error({ err: error }, 'a request could not be recorded');
      }
    });
    done();
  });

  // From here on, since reading the body leaves the context that onRequest was in.
  app.addHook('preValidation', (request, _reply, done) => {
    const trace = requests.get(request)?.trace;
    if (trace === undefined) done();
    else context.with(trace.context, done);
  });

  app.addHook('onError', (request, _reply, error, done) => {
    const observed = requests.get(request);
    if (observed !== undefined) observed.error = error;
    done();
  });

  app.addHook('onSend', (request, _reply, payload, done) => {
    requests.get(request)?.trace?.answered();
    done(null, payload);
  });
}

/** Whatever asks a model is a POST; looks of monitors would be most of the traces. */
function startTrace(request: FastifyRequest, version: string): RequestTrace | undefined {
  if (request.method !== 'POST') return undefined;
  const { method, headers, protocol } = request;
  return RequestTrace.start(
    {
      method,
      route: request.routeOptions.url,
      path: request.url.split('?', 1)[0] as string,
      headers,
      scheme: protocol,
      httpVersion: request.raw.httpVersion,
    },
    version,
  );
}

function end(
  request: FastifyRequest,
  reply: FastifyReply,
  { startedMs, trace, error }: Observed,
  metrics: ServerMetrics,
  { log, logTexts = false }: ObserveOptions,
): void {
  const disconnected = request.served.disconnected || !reply.raw.writableFinished;
  const requestEnd = {
    served: { ...request.served, disconnected },
    status: disconnected ? CLIENT_GONE : reply.statusCode,
    durationMs: performance.now() - startedMs,
    error,
  };
  metrics.ended(requestEnd);
  trace?.end(requestEnd);
  if (log === undefined) return;
  logRequest(log, requestEnd, {
    method: request.method,
    traceId: trace?.traceId,
    spanId: trace?.spanId,
    body: logTexts ? request.body : undefined,
  });
}
