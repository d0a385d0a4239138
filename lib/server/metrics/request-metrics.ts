import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { FailureKind } from '../failure';
import type { RequestEnd } from '../request-end';

/** Stands for what a request does not have; an empty label would be none. */
const NONE = 'none';

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const ITEMS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
const STAGES = { tokenize: 'tokenizeMs', queue: 'queueMs', compute: 'computeMs' } as const;

/**
 * What the server sees of its requests. No label holds anything a client can choose freely: routes and models are as the server
 * has them.
 */
export class RequestMetrics {
  readonly #requests: Counter<'api' | 'route' | 'model' | 'status'>;
  readonly #failures: Counter<'api' | 'kind'>;
  readonly #disconnected: Counter<'api'>;
  readonly #inFlight: Gauge;
  readonly #duration: Histogram<'operation' | 'model'>;
  readonly #stages: Histogram<'stage' | 'model'>;
  readonly #size: Histogram<'operation' | 'model'>;
  readonly #tokens: Counter<'operation' | 'model'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'crossrank_requests_total',
      help: 'HTTP requests by API, route, model and status; 499: the client went away before its answer was sent',
      labelNames: ['api', 'route', 'model', 'status'],
      registers,
    });
    this.#failures = new Counter({
      name: 'crossrank_request_failures_total',
      help: 'Requests that got no answer, by why; queue-full and closing are those that were refused',
      labelNames: ['api', 'kind'],
      registers,
    });
    this.#disconnected = new Counter({
      name: 'crossrank_requests_disconnected_total',
      help: 'Requests whose client went away before its answer was sent',
      labelNames: ['api'],
      registers,
    });
    this.#inFlight = new Gauge({
      name: 'crossrank_requests_in_flight',
      help: 'HTTP requests that are not answered yet',
      registers,
    });
    this.#duration = new Histogram({
      name: 'crossrank_request_duration_seconds',
      help: 'From the head of a request to the end of its answer, of those that were answered',
      labelNames: ['operation', 'model'],
      buckets: SECONDS,
      registers,
    });
    this.#stages = new Histogram({
      name: 'crossrank_stage_duration_seconds',
      help: 'Of answered calls: tokenizing, waiting for a thread, computing',
      labelNames: ['stage', 'model'],
      buckets: SECONDS,
      registers,
    });
    this.#size = new Histogram({
      name: 'crossrank_request_items',
      help: 'Documents, pairs or texts of an answered request',
      labelNames: ['operation', 'model'],
      buckets: ITEMS,
      registers,
    });
    this.#tokens = new Counter({
      name: 'crossrank_request_tokens_total',
      help: 'Tokens of answered requests, as their answers count them',
      labelNames: ['operation', 'model'],
      registers,
    });
    this.#inFlight.set(0);
    for (const kind of ['queue-full', 'internal', 'timeout'] satisfies FailureKind[])
      this.#failures.inc({ api: NONE, kind }, 0);
  }

  started(): void {
    this.#inFlight.inc();
  }

  ended({ served, status, durationMs }: RequestEnd): void {
    const { path: route = 'other', api = NONE, model = NONE, operation, failure, timings } = served;
    this.#inFlight.dec();
    this.#requests.inc({ api, route, model, status });
    if (served.disconnected) this.#disconnected.inc({ api });
    if (failure !== undefined) this.#failures.inc({ api, kind: failure });
    if (operation === undefined || failure !== undefined || served.disconnected) return;
    this.#duration.observe({ operation, model }, durationMs / 1000);
    this.#size.observe({ operation, model }, served.items);
    this.#tokens.inc({ operation, model }, served.tokens);
    if (timings === undefined) return;
    for (const [stage, field] of Object.entries(STAGES))
      this.#stages.observe({ stage, model }, timings[field] / 1000);
  }
}
