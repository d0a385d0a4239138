import { Histogram, type Registry } from 'prom-client';

const NAME = 'crossrank_scores';
const HELP =
  "Pairs that the model ran, by the sigmoid of their logit; the sum is an estimate from the bins' middles";

type Parts = Awaited<ReturnType<Histogram<'model'>['get']>>;

/**
 * A histogram whose buckets are counted elsewhere, by the engines: equal bins of the sigmoid score from 0 to 1.
 * Prometheus takes a bucket's upper border into it, the engines take it into the next bin, which only a score that is exactly there tells
 * apart.
 */
export class ScoreHistogram extends Histogram<'model'> {
  #bins: ReadonlyMap<string, readonly number[]> = new Map();

  constructor(registry: Registry) {
    super({
      name: NAME,
      help: HELP,
      labelNames: ['model'],
      buckets: [],
      registers: [registry],
    });
  }

  /** @param bins - Of each model: how many pairs scored so */
  setBins(bins: ReadonlyMap<string, readonly number[]>): void {
    this.#bins = bins;
  }

  override async get(): Promise<Parts> {
    const values = [...this.#bins].flatMap(([model, bins]) => samplesOf(model, bins));
    // The types have an enum for `type`, which is a string in all of prom-client.
    return { name: NAME, help: HELP, type: 'histogram', aggregator: 'sum', values } as unknown as Parts;
  }

  /** What prom-client calls for the text where a metric has it; its types leave it out. */
  getForPromString(): Promise<Parts> {
    return this.get();
  }
}

function samplesOf(model: string, bins: readonly number[]): Parts['values'] {
  let count = 0;
  let sum = 0;
  const buckets = bins.map((pairs, bin) => {
    count += pairs;
    sum += (pairs * (bin + 0.5)) / bins.length;
    return sample('bucket', { le: (bin + 1) / bins.length, model }, count);
  });
  return [
    ...buckets,
    sample('bucket', { le: '+Inf', model }, count),
    sample('sum', { model }, sum),
    sample('count', { model }, count),
  ];
}

function sample(part: string, labels: { model: string; le?: number | string }, value: number) {
  return { metricName: `${NAME}_${part}`, labels, value, exemplar: null };
}
