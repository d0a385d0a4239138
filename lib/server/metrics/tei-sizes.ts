import type { Registry } from 'prom-client';
import type { SizeCounts } from '../../telemetry/stats';
import { CountedHistogram } from './counted-histogram';
import type { Stats } from './engine-figures';

interface Size {
  name: string;
  help: string;
  of: (stats: Stats) => SizeCounts;
  /** Of two, from 1 on, that are borders; as text-embeddings-inference has them in `router/src/prometheus.rs`. */
  powers: number;
}

/**
 * The metrics of text-embeddings-inference that are sizes. It has batches, which it takes from its queue as the engine
 * does its runs, and records each input's length once it has been cut; where the cache of scores answers it is recorded
 * here, too.
 */
const SIZES: readonly Size[] = [
  {
    name: 'te_batch_next_size',
    help: 'Pairs, or texts, of a run of a model',
    of: ({ sizes }) => sizes.runPairs,
    powers: 13,
  },
  {
    name: 'te_batch_next_tokens',
    help: 'Tokens of a run of a model',
    of: ({ sizes }) => sizes.runTokens,
    powers: 21,
  },
  {
    name: 'te_request_input_length',
    help: 'Tokens of a pair, or text, as a model takes it, special tokens included',
    of: ({ sizes }) => sizes.pairTokens,
    powers: 20,
  },
];

/** Of the numbers of a size: the sum, the bins up to each border, and the one beyond the last. */
const lengthOf = ({ powers }: Size) => powers + 2;

/** How many numbers {@link sizesOf} tells. */
export const SIZE_NUMBERS = SIZES.reduce((sum, size) => sum + lengthOf(size), 0);

/** The sizes of an engine as numbers that only grow. */
export function sizesOf(stats: Stats): number[] {
  return SIZES.flatMap(({ of }) => {
    const { sum, bins } = of(stats);
    return [sum, ...bins];
  });
}

/** Sizes in the words of text-embeddings-inference, of all models together. */
export class TeiSizes {
  readonly #histograms: readonly CountedHistogram[];

  constructor(registry: Registry) {
    this.#histograms = SIZES.map(({ name, help, powers }) => {
      const borders = Array.from({ length: powers }, (_, power) => 2 ** power);
      return new CountedHistogram(registry, { name, help, borders });
    });
  }

  /** @param models - Of each, what {@link sizesOf} told; empty for one that has never been loaded */
  set(models: readonly (readonly number[])[]): void {
    let first = 0;
    SIZES.forEach((size, i) => {
      const numbers = Array.from({ length: lengthOf(size) }, (_, at) =>
        models.reduce((total, model) => total + (model[first + at] ?? 0), 0),
      );
      const [sum = 0, ...bins] = numbers;
      this.#histograms[i]?.set([{ labels: {}, bins, sum }]);
      first += numbers.length;
    });
  }
}
