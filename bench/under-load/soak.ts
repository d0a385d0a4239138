import type { Reranker, RerankerStats, RerankOptions } from '../../lib';
import { makeTexts } from '../texts';
import { loadModel, type Settings, type Show } from './scenario';
import { SoakCheck, type SoakCounts } from './soak-check';
import { type Candidates, candidatesOf, documentsOf, drawRequests, type SoakRequest } from './soak-plan';
import { statsSince } from './stats';

/** Many requests, most of which are cut short in some way. */
export interface Soak {
  requests: number;
  callers: number;
  elapsedMs: number;
  counts: SoakCounts;
  /** What was wrong; empty where every request settled exactly once, rightly, and the work adds up. */
  problems: string[];
  /** More than are listed, where there are many. */
  problemCount: number;
  /** Null where crossrank does not tell; then outcomes are not compared with it. */
  stats: RerankerStats;
  /** Resident memory of this process after so many requests. */
  memory: MemorySample[];
  /** After the first tenth. */
  early: MemorySample;
  end: MemorySample;
}

export interface MemorySample {
  settled: number;
  residentBytes: number;
  /** Of them, what V8 has taken for JavaScript, in use or not. */
  heapBytes: number;
}

export interface SoakPlan {
  requests: number;
  /** Requests at the same time. */
  callers: number;
  seed: number;
  /** Requests that neither use the cache nor share work. @defaultValue a third */
  unsharedShare?: number;
  /** Without a single settlement in this time, the requests under way count as lost. */
  stallMs: number;
}

const QUERIES = 400;
const POOL = 1000;
/** Short, so that twenty thousand requests take minutes. */
const LENGTH = { min: 5, max: 30 };
const CANDIDATES = 60;
const CALLERS = 32;
const STALL_MS = 120_000;
const MEMORY_SAMPLES = 200;
const EARLY_SHARE = 0.1;
/** Weight of what is new in the usual time of a request. */
const NEW = 0.1;
const FIRST_USUAL_MS = 50;

/** The cache holds every pair of the soak, so that none needs to be scored twice. */
export async function measureSoak(settings: Settings, show: Show): Promise<Soak> {
  const candidates = await soakCandidates(settings);
  await using reranker = await loadModel(settings, { cache: {} });
  const plan = { requests: settings.soak, callers: CALLERS, seed: 1, stallMs: STALL_MS };
  return await runSoak(reranker, candidates, plan, show);
}

/** Made with a reranker that is gone before memory is looked at. */
async function soakCandidates(settings: Settings): Promise<Candidates> {
  await using reranker = await loadModel(settings);
  return candidatesOf(await makeTexts(reranker, QUERIES, Math.ceil(POOL / QUERIES), LENGTH), CANDIDATES);
}

/**
 * Keeps some requests under way until all have settled. A promise cannot settle twice, and the addon cannot settle it
 * twice without ending the process; that a request ended twice in the engine shows in its count of ended requests.
 */
export async function runSoak(
  reranker: Reranker,
  candidates: Candidates,
  plan: SoakPlan,
  show: Show = () => {},
): Promise<Soak> {
  const before = reranker.stats();
  const check = new SoakCheck(candidates, plan.requests);
  const draw = drawRequests(candidates, plan.seed, plan.unsharedShare);
  const every = Math.max(1, Math.floor(plan.requests / MEMORY_SAMPLES));
  const memory: MemorySample[] = [memoryAfter(0)];
  const started = performance.now();
  let begun = 0;
  let usualMs = FIRST_USUAL_MS;
  let lastSettled = started;

  const onSettled = () => {
    const { settled } = check.counts;
    lastSettled = performance.now();
    if (settled % every !== 0 && settled !== plan.requests) return;
    memory.push(memoryAfter(settled));
    show(settled / plan.requests);
  };
  const callers = Array.from({ length: Math.min(plan.callers, plan.requests) }, async () => {
    while (begun < plan.requests) {
      const number = begun++;
      const request = draw();
      check.started(request);
      const answeredMs = await send(reranker, candidates, request, usualMs, {
        answered: (response) => check.answered(number, request, response),
        rejected: (error, aborted) => check.rejected(number, request, error, aborted),
      });
      if (request.fate === 'plain' && answeredMs !== undefined) usualMs += NEW * (answeredMs - usualMs);
      onSettled();
    }
  });
  await untilStalled(Promise.all(callers), () => lastSettled, plan.stallMs);
  const elapsedMs = performance.now() - started;
  const stats = statsSince(before, reranker.stats());
  check.finish(stats);
  const last = memory.at(-1) as MemorySample;
  const early = memory.find(({ settled }) => settled >= plan.requests * EARLY_SHARE) ?? last;
  return {
    requests: plan.requests,
    callers: plan.callers,
    elapsedMs,
    counts: check.counts,
    problems: check.problems,
    problemCount: check.problemCount,
    stats,
    memory,
    early,
    end: last,
  };
}

function memoryAfter(settled: number): MemorySample {
  globalThis.gc?.(); // where the process was started with --expose-gc
  const { rss, heapTotal } = process.memoryUsage();
  return { settled, residentBytes: rss, heapBytes: heapTotal };
}

interface Outcomes {
  answered(response: Awaited<ReturnType<typeof rank>>): void;
  rejected(error: unknown, aborted: boolean): void;
}

function rank(
  reranker: Reranker,
  query: string,
  documents: readonly string[],
  options: Omit<RerankOptions<string>, 'returnDocuments'>,
) {
  return reranker.rerank(query, documents, { ...options, returnDocuments: false });
}

/** Milliseconds until it was answered; undefined where it was rejected. */
async function send(
  reranker: Reranker,
  candidates: Candidates,
  request: SoakRequest,
  usualMs: number,
  { answered, rejected }: Outcomes,
): Promise<number | undefined> {
  const { query, bulk, share, topK, fate, onTimeout, at } = request;
  const controller = new AbortController();
  const afterMs = at * usualMs;
  if (fate === 'abort' && at < 0) controller.abort();
  const started = performance.now();
  const settled = rank(reranker, candidates.queries[query] as string, documentsOf(candidates, request), {
    priority: bulk ? 'bulk' : 'interactive',
    cache: share,
    ...(topK === undefined ? {} : { topK }),
    ...(fate === 'abort' ? { signal: controller.signal } : {}),
    ...(fate === 'timeout' ? { timeoutMs: Math.max(0.1, afterMs), onTimeout } : {}),
  }).then(
    (response) => {
      answered(response);
      return performance.now() - started;
    },
    (error) => {
      rejected(error, controller.signal.aborted && error === controller.signal.reason);
      return undefined;
    },
  );
  if (fate === 'abort' && at === 0) controller.abort();
  const timer = fate === 'abort' && at > 0 ? setTimeout(() => controller.abort(), afterMs) : undefined;
  const answeredMs = await settled;
  clearTimeout(timer);
  if (fate === 'abort') controller.abort(); // too late to have an effect, where it comes after the answer
  return answeredMs;
}

/** Waits for the work, or until nothing has settled for too long. */
async function untilStalled(
  work: Promise<unknown>,
  lastSettled: () => number,
  stallMs: number,
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const stalled = new Promise<void>((resolve) => {
    timer = setInterval(() => {
      if (performance.now() - lastSettled() > stallMs) resolve();
    }, stallMs / 10);
  });
  try {
    await Promise.race([work, stalled]);
  } finally {
    clearInterval(timer);
  }
}
