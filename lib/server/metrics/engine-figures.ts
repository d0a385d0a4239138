import type { EmbedderStats, RerankerStats } from '../../telemetry/stats';

export type Stats = RerankerStats | EmbedderStats;

/** A number of `stats()` and the metric that shows it. */
export interface Figure {
  name: string;
  help: string;
  labels?: Readonly<Record<string, string>>;
  of: (stats: Stats) => number;
}

const OUTCOMES = {
  name: 'crossrank_engine_requests_total',
  help: 'Requests to the engine by how they ended; refused: the queue was full; degraded: answered in part, for want of time',
};

/** What only grows as long as an engine lives. */
export const COUNTS: readonly Figure[] = [
  {
    ...OUTCOMES,
    labels: { outcome: 'answered' },
    of: ({ requests: { ended, failed, aborted, timedOut } }) => ended - failed - aborted - timedOut,
  },
  { ...OUTCOMES, labels: { outcome: 'degraded' }, of: ({ requests }) => requests.degraded },
  {
    ...OUTCOMES,
    labels: { outcome: 'timed_out' },
    of: ({ requests }) => requests.timedOut - requests.degraded,
  },
  { ...OUTCOMES, labels: { outcome: 'aborted' }, of: ({ requests }) => requests.aborted },
  { ...OUTCOMES, labels: { outcome: 'failed' }, of: ({ requests }) => requests.failed },
  { ...OUTCOMES, labels: { outcome: 'refused' }, of: ({ requests }) => requests.refused },
  {
    name: 'crossrank_pairs_scored_total',
    help: 'Pairs, or texts, that the model ran',
    of: ({ scored }) => scored.pairs,
  },
  {
    name: 'crossrank_tokens_scored_total',
    help: 'Tokens that the model ran, special tokens included',
    of: ({ scored }) => scored.tokens,
  },
  {
    name: 'crossrank_pairs_shared_total',
    help: 'Pairs answered by a run for the same pair of this or another request',
    of: ({ scored }) => scored.shared,
  },
  {
    name: 'crossrank_pairs_restarted_total',
    help: 'Pairs run again because another request ended their run',
    of: ({ scored }) => scored.restarted,
  },
  {
    name: 'crossrank_cache_hits_total',
    help: 'Pairs answered from the cache of scores',
    of: ({ cache }) => cache.hits,
  },
  {
    name: 'crossrank_cache_misses_total',
    help: 'Pairs looked for in the cache of scores and not found',
    of: ({ cache }) => cache.misses,
  },
  {
    name: 'crossrank_runs_ended_total',
    help: 'Runs of the model ended by an abort or a deadline',
    of: ({ endedRuns }) => endedRuns.count,
  },
];

/** What is so now. */
export const GAUGES: readonly Figure[] = [
  {
    name: 'crossrank_queue_requests',
    help: 'Requests admitted and not answered yet',
    of: ({ queue }) => queue.requests,
  },
  {
    name: 'crossrank_queue_tokens',
    help: 'Tokens of admitted requests that are not computed yet',
    of: ({ queue }) => queue.tokens,
  },
  {
    name: 'crossrank_queue_limit_tokens',
    help: 'Queued tokens from which on requests are refused; 0 while the model is not loaded',
    of: ({ queue }) => queue.maxTokens,
  },
  {
    name: 'crossrank_running_chunks',
    help: 'Runs of the model under way, one a thread at most',
    of: ({ running }) => running.chunks,
  },
  {
    name: 'crossrank_running_pairs',
    help: 'Pairs, or texts, in the runs under way',
    of: ({ running }) => running.pairs,
  },
  {
    name: 'crossrank_tokens_per_second',
    help: 'Speed of all threads together, a moving average over runs; an estimate before the first run',
    of: ({ tokensPerSecond }) => tokensPerSecond,
  },
  { name: 'crossrank_cache_entries', help: 'Scores in the cache', of: ({ cache }) => cache.entries },
  { name: 'crossrank_cache_bytes', help: 'Memory of the cache of scores', of: ({ cache }) => cache.bytes },
];
