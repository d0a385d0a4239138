import { Histogram, type Registry } from 'prom-client';

type Parts = Awaited<ReturnType<Histogram['get']>>;
type Labels = Readonly<Record<string, string>>;

/** What one histogram shows, of some labels or of none. */
export interface Counted {
  labels: Labels;
  /** How many values each bucket has that no bucket before it has; those beyond the last border follow it, where there are any. */
  bins: readonly number[];
  sum: number;
}

/** A histogram whose values are counted elsewhere, by the engines. */
export class CountedHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #borders: readonly number[];
  #counted: readonly Counted[] = [];

  constructor(registry: Registry, options: { name: string; help: string; borders: readonly number[] }) {
    super({ name: options.name, help: options.help, buckets: [], registers: [registry] });
    this.#name = options.name;
    this.#help = options.help;
    this.#borders = options.borders;
  }

  set(counted: readonly Counted[]): void {
    this.#counted = counted;
  }

  override async get(): Promise<Parts> {
    const values = this.#counted.flatMap((each) => this.#samplesOf(each));
    // The types have an enum for `type`, which is a string in all of prom-client.
    return {
      name: this.#name,
      help: this.#help,
      type: 'histogram',
      aggregator: 'sum',
      values,
    } as unknown as Parts;
  }

  /** What prom-client calls for the text where a metric has it; its types leave it out. */
  getForPromString(): Promise<Parts> {
    return this.get();
  }

  #samplesOf({ labels, bins, sum }: Counted): Parts['values'] {
    let count = 0;
    const buckets = this.#borders.map((le, bin) => {
      count += bins[bin] ?? 0;
      return this.#sample('bucket', { le, ...labels }, count);
    });
    count += bins[this.#borders.length] ?? 0;
    return [
      ...buckets,
      this.#sample('bucket', { le: '+Inf', ...labels }, count),
      this.#sample('sum', labels, sum),
      this.#sample('count', labels, count),
    ];
  }

  #sample(part: string, labels: Labels | Readonly<Record<string, string | number>>, value: number) {
    return { metricName: `${this.#name}_${part}`, labels, value, exemplar: null };
  }
}
