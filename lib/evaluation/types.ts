/**
 * How relevant documents are, by query and document. A grade of 1 or more is relevant and, in nDCG, the document's gain;
 * 0 and less is not. A document that is not in it is unjudged and counts as not relevant.
 */
export type Qrels = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** A document's place in a run. */
export interface ScoredDocument {
  id: string;
  /** Higher is better. */
  score: number;
}

/** What a search found for each query, in any order: scores rank it. */
export type Run = ReadonlyMap<string, readonly ScoredDocument[]>;
