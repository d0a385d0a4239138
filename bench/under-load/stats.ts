import type { RerankerStats } from '../../lib';

/** What was counted between two looks; what is told of now, and times, are those of the second. */
export function statsSince(before: RerankerStats, after: RerankerStats): RerankerStats {
  const { hits, misses } = difference(before.cache, after.cache);
  return {
    ...after,
    requests: difference(before.requests, after.requests),
    scored: difference(before.scored, after.scored),
    cache: { ...after.cache, hits, misses },
  };
}

function difference<Counts extends Record<keyof Counts, number>>(before: Counts, after: Counts): Counts {
  const names = Object.keys(after) as (keyof Counts)[];
  return Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as Counts;
}
