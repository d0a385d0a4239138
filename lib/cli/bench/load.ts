import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Reranker } from '../../reranker';

/** A query and its documents. */
export interface TextSet {
  query: string;
  documents: string[];
  /** @defaultValue that of `rerank` */
  maxLength?: number;
}

/** Times of each request in milliseconds, in the order in which they ended. */
export interface RequestTimes {
  tokenize: number[];
  queue: number[];
  compute: number[];
  total: number[];
}

export interface EventLoopDelay {
  p50: number;
  p99: number;
  max: number;
}

/** What one level of concurrency gave. */
export interface LoadResult {
  concurrency: number;
  requests: number;
  pairs: number;
  tokens: number;
  elapsedMs: number;
  /** Processor time of the whole process, all threads. */
  processorMs: number;
  times: RequestTimes;
  eventLoopDelayMs: EventLoopDelay;
}

export interface LoadPlan {
  concurrency: number;
  /** No request starts after this time; those that have started are waited for. @defaultValue no limit */
  seconds?: number;
  /** No more requests than this start. @defaultValue no limit */
  requests?: number;
  /** Ends it: the call rejects with its reason. */
  signal?: AbortSignal;
}

const TOP_K = 10;
const RESOLUTION_MS = 1;

/** Keeps `concurrency` requests under way for a time, and watches the event loop that sends them. */
export async function runLoad(
  reranker: Reranker,
  sets: readonly TextSet[],
  plan: LoadPlan,
  onProgress: (share: number) => void,
): Promise<LoadResult> {
  const times: RequestTimes = { tokenize: [], queue: [], compute: [], total: [] };
  const result = { requests: 0, pairs: 0, tokens: 0 };
  let begun = 0;
  const watch = watchEventLoop();
  const processorStart = process.cpuUsage();
  const started = performance.now();
  const { seconds = Number.POSITIVE_INFINITY, requests = Number.POSITIVE_INFINITY, signal } = plan;
  const share = () => Math.max(begun / requests, (performance.now() - started) / (seconds * 1000));

  const client = async () => {
    do {
      const { query, documents, maxLength } = sets[begun++ % sets.length] as TextSet;
      const { usage, timings } = await reranker.rerank(query, documents, {
        topK: TOP_K,
        returnDocuments: false,
        cache: false,
        ...(maxLength === undefined ? {} : { maxLength }),
        ...(signal === undefined ? {} : { signal }),
      });
      result.requests++;
      result.pairs += usage.pairs;
      result.tokens += usage.tokens;
      times.tokenize.push(timings.tokenizeMs);
      times.queue.push(timings.queueMs);
      times.compute.push(timings.computeMs);
      times.total.push(timings.totalMs);
      onProgress(share());
    } while (share() < 1);
  };
  await Promise.all(Array.from({ length: plan.concurrency }, client));
  const elapsedMs = performance.now() - started;
  const { user, system } = process.cpuUsage(processorStart);
  const processorMs = (user + system) / 1000;
  return {
    concurrency: plan.concurrency,
    ...result,
    elapsedMs,
    processorMs,
    times,
    eventLoopDelayMs: watch(),
  };
}

/**
 * How late the event loop runs. Node records the time between two ticks of a timer, so an idle loop shows the timer's
 * own period; the delay is what goes beyond it.
 */
export function watchEventLoop(): () => EventLoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  return () => {
    histogram.disable();
    if (histogram.count === 0) return { p50: 0, p99: 0, max: 0 };
    const delay = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
    return {
      p50: delay(histogram.percentile(50)),
      p99: delay(histogram.percentile(99)),
      max: delay(histogram.max),
    };
  };
}
