import { type LatencySummary, RollingHistogram } from './rolling-histogram';

/**
 * What {@link Reranker.stats} tells. Rerankers that share an engine (the same model and engine options) share its
 * counts; `latencyMs` is of this reranker's own calls.
 */
export interface RerankerStats extends EngineStats {
  /** Calls that were answered in the last five minutes: time in the queue, computing, and from call to answer. */
  latencyMs: { queue: LatencySummary; compute: LatencySummary; total: LatencySummary };
}

/**
 * What {@link Embedder.stats} tells, as {@link RerankerStats}; a pair is a text. Of a disposed embedder: zeros.
 */
export type EmbedderStats = Omit<RerankerStats, 'scores'>;

/** How often a number was how large: `bins[i]` counts those up to 2^i that no bin before it counts, the last one the rest. */
export interface SizeCounts {
  sum: number;
  bins: number[];
}

/** As the addon counts. A window or chunk of a document counts as a pair. */
export interface EngineStats {
  /** Admitted and not answered yet. `maxTokens` is where calls are refused. */
  queue: { requests: number; tokens: number; maxTokens: number };
  running: { chunks: number; pairs: number };
  /** Since the model was loaded. `ended`: admitted and not under way any more, so all but the refused. */
  requests: {
    ended: number;
    refused: number;
    failed: number;
    aborted: number;
    timedOut: number;
    degraded: number;
  };
  /**
   * Pairs that the model ran and their tokens; `shared`: answered by a run for the same pair; `restarted`: run again
   * because another call ended their run.
   */
  scored: { pairs: number; tokens: number; shared: number; restarted: number };
  /**
   * Of runs of the model: their pairs, and their tokens; of pairs, answered from the cache or not: their tokens, special
   * tokens included.
   */
  sizes: { runPairs: SizeCounts; runTokens: SizeCounts; pairTokens: SizeCounts };
  /** Of all threads together, a moving average; an estimate before the first run. */
  tokensPerSecond: number;
  /** `hits` and `misses` count pairs. */
  cache: { entries: number; bytes: number; hits: number; misses: number };
  /** Runs ended by an abort or a deadline: milliseconds until their thread was free. */
  endedRuns: { count: number; meanMs: number; maxMs: number };
  /** How many pairs scored so: 20 equal bins of the sigmoid of the first logit, from 0 to 1. */
  scores: number[];
}

/** Times of a reranker's calls over the last minutes. */
export class CallTimes {
  readonly #queue = new RollingHistogram();
  readonly #compute = new RollingHistogram();
  readonly #total = new RollingHistogram();

  record({ queueMs, computeMs }: { queueMs: number; computeMs: number }, totalMs: number): void {
    this.#queue.record(queueMs);
    this.#compute.record(computeMs);
    this.#total.record(totalMs);
  }

  summary(): RerankerStats['latencyMs'] {
    return {
      queue: this.#queue.summary(),
      compute: this.#compute.summary(),
      total: this.#total.summary(),
    };
  }
}
