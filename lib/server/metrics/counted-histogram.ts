import { Histogram, type Registry } from 'prom-client';

type Parts = Awaited<ReturnType<Histogram['get']>>;
type Labels = Readonly<Record<string, string | number>>;

/** What a {@link CountedHistogram} shows for some labels, or for none. */
export interface Counted {
  labels: Labels;
  /** How many values lie up to each border and above the one before it; one more is for those above the last. */
  bins: readonly number[];
  sum: number;
}

/** A histogram whose values are counted elsewhere, by the engines. */
export class CountedHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #borders: readonly number[];
  #counted: readonly Counted[] = [];

  constructor(
    registry: Registry,
    { name, help, borders }: { name: string; help: string; borders: readonly number[] },
  ) {
    super({ name, help, buckets: [], registers: [registry] });
    this.#name = name;
    this.#help = help;
    this.#borders = borders;
  }

  set(counted: readonly Counted[]): void {
    this.#counted = counted;
  }

  override async get(): Promise<Parts> {
    const values = this.#counted.flatMap((each) => this.#samplesOf(each));
    const described = { name: this.#name, help: this.#help, type: 'histogram', aggregator: 'sum' };
    // The types have an enum for `type`, which is a string in all of prom-client.
    return { ...described, values } as unknown as Parts;
  }

  /** What prom-client calls for the text where a metric has it; its types leave it out. */
  getForPromString(): Promise<Parts> {
    return this.get();
  }

  #samplesOf({ labels, bins, sum }: Counted): object[] {
    const sample = (part: string, value: number, le: Labels = {}) => ({
      metricName: `${this.#name}_${part}`,
      labels: { ...le, ...labels },
      value,
      exemplar: null,
    });
    let count = 0;
    const buckets = this.#borders.map((le, bin) => {
      count += bins[bin] ?? 0;
      return sample('bucket', count, { le });
    });
    count += bins[this.#borders.length] ?? 0;
    return [...buckets, sample('bucket', count, { le: '+Inf' }), sample('sum', sum), sample('count', count)];
  }
}
