import { Counter, exponentialBuckets, Histogram, type Registry } from 'prom-client';
import type { FailureKind } from '../failure';
import type { Served } from '../served';

/**
 * What text-embeddings-inference calls each failure, see `te_request_failure` in its `core/src/infer.rs` and
 * `router/src/http/server.rs`. It does not count requests that never reach one of its handlers.
 */
const ERRORS: Readonly<Record<FailureKind, string | undefined>> = {
  malformed: 'validation',
  invalid: 'validation',
  'too-large': 'batch_size',
  'too-many': 'batch_size',
  'too-long': 'tokenization',
  'unknown-model': 'model_type',
  unsupported: 'model_type',
  unauthorized: undefined,
  'not-found': undefined,
  method: undefined,
  'media-type': undefined,
  'queue-full': 'overloaded',
  closing: 'overloaded',
  timeout: 'inference',
  internal: 'inference',
};

/** Its 35 borders, from 15 µs to 15 s, in seconds. */
const DURATIONS = exponentialBuckets(0.000015, 1.5, 35);

const STAGES = { tokenization: 'tokenizeMs', queue: 'queueMs', inference: 'computeMs' } as const;

/**
 * The metrics of text-embeddings-inference, by its names and with its meaning, for all models together, so that its
 * dashboards work; sizes of batches and inputs are in `tei-sizes.ts`. Its times of each input, such as
 * `te_embed_duration`, are not among them: here a call has one time for all its inputs.
 */
export class TeiMetrics {
  readonly #count: Counter<'method'>;
  readonly #success: Counter<'method'>;
  readonly #failure: Counter<'err'>;
  readonly #inputs: Readonly<Record<'embed' | 'predict', { count: Counter; success: Counter }>>;
  readonly #duration: Histogram;
  readonly #stages: readonly (readonly [Histogram, (typeof STAGES)[keyof typeof STAGES]])[];

  constructor(registry: Registry) {
    const registers = [registry];
    const inputs = (name: string, what: string) => ({
      count: new Counter({ name: `te_${name}_count`, help: `${what} that reached a model`, registers }),
      success: new Counter({ name: `te_${name}_success`, help: `${what} that were answered`, registers }),
    });
    const duration = (name: string, help: string) =>
      new Histogram({ name, help, buckets: DURATIONS, registers });
    this.#count = new Counter({
      name: 'te_request_count',
      help: 'Requests for a model; single: of one text',
      labelNames: ['method'],
      registers,
    });
    this.#success = new Counter({
      name: 'te_request_success',
      help: 'Requests for a model that were answered',
      labelNames: ['method'],
      registers,
    });
    this.#failure = new Counter({
      name: 'te_request_failure',
      help: 'Requests for a model that failed, by what did not go',
      labelNames: ['err'],
      registers,
    });
    this.#inputs = { embed: inputs('embed', 'Texts to embed'), predict: inputs('predict', 'Pairs to score') };
    this.#duration = duration('te_request_duration', 'Seconds from a call to its answer');
    this.#stages = Object.entries(STAGES).map(([stage, field]) => [
      duration(`te_request_${stage}_duration`, `Seconds of a call: ${stage}`),
      field,
    ]);
    for (const method of ['single', 'batch']) {
      this.#count.inc({ method }, 0);
      this.#success.inc({ method }, 0);
    }
    for (const err of Object.values(ERRORS)) if (err !== undefined) this.#failure.inc({ err }, 0);
  }

  ended({ operation, items, model, failure, disconnected, timings }: Served): void {
    const err = failure === undefined ? undefined : ERRORS[failure];
    if (err !== undefined) this.#failure.inc({ err });
    if (operation === undefined) return;
    const method = operation === 'embed' && items === 1 ? 'single' : 'batch';
    const inputs = this.#inputs[operation === 'embed' ? 'embed' : 'predict'];
    this.#count.inc({ method });
    if (model !== undefined) inputs.count.inc(items);
    if (failure !== undefined || disconnected) return;
    this.#success.inc({ method });
    inputs.success.inc(items);
    if (timings === undefined) return;
    this.#duration.observe(timings.totalMs / 1000);
    for (const [histogram, field] of this.#stages) histogram.observe(timings[field] / 1000);
  }
}
