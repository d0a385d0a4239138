import type { StoreHit } from '../types';

/** What stores take as a limit: some have 32 bits for it. */
const LARGEST_LIMIT = 2 ** 31 - 1;

/**
 * The best `topK` hits that `accepts` takes, best first, equal scores by id.
 *
 * A store says nothing about which of equal scores it leaves out, and may know a filter only in part. So more are
 * fetched, twice as many each time, until those beyond the last that is kept are worse than it, or there are no more.
 * @param fetch the store's best `limit`; fewer only where it has no more
 */
export async function bestHits(
  topK: number,
  fetch: (limit: number) => Promise<StoreHit[]>,
  accepts: (hit: StoreHit) => boolean,
): Promise<StoreHit[]> {
  for (let limit = Math.min(topK + 1, LARGEST_LIMIT); ; limit = Math.min(limit * 2, LARGEST_LIMIT)) {
    const found = await fetch(limit);
    const hits = found.filter(accepts).sort(byScoreThenId);
    const last = hits[topK - 1];
    const worst = found.reduce((least, { score }) => Math.min(least, score), Number.POSITIVE_INFINITY);
    if (found.length < limit || limit === LARGEST_LIMIT || (last !== undefined && worst < last.score))
      return hits.slice(0, topK);
  }
}

function byScoreThenId(a: StoreHit, b: StoreHit): number {
  return b.score - a.score || (a.document.id < b.document.id ? -1 : 1);
}
