import type { IncomingHttpHeaders } from 'node:http';
import {
  type Context,
  context,
  isSpanContextValid,
  propagation,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { errorRecord } from './log-error';
import { CLIENT_GONE, type RequestEnd } from './request-end';

/** What is known of a request when it starts. */
export interface TraceStart {
  method: string;
  /** Of the route; undefined where there is none. */
  route: string | undefined;
  /** As it was sent, without what follows `?`. */
  path: string;
  headers: IncomingHttpHeaders;
  scheme: 'http' | 'https';
  httpVersion: string;
}

const STAGES = { tokenize: 'tokenizeMs', queue: 'queueMs', compute: 'computeMs' } as const;

/**
 * The span of a request, of kind SERVER; where something else (the HTTP instrumentation of OpenTelemetry) has made one
 * already, an INTERNAL child of it. Attributes are those of the semantic conventions for HTTP, and `crossrank.*`. Its
 * children are the stages of the call, laid out by how long they took.
 */
export class RequestTrace {
  readonly #span: Span;
  readonly #isInner: boolean;
  readonly #start: TraceStart;
  /** For whatever is done for the request. */
  readonly context: Context;
  /** Both at the start: times are counted from there, since the wall clock may be set. */
  readonly #startedAt = Date.now();
  readonly #startedMs = performance.now();
  #answeredAt: number | undefined;

  private constructor(span: Span, isInner: boolean, parent: Context, start: TraceStart) {
    this.#span = span;
    this.#isInner = isInner;
    this.#start = start;
    this.context = trace.setSpan(parent, span);
  }

  /** Undefined where nobody records: no SDK is there, or this trace was not chosen. */
  static start(start: TraceStart, version: string): RequestTrace | undefined {
    const active = context.active();
    const outer = trace.getSpanContext(active);
    const isInner = outer !== undefined && isSpanContextValid(outer);
    const parent = isInner ? active : propagation.extract(active, start.headers);
    const kind = isInner ? SpanKind.INTERNAL : SpanKind.SERVER;
    const span = trace.getTracer('crossrank', version).startSpan(nameOf(start, isInner), { kind }, parent);
    return span.isRecording() ? new RequestTrace(span, isInner, parent, start) : undefined;
  }

  get traceId(): string {
    return this.#span.spanContext().traceId;
  }

  get spanId(): string {
    return this.#span.spanContext().spanId;
  }

  /** The call has its answer; what follows is writing it. */
  answered(): void {
    this.#answeredAt ??= this.#now();
  }

  end(end: RequestEnd): void {
    const { served, error } = end;
    const span = this.#span;
    const { operation, failure } = served;
    if (this.#isInner && operation !== undefined) span.updateName(`crossrank ${operation}`);
    if (!this.#isInner) span.setAttributes(httpAttributes(this.#start, end));
    span.setAttributes({
      'crossrank.request_id': served.id,
      ...(served.api !== undefined && { 'crossrank.api': served.api }),
      ...(served.model !== undefined && { 'crossrank.model': served.model }),
      ...(operation !== undefined && callAttributes(end)),
      ...(served.disconnected && { 'crossrank.disconnected': true }),
    });
    if (failure !== undefined) span.setAttribute('error.type', failure);
    if (end.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR, message: failure ?? '' });
    if (failure === 'internal' && error !== undefined) recordError(span, error);
    this.#traceStages(end);
    span.end(this.#now());
  }

  /** Computing ends when the call does, waiting ends when computing starts, and tokenizing starts when the call does. */
  #traceStages({ served: { timings } }: RequestEnd): void {
    if (timings === undefined) return;
    const end = this.#answeredAt ?? this.#now();
    const start = Math.max(this.#startedAt, end - timings.totalMs);
    const computes = Math.max(start, end - timings.computeMs);
    const starts = { tokenize: start, queue: Math.max(start, computes - timings.queueMs), compute: computes };
    for (const [stage, field] of Object.entries(STAGES) as [
      keyof typeof STAGES,
      (typeof STAGES)[keyof typeof STAGES],
    ][]) {
      if (timings[field] === 0) continue;
      const startTime = starts[stage];
      const span = trace.getTracer('crossrank').startSpan(stage, { startTime }, this.context);
      span.end(Math.min(end, startTime + timings[field]));
    }
  }

  /** Milliseconds since 1970. */
  #now(): number {
    return this.#startedAt + performance.now() - this.#startedMs;
  }
}

function nameOf({ method, route }: TraceStart, isInner: boolean): string {
  if (isInner) return 'crossrank request';
  return route === undefined ? method : `${method} ${route}`;
}

function httpAttributes(
  { method, route, path, headers, scheme, httpVersion }: TraceStart,
  { status }: RequestEnd,
) {
  return {
    'http.request.method': method,
    'url.scheme': scheme,
    'url.path': path,
    'network.protocol.version': httpVersion,
    ...(route !== undefined && { 'http.route': route }),
    ...(headers['user-agent'] !== undefined && { 'user_agent.original': headers['user-agent'] }),
    ...(status !== CLIENT_GONE && { 'http.response.status_code': status }),
  };
}

function callAttributes({ served }: RequestEnd) {
  return {
    'crossrank.operation': served.operation,
    'crossrank.pairs': served.items,
    'crossrank.tokens': served.tokens,
    'crossrank.cached': served.cached,
    'crossrank.degraded': served.degraded,
  };
}

/** As the log shows it: without what may be a user's text. */
function recordError(span: Span, error: unknown): void {
  const { type, code, message, stack } = errorRecord(error);
  span.recordException({
    name: type,
    message,
    ...(code !== undefined && { code }),
    ...(stack !== undefined && { stack }),
  });
}
