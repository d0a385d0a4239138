import type { ErrorCode } from '../errors';
import type { TextSpan } from '../response';
import type { FusionSource } from './fusion';
import type { StoredDocument } from './types';

/** Where a document stood before reranking. */
export interface FirstStagePlace {
  /** From 1. */
  rank: number;
  /** What the first stage ordered by: the fused score, or the cosine similarity where there was one source. */
  score: number;
  /** Its rank and score in each source that found it. */
  sources: { dense?: FusionSource; keywords?: FusionSource };
}

/** One document of an answer. */
export interface SearchResult {
  /** From 1, the best. */
  rank: number;
  /**
   * The reranker's, on the scale that it scores; the first stage's where nothing was reranked; NaN in a partial answer
   * whose time was over before this document's turn.
   */
  score: number;
  document: StoredDocument;
  firstStage: FirstStagePlace;
  /** UTF-16 offsets into the document's text of the part that scored best, where long documents are cut. */
  span?: TextSpan;
}

/** Why an answer is less than it should be. */
export interface DegradedReason {
  stage: 'dense' | 'keywords' | 'rerank';
  /** Of the error that the stage ended with; `'ERR_RUNTIME'` for one without a code of ours. */
  code: ErrorCode;
  message: string;
}

/** Wall times in milliseconds; 0 for a stage that did not run. */
export interface SearchTimings {
  /** The query's vector. */
  embedMs: number;
  /** The vector store's answer. */
  denseMs: number;
  /** The keyword index's answer; it looks beside the dense search, not after it. */
  keywordsMs: number;
  /** The whole first stage, fusion included. */
  firstStageMs: number;
  rerankMs: number;
  totalMs: number;
}

/** The answer to {@link SearchPipeline.search}. */
export interface SearchResponse {
  /** Best first, `topK` at most. */
  results: SearchResult[];
  /** Whether a stage failed or its time was over, and the others made the best of it; `reasons` tells which and why. */
  degraded: boolean;
  reasons: DegradedReason[];
  /** Whether the answer came from the result cache. */
  cached: boolean;
  /** How many candidates the first stage found. */
  candidates: number;
  /** Where nothing was found, and the store is empty: what to do about it. */
  notice?: string;
  timings: SearchTimings;
}

/** What {@link SearchPipeline.searchStream} yields: the first stage's order at once, then the reranked one. */
export interface SearchUpdate {
  stage: 'firstStage' | 'reranked';
  response: SearchResponse;
}
