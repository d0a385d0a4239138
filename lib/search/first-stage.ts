import { CrossrankError, messageOf } from '../errors';
import type { Deadline } from './deadline';
import { type FusedHit, fuse } from './fusion';
import type { KeywordIndex } from './keyword-index';
import type { SearchPlan } from './pipeline-options';
import type { DegradedReason, FirstStagePlace, SearchTimings } from './response';
import type { StoredDocument, StoreHit, TextEmbedder, VectorStore } from './types';

/** A document that may become a result. */
export interface Candidate {
  document: StoredDocument;
  firstStage: FirstStagePlace;
}

export interface FirstStageOutcome {
  /** Best first, `initialK` at most. */
  candidates: Candidate[];
  /** Sources that failed while another answered. */
  reasons: DegradedReason[];
  timings: Pick<SearchTimings, 'embedMs' | 'denseMs' | 'keywordsMs' | 'firstStageMs'>;
}

/** The reason in the form that a response carries it. */
export function degradedReason(stage: DegradedReason['stage'], error: unknown): DegradedReason {
  const code = error instanceof CrossrankError ? error.code : 'ERR_RUNTIME';
  return { stage, code, message: messageOf(error) };
}

/**
 * Finds candidates: vectors and keywords side by side, fused. Where one of two sources fails, the other answers alone.
 * @throws what the only source, or the dense one of two, failed with; the reason of an abort
 */
export async function findCandidates(
  {
    embedder,
    store,
    keywords,
  }: { embedder: TextEmbedder; store: VectorStore; keywords?: KeywordIndex | undefined },
  plan: SearchPlan,
  deadline: Deadline,
  signal: AbortSignal | undefined,
): Promise<FirstStageOutcome> {
  const timings = { embedMs: 0, denseMs: 0, keywordsMs: 0, firstStageMs: 0 };
  const options = { topK: plan.initialK, ...(plan.filter === undefined ? {} : { filter: plan.filter }) };

  const dense = deadline.run('the dense search', async (stageSignal) => {
    const [vector] = await embedder.embed([plan.query], { kind: 'query', signal: stageSignal });
    timings.embedMs = deadline.elapsed();
    const hits = await store.query(vector as Float32Array, { ...options, signal: stageSignal });
    timings.denseMs = deadline.elapsed() - timings.embedMs;
    return hits;
  });
  const sparse =
    plan.fusion === null || keywords === undefined
      ? undefined
      : deadline.run('the keyword search', async (stageSignal) => {
          const started = deadline.elapsed();
          const hits = await keywords.query(plan.query, { ...options, signal: stageSignal });
          timings.keywordsMs = deadline.elapsed() - started;
          return hits;
        });
  const [denseHits, keywordHits] = await Promise.allSettled([dense, sparse]);
  signal?.throwIfAborted();

  const reasons: DegradedReason[] = [];
  const lists: { dense?: StoreHit[]; keywords?: StoreHit[] } = {};
  if (denseHits.status === 'fulfilled') lists.dense = denseHits.value;
  else if (sparse === undefined || keywordHits.status === 'rejected') throw denseHits.reason;
  else reasons.push(degradedReason('dense', denseHits.reason));
  if (keywordHits.status === 'rejected') reasons.push(degradedReason('keywords', keywordHits.reason));
  else if (keywordHits.value !== undefined) lists.keywords = keywordHits.value;

  const candidates = combine(lists, plan);
  timings.firstStageMs = deadline.elapsed();
  return { candidates, reasons, timings };
}

function combine(lists: { dense?: StoreHit[]; keywords?: StoreHit[] }, plan: SearchPlan): Candidate[] {
  const names = Object.keys(lists) as (keyof typeof lists)[];
  const [only] = names;
  if (names.length === 1 && only !== undefined) {
    return (lists[only] as StoreHit[]).map(({ document, score }, i) => ({
      document,
      firstStage: { rank: i + 1, score, sources: { [only]: { rank: i + 1, score } } },
    }));
  }
  const fused: FusedHit[] = fuse(lists as Record<string, StoreHit[]>, {
    ...plan.fusion,
    topK: plan.initialK,
  });
  return fused.map(({ document, score, sources }, i) => ({
    document,
    firstStage: { rank: i + 1, score, sources },
  }));
}
