import type { RankedIndex, RerankResponse } from '../response';

/** What of a call reaches the engine, whichever API it came by. */
interface AnyCall {
  /** As the client names it; undefined where it names none. */
  model: string | undefined;
  /** Tokens where texts are cut; undefined: the model's own. */
  maxTokens?: number | undefined;
  /** What becomes of a text that is longer: cut, or the whole call refused with the failure `too-long`. */
  tooLong: 'truncate' | 'refuse';
}

/** One query, many documents. */
export interface RankCall extends AnyCall {
  kind: 'rank';
  query: string;
  documents: readonly string[];
  /** Undefined: all. */
  topK: number | undefined;
  scores: 'model' | 'raw' | 'sigmoid';
}

/** Pairs, scored and not sorted. */
export interface ScoreCall extends AnyCall {
  kind: 'score';
  pairs: readonly (readonly [query: string, document: string])[];
  scores: 'model' | 'raw' | 'sigmoid';
}

export interface EmbedCall extends AnyCall {
  kind: 'embed';
  texts: readonly string[];
  /** Texts that count against the limit of a request; undefined: all. */
  counted?: number;
  /** Which prefix the model gets; undefined: none. */
  role: 'query' | 'document' | undefined;
  /** `false`: as the model pools them. */
  normalize: boolean;
  /** The first so many values, scaled to length 1 again; undefined: all. */
  dimensions?: number | undefined;
}

export type Call = RankCall | ScoreCall | EmbedCall;

interface AnyAnswer {
  /** Name of the model that answered, as it is served. */
  model: string;
  /** Of the request. */
  id: string;
}

export interface RankAnswer extends AnyAnswer {
  kind: 'rank';
  /** Best first. */
  results: RerankResponse<RankedIndex>['results'];
  /** Tokens of all pairs, or texts, special tokens included. */
  tokens: number;
}

export interface ScoreAnswer extends AnyAnswer {
  kind: 'score';
  scores: Float32Array;
  tokens: number;
}

export interface EmbedAnswer extends AnyAnswer {
  kind: 'embed';
  embeddings: readonly Float32Array[];
  tokens: number;
}

export type Answer = RankAnswer | ScoreAnswer | EmbedAnswer;
