import { textsOf } from '../documents';
import { invalidArgument } from '../errors';
import { checkNames } from '../option-checks';
import { checkCall, checkRanking, type RerankOptions } from '../options';
import type { RankedDocument, RerankResponse } from '../response';

const RANK_OPTIONS = ['topK', 'minScore', 'text', 'timeoutMs', 'onTimeout', 'signal', 'priority'] as const;

/** What every {@link Ranker} takes; see {@link RerankOptions} for each. `minScore` is on the ranker's own scale. */
export type RankOptions<T = unknown> = Pick<RerankOptions<T>, (typeof RANK_OPTIONS)[number]>;

/**
 * What orders documents by how well they answer a query: a `Reranker`, a `Cascade`, a `ListwiseReranker`, or a class of
 * yours.
 *
 * Results are best first; each names a different document of the call by its index. A ranker keeps `timeoutMs` itself: it
 * answers in time, degraded, or rejects with `ERR_TIMEOUT`, as `onTimeout` says. It rejects with the reason of `signal`.
 */
export interface Ranker {
  rerank<T extends string | object>(
    query: string,
    documents: readonly T[],
    options?: RankOptions<T>,
  ): Promise<RerankResponse<RankedDocument<T>>>;
}

/**
 * Checks a call, and copies its documents: callers may change theirs meanwhile.
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`; with the reason of `signal` where that is aborted already
 */
export function readRankCall<T extends string | object>(
  query: string,
  documents: readonly T[],
  options: RankOptions<T>,
): { texts: string[]; kept: readonly T[] } {
  if (typeof query !== 'string') throw invalidArgument('query', 'a string', query);
  checkNames(options, RANK_OPTIONS);
  checkCall(options);
  checkRanking(options);
  options.signal?.throwIfAborted();
  return { texts: textsOf(documents, options.text), kept: documents.slice() };
}
