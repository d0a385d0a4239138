import { randomNumbers } from '../random';

/** A mean over queries, and where it would lie had other queries of the same kind been asked. */
export interface Estimate {
  mean: number;
  /** Lower end of the confidence interval. */
  low: number;
  /** Upper end of the confidence interval. */
  high: number;
}

/** What {@link pairedBootstrap} tells. */
export interface PairedEstimates {
  before: Estimate;
  after: Estimate;
  /** Of after less before, query by query: much narrower than the two intervals suggest. */
  difference: Estimate;
}

export interface BootstrapOptions {
  /** How often queries are drawn anew. */
  resamples: number;
  /** Share of the resampled means within the interval, such as 0.95. */
  confidence: number;
  seed: number;
}

/**
 * Confidence intervals of means over queries, by the paired percentile bootstrap: queries are drawn with replacement, as
 * many as there are, and each drawn query brings both of its values (Efron and Tibshirani 1993, chapter 13; for retrieval
 * Sakai 2006). The same as scipy.stats.bootstrap with `method='percentile'` and `paired=True`.
 *
 * @param before - a value for each query
 * @param after - of the same queries, in the same order
 */
export function pairedBootstrap(
  before: readonly number[],
  after: readonly number[],
  { resamples, confidence, seed }: BootstrapOptions,
): PairedEstimates {
  const count = before.length;
  const means = [0, 1, 2].map(() => new Float64Array(resamples)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const random = randomNumbers(seed);
  for (let i = 0; i < resamples; i++) {
    let sumBefore = 0;
    let sumAfter = 0;
    for (let drawn = 0; drawn < count; drawn++) {
      const query = Math.floor(random() * count);
      sumBefore += before[query] as number;
      sumAfter += after[query] as number;
    }
    means[0][i] = sumBefore / count;
    means[1][i] = sumAfter / count;
    means[2][i] = (sumAfter - sumBefore) / count;
  }
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / count;
  const [beforeMean, afterMean] = [mean(before), mean(after)];
  return {
    before: { mean: beforeMean, ...interval(means[0], confidence) },
    after: { mean: afterMean, ...interval(means[1], confidence) },
    difference: { mean: afterMean - beforeMean, ...interval(means[2], confidence) },
  };
}

function interval(means: Float64Array, confidence: number): { low: number; high: number } {
  means.sort();
  const tail = (1 - confidence) / 2;
  return { low: quantile(means, tail), high: quantile(means, 1 - tail) };
}

/** Between the two nearest values, linearly, as numpy.quantile. */
function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  return low + (high - low) * (place - below);
}
