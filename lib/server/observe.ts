import { context } from '@opentelemetry/api';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Call } from './calls';
import { logRequest } from './log';
import { ServerMetrics } from './metrics/server-metrics';
import { CLIENT_GONE } from './request-end';
import type { Served } from './served';
import { RequestTrace } from './trace';

/** What a server knows of a request once it has ended. */
export interface KnownRequest {
  served: Served;
  /** What made it fail, where something did. */
  error?: unknown;
  call?: Call | undefined;
}

export interface ObserveOptions {
  metrics: ServerMetrics;
  log: Logger;
  /** Whether the log shows texts of calls, cut. */
  logTexts: boolean;
  /** Of the package. */
  version: string;
  know(request: FastifyRequest): KnownRequest;
  /** What `GET /metrics` answers; the metrics of all processes where there are several. */
  metricsText(): Promise<string>;
}

/** Hooks that tell metrics, log and traces of every request, and the route `/metrics`. */
export function observe(app: FastifyInstance, options: ObserveOptions): void {
  const traces = new WeakMap<FastifyRequest, RequestTrace>();

  app.addHook('onRequest', (request, reply, done) => {
    const startedMs = performance.now();
    options.metrics.started();
    const trace = startTrace(request, options.version);
    if (trace !== undefined) traces.set(request, trace);
    // Not onResponse, which does not come where the client went away.
    reply.raw.once('close', () => {
      try {
        end(request, reply, performance.now() - startedMs, trace, options);
      } catch (error) {
        options.log.error({ err: error }, 'a request could not be recorded');
      }
    });
    done();
  });

  // From here on, since reading the body leaves the context that onRequest was in.
  app.addHook('preValidation', (request, _reply, done) => {
    const trace = traces.get(request);
    if (trace === undefined) done();
    else context.with(trace.context, done);
  });

  app.addHook('onSend', (request, _reply, payload, done) => {
    traces.get(request)?.answered();
    done(null, payload);
  });

  app.get('/metrics', async (_request, reply) => {
    reply.header('content-type', ServerMetrics.contentType).header('cache-control', 'no-store');
    return options.metricsText();
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
  durationMs: number,
  trace: RequestTrace | undefined,
  { metrics, log, logTexts, know }: ObserveOptions,
): void {
  const { served: known, error, call } = know(request);
  const served = { ...known, disconnected: known.disconnected || !reply.raw.writableFinished };
  const status = served.disconnected ? CLIENT_GONE : reply.statusCode;
  const requestEnd = { served, status, durationMs, error };
  metrics.ended(requestEnd);
  trace?.end(requestEnd);
  logRequest(log, requestEnd, {
    method: request.method,
    traceId: trace?.traceId,
    spanId: trace?.spanId,
    call: logTexts ? call : undefined,
  });
}
