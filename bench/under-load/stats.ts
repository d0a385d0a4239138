import type { Reranker } from '../../lib';

/** Times in milliseconds of the last minutes. */
export interface LatencySummary {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** What `reranker.stats()` tells. */
export interface RerankerStats {
  queue: { requests: number; tokens: number; maxTokens: number };
  running: { chunks: number; pairs: number };
  requests: {
    /** Admitted, and not under way any more. */
    ended: number;
    /** Not among the ended. */
    refused: number;
    failed: number;
    aborted: number;
    timedOut: number;
    degraded: number;
  };
  scored: { pairs: number; tokens: number; shared: number; restarted: number };
  tokensPerSecond: number;
  cache: { entries: number; bytes: number; hits: number; misses: number };
  /** From a cancellation that ended a run to the lane being free. */
  endedRuns: { count: number; meanMs: number; maxMs: number };
  latencyMs: { queue: LatencySummary; compute: LatencySummary; total: LatencySummary };
  scores: number[];
}

/** Null where this version of crossrank does not tell. */
export function statsOf(reranker: Reranker): RerankerStats | null {
  const source = reranker as Reranker & { stats?: () => RerankerStats };
  return source.stats?.() ?? null;
}

/** What was counted between two looks; what is told of now, and times, are those of the second. */
export function statsSince(before: RerankerStats | null, after: RerankerStats | null): RerankerStats | null {
  if (before === null || after === null) return null;
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
