import { Counter, Gauge, type Registry } from 'prom-client';
import type { ModelPool, ServedModel } from '../model-pool';
import { type Counted, CountedHistogram } from './counted-histogram';
import { COUNTS, GAUGES, type Stats } from './engine-figures';
import { GrowingCounts } from './growing-counts';
import { SIZE_NUMBERS, sizesOf, TeiSizes } from './tei-sizes';

/** A model's stats are looked at no more often than this, since it takes some 80 µs; models are unloaded after seconds. */
const SAMPLE_INTERVAL_MS = 50;

/** Of `stats().scores`. */
const SCORE_BINS = 20;

const STAGES = ['queue', 'compute', 'total'] as const;
const PERCENTILES = ['p50', 'p95', 'p99'] as const;

/** What is remembered of a model's engines. */
class Sample {
  /** Of {@link COUNTS}, then the sizes, then the bins of the scores. */
  readonly #counts = new GrowingCounts();
  at = Number.NEGATIVE_INFINITY;

  take(stats: Stats | undefined): void {
    this.at = performance.now();
    if (stats === undefined) return;
    const scores = 'scores' in stats ? stats.scores : [];
    this.#counts.update([...COUNTS.map(({ of }) => of(stats)), ...sizesOf(stats), ...scores]);
  }

  /** Zeros for a model that has never been loaded. */
  counts(): number[] {
    const totals = this.#counts.totals();
    return COUNTS.map((_, i) => totals[i] ?? 0);
  }

  sizes(): number[] {
    return this.#counts.totals().slice(COUNTS.length, COUNTS.length + SIZE_NUMBERS);
  }

  bins(): number[] {
    return this.#counts.totals().slice(COUNTS.length + SIZE_NUMBERS);
  }
}

/**
 * Equal bins of the sigmoid score from 0 to 1. Prometheus takes a bucket's upper border into it, the engines take it into
 * the next bin, which only a score that is exactly there tells apart.
 */
function scoresOf(model: string, bins: readonly number[]): Counted {
  const sum = bins.reduce((total, pairs, bin) => total + (pairs * (bin + 0.5)) / bins.length, 0);
  return { labels: { model }, bins, sum };
}

/** What the engines count, of each model that is served. */
export class EngineMetrics {
  readonly #pool: ModelPool;
  readonly #samples = new Map<string, Sample>();
  readonly #counters: ReadonlyMap<string, Counter>;
  readonly #gauges: ReadonlyMap<string, Gauge>;
  readonly #latencies: ReadonlyMap<(typeof PERCENTILES)[number], Gauge<'model' | 'stage'>>;
  readonly #scores: CountedHistogram;
  readonly #sizes: TeiSizes;
  readonly #loaded: Gauge<'model' | 'task'>;
  readonly #weights: Gauge<'model'>;
  readonly #info: Gauge;
  readonly #queueSize: Gauge;
  #timer: NodeJS.Timeout | undefined;

