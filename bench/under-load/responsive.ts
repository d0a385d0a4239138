import { setTimeout as delay } from 'node:timers/promises';
import type { Reranker } from '../../lib';
import { type EventLoopDelay, runLoad, watchEventLoop } from '../../lib/cli/bench/load';
import { randomNumbers } from '../../lib/random';
import { makeTexts, type TextSet } from '../texts';
import { CALLERS, DOCUMENTS, loadModel, type Settings, type Show, USUAL_LENGTH } from './scenario';

/** The event loop at saturation, and interactive requests beside bulk work that fills the queue. */
export interface Responsive {
  eventLoopDelayMs: {
    /** Before anything is loaded. */
    idle: EventLoopDelay;
    /** While all callers keep the queue full. */
    saturated: EventLoopDelay;
    /** While interactive requests are measured beside bulk work. */
    besideBulk: EventLoopDelay[];
  };
  /** Wall time of a chunk when every lane computes one and nothing else waits, round by round. */
  chunkMs: number[];
  requests: InteractiveRequest[];
  /** Share of requests that were answered within their limit. */
  withinShare: number;
}

/** The same request on the idle engine and while bulk work fills the queue, in one round. */
export interface InteractiveRequest {
  idleMs: number;
  besideBulkMs: number;
  /** Three chunks and its time on the idle engine. */
  limitMs: number;
}

const INTERACTIVE_DOCUMENTS = 10;
const INTERACTIVE_REQUESTS = 20;
const BULK_CALLERS = 16;
const BULK_DOCUMENTS = 100;
/** Chunks of each lane by which the time of one is measured. */
const MEASURED_CHUNKS = 6;
const CHUNKS_ALLOWED = 3;
const IDLE_MS = 500;

export async function measureResponsive(settings: Settings, show: Show): Promise<Responsive> {
  const watch = watchEventLoop();
  await delay(IDLE_MS);
  const idle = watch();
  await using reranker = await loadModel(settings);
  const saturating = await makeTexts(reranker, CALLERS * 2, DOCUMENTS, USUAL_LENGTH);
  const plan = { concurrency: CALLERS, seconds: settings.seconds };
  const { eventLoopDelayMs: saturated } = await runLoad(reranker, saturating, plan, (share) =>
    show(Math.min(1, share) / 2),
  );

  const rounds: Round[] = [];
  for (let i = 0; i < settings.rounds; i++) {
    rounds.push(await measureRound(reranker, i));
    show((1 + (i + 1) / settings.rounds) / 2);
  }
  const requests = rounds.flatMap((round) => round.requests);
  const within = requests.filter(({ besideBulkMs, limitMs }) => besideBulkMs <= limitMs);
  return {
    eventLoopDelayMs: { idle, saturated, besideBulk: rounds.map((round) => round.delay) },
    chunkMs: rounds.map((round) => round.chunkMs),
    requests,
    withinShare: within.length / requests.length,
  };
}

interface Round {
  chunkMs: number;
  requests: InteractiveRequest[];
  delay: EventLoopDelay;
}

async function measureRound(reranker: Reranker, round: number): Promise<Round> {
  const sets = await makeTexts(reranker, INTERACTIVE_REQUESTS + 1, INTERACTIVE_DOCUMENTS, USUAL_LENGTH);
  const [warmUp, ...measured] = sets as [TextSet, ...TextSet[]];
  const bulk = await makeTexts(reranker, BULK_CALLERS, BULK_DOCUMENTS, USUAL_LENGTH);
  await timeOf(reranker, warmUp);
  const chunkMs = await timeOfChunk(reranker);
  const idle: number[] = [];
  for (const set of measured) idle.push(await timeOf(reranker, set));

  const random = randomNumbers(round);
  const ends = bulk.map(() => new AbortController());
  const callers = bulk.map((set, i) => keepBusy(reranker, set, (ends[i] as AbortController).signal));
  const besideBulk: number[] = [];
  await timeOf(reranker, warmUp);
  const watch = watchEventLoop();
  for (const set of measured) {
    // At any moment of a chunk, and not just after one has ended.
    await delay(random() * 2 * chunkMs);
    besideBulk.push(await timeOf(reranker, set));
  }
  const loopDelay = watch();
  for (const end of ends) end.abort();
  await Promise.all(callers);
  const requests = idle.map((idleMs, i) => ({
    idleMs,
    besideBulkMs: besideBulk[i] as number,
    limitMs: idleMs + CHUNKS_ALLOWED * chunkMs,
  }));
  return { chunkMs, requests, delay: loopDelay };
}

async function timeOf(reranker: Reranker, { query, documents }: TextSet): Promise<number> {
  const started = performance.now();
  await reranker.rerank(query, documents, { returnDocuments: false });
  return performance.now() - started;
}

/** A request that gives every lane some chunks; what it took, shared out over them. */
async function timeOfChunk(reranker: Reranker): Promise<number> {
  const { threads, maxTokensPerChunk } = reranker.info();
  const tokens = MEASURED_CHUNKS * threads * maxTokensPerChunk;
  const documents = Math.ceil(tokens / ((USUAL_LENGTH.min + USUAL_LENGTH.max) / 2));
  const [set] = await makeTexts(reranker, 1, documents, USUAL_LENGTH);
  const { usage, timings } = await reranker.rerank(set?.query ?? '', set?.documents ?? [], {
    returnDocuments: false,
  });
  return (timings.computeMs * threads * maxTokensPerChunk) / usage.tokens;
}

/** One bulk request after the other, until it is aborted. */
async function keepBusy(
  reranker: Reranker,
  { query, documents }: TextSet,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      await reranker.rerank(query, documents, { priority: 'bulk', returnDocuments: false, signal });
    }
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  }
}
