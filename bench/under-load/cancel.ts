import type { Reranker, RerankerStats } from '../../lib';
import { randomNumbers } from '../../lib/random';
import { median } from '../../lib/statistics';
import { makeTexts, type TextSet } from '../texts';
import { DOCUMENTS, loadModel, type Settings, type Show, USUAL_LENGTH } from './scenario';

/** Requests aborted at random moments while they run. */
export interface Cancel {
  alone: Aborts;
  /** While other callers keep the lanes busy, with which the aborted ones share chunks. */
  besideOthers: Aborts;
}

export interface Aborts {
  /** From abort() to the promise having rejected, of each request. */
  settledMs: number[];
  /** Requests that had been answered before their abort came. */
  answeredBefore: number;
  /** From a cancellation that ended a run to the lane being free; null where crossrank does not tell. */
  endedRuns: RerankerStats['endedRuns'];
  /** Requests of the other callers, all of them answered completely. */
  others: number;
}

const ABORTS_IN_A_ROUND = 20;
const OTHER_CALLERS = 4;
const SETS = 16;
const MEASURED = 5;

export async function measureCancel(settings: Settings, show: Show): Promise<Cancel> {
  const alone = await measureAborts(settings, 0, (share) => show(share / 2));
  const besideOthers = await measureAborts(settings, OTHER_CALLERS, (share) => show((1 + share) / 2));
  return { alone, besideOthers };
}

/** A model of its own, so that stats are of these requests alone. */
async function measureAborts(settings: Settings, otherCallers: number, show: Show): Promise<Aborts> {
  await using reranker = await loadModel(settings);
  const sets = await makeTexts(reranker, SETS, DOCUMENTS, USUAL_LENGTH);
  let stopped = false;
  let others = 0;
  const callers = Array.from({ length: otherCallers }, async (_, caller) => {
    for (let i = caller; !stopped; i++) {
      const { query, documents } = sets[i % SETS] as TextSet;
      const { results, degraded } = await reranker.rerank(query, documents, { returnDocuments: false });
      if (degraded || results.length !== documents.length || results.some(({ score }) => Number.isNaN(score)))
        throw new Error('an abort took results from another request');
      others++;
    }
  });
  const measured = abortAtRandom(reranker, sets, settings.rounds * ABORTS_IN_A_ROUND, show).finally(() => {
    stopped = true;
  });
  const [aborts] = await Promise.all([measured, ...callers]);
  return { ...aborts, endedRuns: reranker.stats().endedRuns, others };
}

async function abortAtRandom(
  reranker: Reranker,
  sets: readonly TextSet[],
  count: number,
  show: Show,
): Promise<Pick<Aborts, 'settledMs' | 'answeredBefore'>> {
  const usual: number[] = [];
  for (let i = 0; i <= MEASURED; i++) {
    const { query, documents } = sets[i] as TextSet;
    const { timings } = await reranker.rerank(query, documents, { returnDocuments: false });
    if (i > 0) usual.push(timings.totalMs); // the first warms up
  }
  const usualMs = median(usual);
  const random = randomNumbers(1);
  const settledMs: number[] = [];
  let answeredBefore = 0;
  for (let i = 0; i < count; i++) {
    const settled = await abortOne(reranker, sets[i % SETS] as TextSet, random() * usualMs);
    if (settled === undefined) answeredBefore++;
    else settledMs.push(settled);
    show((i + 1) / count);
  }
  return { settledMs, answeredBefore };
}

/** Milliseconds from the abort to the rejection; undefined where the answer came first. */
async function abortOne(
  reranker: Reranker,
  { query, documents }: TextSet,
  afterMs: number,
): Promise<number | undefined> {
  const controller = new AbortController();
  const { signal } = controller;
  let aborted = 0;
  const timer = setTimeout(() => {
    aborted = performance.now();
    controller.abort();
  }, afterMs);
  try {
    await reranker.rerank(query, documents, { returnDocuments: false, signal });
    return undefined;
  } catch (error) {
    if (error !== signal.reason) throw error;
    return performance.now() - aborted;
  } finally {
    clearTimeout(timer);
  }
}
