import type { RerankerStats } from '../../lib';

/** What was counted between two looks; what is told of now, and times, are those of the second. */
export function statsSince(before: RerankerStats, after: RerankerStats): RerankerStats {
  const { hits, misses } = difference(before.cache, after.cache);
  return {
    ...after,
    requests: difference(before.requests, after.requests),
    scored: difference(before.scored, after.scored),
    cache: { ...after.cache, hits, misses },
    sizes: {
      runPairs: fewer(before.sizes.runPairs, after.sizes.runPairs),
      runTokens: fewer(before.sizes.runTokens, after.sizes.runTokens),
      pairTokens: fewer(before.sizes.pairTokens, after.sizes.pairTokens),
    },
  };
}

type Sizes = RerankerStats['sizes'][keyof RerankerStats['sizes']];

function fewer(before: Sizes, after: Sizes): Sizes {
  return {
    sum: after.sum - before.sum,
    bins: after.bins.map((count, i) => count - (before.bins[i] as number)),
  };
}

function difference<Counts extends Record<keyof Counts, number>>(before: Counts, after: Counts): Counts {
  const names = Object.keys(after) as (keyof Counts)[];
  return Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as Counts;
}
