import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import type { FailureKind } from './failure';
import { errorRecord } from './log-error';
import { cutBody } from './log-texts';
import type { RequestEnd } from './request-end';

export const LOG_LEVELS = ['silent', 'fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogOptions {
  /** @defaultValue 'info' */
  level?: LogLevel;
  /** @defaultValue the standard error stream, since what the command itself says goes to standard output */
  stream?: DestinationStream;
}

/** What waits to be written where nobody reads; more is dropped, so that a stuck reader costs no memory. */
const MAX_UNWRITTEN_BYTES = 8 * 1024 * 1024;

/** Failures that say something of the server, with the level they are logged at; all others are the client's. */
const SERVER_FAILURES: Readonly<Partial<Record<FailureKind, 'warn' | 'error'>>> = {
  internal: 'error',
  'queue-full': 'warn',
  timeout: 'warn',
};

/** Lines of JSON: `level` by name, `time` as ISO 8601, `msg`, and the fields of {@link logRequest}. */
export function createLog({ level = 'info', stream }: LogOptions = {}): Logger {
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // What fastify logs of its own accord: never a URL or a header as it was sent.
      serializers: {
        err: (error: unknown) => errorRecord(error),
        req: ({ method }: { method?: string }) => ({ method }),
        res: ({ statusCode }: { statusCode?: number }) => ({ statusCode }),
      },
      redact: {
        paths: ['authorization', 'headers', '*.authorization', '*.headers', '*.apiKey', '*.token'],
        censor: '[redacted]',
      },
    },
    stream ?? destination({ dest: 2, sync: false, maxLength: MAX_UNWRITTEN_BYTES }),
  );
}

/** What a line may have beside what is known of every request. */
export interface LogContext {
  method: string;
  /** Where a trace goes on in this request. */
  traceId?: string | undefined;
  spanId?: string | undefined;
  /** Only where texts are to be logged; it is cut. */
  body?: unknown;
}

/** One line for a request that has ended; an internal error has a line of its own, from whoever caught it. */
export function logRequest(log: Logger, end: RequestEnd, context: LogContext): void {
  const level = levelOf(end);
  if (log.isLevelEnabled(level)) log[level](recordOf(end, context), 'request');
}

/** Routine looks of monitors would be most of the lines. */
function levelOf({ served: { failure, api } }: RequestEnd): 'debug' | 'info' | 'warn' | 'error' {
  if (failure !== undefined) return SERVER_FAILURES[failure] ?? 'info';
  return api === undefined || api === 'page' ? 'debug' : 'info';
}

/** Fields that are undefined are left out of the line. `trace_id` and `span_id` are OpenTelemetry's names for a log. */
function recordOf({ served, status, durationMs }: RequestEnd, context: LogContext) {
  const { method, traceId, spanId, body } = context;
  const { timings, failure } = served;
  const isCall = served.operation !== undefined;
  return {
    requestId: served.id,
    method,
    route: served.path,
    api: served.api,
    operation: served.operation,
    model: served.model,
    status,
    failure,
    disconnected: served.disconnected || undefined,
    durationMs: rounded(durationMs),
    ...(isCall && {
      items: served.items,
      tokens: served.tokens,
      cached: served.cached,
      degraded: served.degraded,
    }),
    ...(timings !== undefined && {
      tokenizeMs: rounded(timings.tokenizeMs),
      queueMs: rounded(timings.queueMs),
      computeMs: rounded(timings.computeMs),
    }),
    scores: served.scores,
    trace_id: traceId,
    span_id: spanId,
    body: body === undefined ? undefined : cutBody(body),
  };
}

/** To microseconds. */
function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
