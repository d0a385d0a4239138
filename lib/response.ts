import type { NativeOutcome } from './native/binding';

/** A document's place in the answer to {@link Reranker.rerank}, without the document. */
export interface RankedIndex {
  /** Position in the documents that were passed in, from 0. */
  index: number;
  /** On the scale that the option `scores` asks for. */
  score: number;
  /** Whether the model saw only part of the pair: it was longer than `maxLength`, or not all windows were scored. */
  truncated: boolean;
  /** Tokens of query and document that the model did not see. */
  tokensLost: number;
  /**
   * With `longDocuments: 'window'` or `'chunk'`: windows or chunks of the document that were scored. The score is that of
   * the best of them.
   */
  windows?: number;
  /**
   * With these, of a document that was scored: where the best one lies in the document's text, so that
   * `text.slice(start, end)` is what the model saw of it. In UTF-16 code units, as JavaScript counts.
   */
  span?: TextSpan;
}

/** A stretch of a text: `text.slice(start, end)`. */
export interface TextSpan {
  start: number;
  end: number;
}

/** A document's place in the answer to {@link Reranker.rerank}. */
export interface RankedDocument<T> extends RankedIndex {
  /** The document as it was passed in. */
  document: T;
}

/** The answer to {@link Reranker.rerank}. */
export interface RerankResponse<R> {
  /** Best first; equal scores keep the order of the documents. */
  results: R[];
  /**
   * Whether `timeoutMs` passed before all documents were scored, and `onTimeout` made this of it. Documents that were
   * not scored have the score NaN.
   */
  degraded: boolean;
  /** Documents that were scored: all, unless `degraded`. */
  scored: number;
  usage: {
    /** (query, document) pairs of the call. */
    pairs: number;
    /** Windows or chunks of documents that were scored; one a scored pair unless `longDocuments` asks for them. */
    windows: number;
    /** Of these, those whose score was there already, or was computed for the same pair of this or another call. */
    cached: number;
    /** Tokens computed for this call, special tokens included. */
    tokens: number;
    /** Tokens of what is `cached`: with `tokens`, those of all that was scored, whoever computed them. */
    cachedTokens: number;
  };
  timings: CallTimings;
}

/** Wall time of a call, in milliseconds. */
export interface CallTimings {
  /** From the first text taken up to the last one tokenized. */
  tokenizeMs: number;
  /** Waiting for a free engine thread. */
  queueMs: number;
  /** From the first chunk's start to the last one's end. */
  computeMs: number;
  /** From the call to its answer. */
  totalMs: number;
}

/** The answer to {@link Reranker.score}. */
export interface ScoreResponse {
  /** A score for each pair in input order; `[pairs, labels]` row by row where the model has several labels. */
  scores: Float32Array;
  /** Of each pair, the tokens of query and document that the model did not see. */
  tokensLost: Uint32Array;
  /** As {@link RerankResponse.usage}. */
  usage: { pairs: number; cached: number; tokens: number; cachedTokens: number };
  timings: CallTimings;
}

/** The answer to {@link Embedder.embedWithUsage}. */
export interface EmbedResponse {
  /** A vector for each text, in input order: views of one buffer. */
  embeddings: Float32Array[];
  /** Of each text, the tokens that the model did not see. */
  tokensLost: Uint32Array;
  /** Texts, those of them whose vector was there already, and the tokens: computed for the others, and theirs. */
  usage: { texts: number; cached: number; tokens: number; cachedTokens: number };
  timings: CallTimings;
}

/** @param started - `performance.now()` of the call */
export function timingsOf(
  { tokenizeMs, queueMs, computeMs }: Omit<CallTimings, 'totalMs'>,
  started: number,
): CallTimings {
  return { tokenizeMs, queueMs, computeMs, totalMs: performance.now() - started };
}

/** Of a call without documents. */
export function emptyOutcome(): NativeOutcome {
  return {
    indexes: new Uint32Array(0),
    scores: new Float32Array(0),
    tokensLost: new Uint32Array(0),
    pairs: 0,
    scored: 0,
    windows: 0,
    cached: 0,
    degraded: false,
    tokens: 0,
    cachedTokens: 0,
    tokenizeMs: 0,
    queueMs: 0,
    computeMs: 0,
  };
}

/** @param documents - As they were passed in; left out of the results where undefined. */
export function toResults<T>(
  outcome: NativeOutcome,
  documents: readonly T[] | undefined,
): (RankedDocument<T> | RankedIndex)[] {
  const { indexes = [], scores, tokensLost } = outcome;
  return Array.from(indexes, (index, rank) => {
    const lost = tokensLost[rank] as number;
    const place: RankedIndex = {
      index,
      score: scores[rank] as number,
      truncated: lost > 0,
      tokensLost: lost,
    };
    const { windowsOf, starts, ends } = outcome;
    if (windowsOf !== undefined) {
      place.windows = windowsOf[rank];
      if (!Number.isNaN(place.score)) {
        place.span = { start: starts?.[rank] as number, end: ends?.[rank] as number };
      }
    }
    return documents === undefined ? place : { ...place, document: documents[index] as T };
  });
}