  constructor(registry: Registry, pool: ModelPool) {
    const registers = [registry];
    this.#pool = pool;
    this.#counters = new Map(
      COUNTS.filter(({ name }, i) => COUNTS.findIndex((other) => other.name === name) === i).map(
        ({ name, help, labels = {} }) => {
          const labelNames = ['model', ...Object.keys(labels)];
          return [name, new Counter({ name, help, labelNames, registers })];
        },
      ),
    );
    this.#gauges = new Map(
      GAUGES.map(({ name, help }) => [name, new Gauge({ name, help, labelNames: ['model'], registers })]),
    );
    this.#latencies = new Map(
      PERCENTILES.map((percentile) => [
        percentile,
        new Gauge({
          name: `crossrank_latency_${percentile}_seconds`,
          help: `P${percentile.slice(1)} of the calls of the last five minutes, by stage; of several workers, the slowest`,
          labelNames: ['model', 'stage'],
          aggregator: 'max',
          registers,
        }),
      ]),
    );
    this.#scores = new CountedHistogram(registry, {
      name: 'crossrank_scores',
      help: "Pairs that the model ran, by the sigmoid of their logit; the sum is an estimate from the bins' middles",
      borders: Array.from({ length: SCORE_BINS }, (_, bin) => (bin + 1) / SCORE_BINS),
    });
    this.#sizes = new TeiSizes(registry);
    this.#loaded = new Gauge({
      name: 'crossrank_model_loaded',
      help: 'Processes of the server that have the model in memory',
      labelNames: ['model', 'task'],
      registers,
    });
    this.#weights = new Gauge({
      name: 'crossrank_model_weight_bytes',
      help: 'Memory of the weights of a loaded model, of all processes together',
      labelNames: ['model'],
      registers,
    });
    this.#info = new Gauge({
      name: 'crossrank_model_info',
      help: 'Of a model that has been loaded: what it is and how it runs',
      labelNames: ['model', 'task', 'architecture', 'precision', 'kernel', 'threads'],
      aggregator: 'first',
      registers,
    });
    this.#queueSize = new Gauge({
      name: 'te_queue_size',
      help: 'Requests admitted and not answered yet, of all models',
      registers,
    });
  }

  /**
   * Keeps the counts of an engine that may be unloaded soon, at once or a little later. To be called when a request on it
   * has ended.
   */
  note(model: string): void {
    const served = this.#pool.list().find(({ name }) => name === model);
    if (served === undefined) return;
    if (performance.now() - this.#sampleOf(served).at >= SAMPLE_INTERVAL_MS) {
      this.#look(served);
      return;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const each of this.#pool.list()) this.#look(each);
    }, SAMPLE_INTERVAL_MS).unref();
  }

  /** Brings what the registry shows up to now. */
  publish(): void {
    for (const counter of this.#counters.values()) counter.reset();
    for (const gauge of [...this.#gauges.values(), ...this.#latencies.values()]) gauge.reset();
    this.#weights.reset();
    this.#info.reset();
    this.#queueSize.set(0);
    const scores: Counted[] = [];
    for (const served of this.#pool.list()) {
      const stats = this.#look(served);
      this.#publishModel(served);
      if (stats !== undefined) this.#publishStats(served.name, stats);
      const sample = this.#sampleOf(served);
      this.#publishCounts(served.name, sample.counts());
      if (sample.bins().length > 0) scores.push(scoresOf(served.name, sample.bins()));
    }
    this.#scores.set(scores);
    this.#sizes.set(this.#pool.list().map((served) => this.#sampleOf(served).sizes()));
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #look(served: ServedModel): Stats | undefined {
    const stats = served.stats();
    this.#sampleOf(served).take(stats);
    return stats;
  }

  #sampleOf({ name }: ServedModel): Sample {
    const known = this.#samples.get(name);
    if (known !== undefined) return known;
    const fresh = new Sample();
    this.#samples.set(name, fresh);
    return fresh;
  }

  #publishCounts(model: string, counts: readonly number[]): void {
    COUNTS.forEach(({ name, labels }, i) => {
      this.#counters.get(name)?.inc({ model, ...labels }, counts[i]);
    });
  }

  #publishModel(served: ServedModel): void {
    const { name: model, task } = served;
    const info = served.info();
    this.#loaded.set({ model, task }, served.loaded ? 1 : 0);
    if (info === undefined) return;
    if (served.loaded) this.#weights.set({ model }, info.memory.weights);
    const { architecture, precision, kernels, threads } = info;
    this.#info.set({ model, task, architecture, precision, kernel: kernels.linear, threads }, 1);
  }

  #publishStats(model: string, stats: Stats): void {
    for (const { name, of } of GAUGES) this.#gauges.get(name)?.set({ model }, of(stats));
    this.#queueSize.inc(stats.queue.requests);
    for (const stage of STAGES) {
      const summary = stats.latencyMs[stage];
      if (summary.count === 0) continue;
      for (const [percentile, gauge] of this.#latencies)
        gauge.set({ model, stage }, summary[percentile] / 1000);
    }
  }
}
