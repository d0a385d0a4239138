import { CrossrankError } from './errors';
import type { NativeOutcome, NativeRequestOptions } from './native/binding';
import { emptyOutcome, type TextSpan } from './response';
import { planChunks } from './search/chunk-plan';
import { TokenMap } from './search/token-map';
import type { Tokenizer, Tokens } from './tokenize';

/** How documents are ranked, and what is scored of them. */
export type Ranking = Pick<NativeRequestOptions, 'rank' | 'topK' | 'minScore' | 'onTimeout' | 'windows'>;

/** Tokens of a chunk at most: as those of an index. */
const MAX_CHUNK_TOKENS = 256;
/** Left free: what begins a text may take a token more than it does within one. */
const SPARE_TOKENS = 2;
/** A query that leaves less is cut beside the chunks. */
const LEAST_TOKENS = 64;

interface Piece extends TextSpan {
  document: number;
}

/** Units of text that are tokenized and cut before it is asked whether the call is over. */
const UNITS_AT_ONCE = 64 * 1024;

/** A call, as far as it matters here. */
export interface ChunkCall {
  query: string;
  documents: readonly string[];
  /** Tokens of query and document together. */
  room: number;
  tokenizer: Tokenizer;
  /** Whether its time is over; throws where it was aborted. */
  isOver(): boolean;
  /** Scores texts. */
  run(texts: readonly string[], ranking: Ranking): Promise<NativeOutcome>;
}

/**
 * Ranks documents by their best chunks: each that is too long is cut between sentences, all chunks are scored in one
 * request, as documents are, and the best one stands for its document.
 */
export async function rankByChunks(call: ChunkCall, ranking: Ranking): Promise<NativeOutcome> {
  const { documents } = call;
  const pieces = await cut(call);
  if (pieces === undefined) return nothingScored(documents.length, ranking);
  const texts = pieces.map(({ document, start, end }) => (documents[document] as string).slice(start, end));
  const outcome = await call.run(texts, {
    ...ranking,
    topK: Number.POSITIVE_INFINITY,
    minScore: Number.NEGATIVE_INFINITY,
    onTimeout: ranking.onTimeout === 'error' ? 'error' : 'partial',
  });
  return reduce(outcome, pieces, documents.length, ranking);
}

function nothingScored(documents: number, ranking: Ranking): NativeOutcome {
  if (ranking.onTimeout === 'error') {
    throw new CrossrankError(
      'ERR_TIMEOUT',
      `timeoutMs passed while ${documents} documents were being cut; raise it, send fewer, or take what is there with onTimeout`,
    );
  }
  return reduce({ ...emptyOutcome(), degraded: true }, [], documents, ranking);
}

/** What is to be scored, in the order of the documents; nothing where the call was over first. */
async function cut({ query, documents, room, tokenizer, isOver }: ChunkCall): Promise<Piece[] | undefined> {
  const [asked] = await tokenizer.tokenize([query]);
  const left = Math.max(room - (asked as Tokens).ids.length, Math.min(LEAST_TOKENS, Math.floor(room / 2)));
  const sizes = {
    maxTokens: Math.max(1, Math.min(MAX_CHUNK_TOKENS, left - SPARE_TOKENS)),
    overlapTokens: 0,
    minTokens: 0,
    keepHeadings: false,
  };
  const pieces: Piece[] = [];
  for (let first = 0; first < documents.length; ) {
    const texts: string[] = [];
    for (let units = 0; first + texts.length < documents.length && units < UNITS_AT_ONCE; ) {
      const text = documents[first + texts.length] as string;
      texts.push(text);
      units += text.length;
    }
    const tokens = await tokenizer.tokenize(texts);
    for (const [i, text] of texts.entries()) {
      if (isOver()) return undefined;
      const own = tokens[i] as Tokens;
      const chunks = own.ids.length > left ? await planChunks(text, new TokenMap(own), sizes) : [];
      const whole = { start: 0, end: text.length };
      for (const { start, end } of chunks.length === 0 ? [whole] : chunks)
        pieces.push({ document: first + i, start, end });
    }
    first += texts.length;
  }
  return pieces;
}

interface Best {
  index: number;
  score: number;
  tokensLost: number;
  windows: number;
  missing: number;
  span: TextSpan;
}

function reduce(
  outcome: NativeOutcome,
  pieces: readonly Piece[],
  documents: number,
  ranking: Ranking,
): NativeOutcome {
  const best = bestPieces(outcome, pieces, documents);
  const scored = best.filter(({ score }) => !Number.isNaN(score)).length;
  let ranked = best.filter(
    ({ score }) => ranking.minScore === Number.NEGATIVE_INFINITY || score >= ranking.minScore,
  );
  const inOrder = outcome.degraded && ranking.onTimeout === 'inputOrder';
  if (!inOrder) ranked.sort(better);
  ranked = ranked.slice(0, ranking.topK);
  return {
    ...outcome,
    indexes: Uint32Array.from(ranked, ({ index }) => index),
    scores: Float32Array.from(ranked, ({ score }) => score),
    tokensLost: Uint32Array.from(ranked, ({ tokensLost }) => tokensLost),
    windowsOf: Uint32Array.from(ranked, ({ windows }) => windows),
    starts: Uint32Array.from(ranked, ({ span }) => span.start),
    ends: Uint32Array.from(ranked, ({ span }) => span.end),
    pairs: documents,
    scored,
  };
}

/** The best piece of each document, in input order; its score is NaN where one was not scored. */
function bestPieces(outcome: NativeOutcome, pieces: readonly Piece[], documents: number): Best[] {
  const best = Array.from({ length: documents }, (_, index) => ({
    index,
    score: Number.NaN,
    tokensLost: 0,
    windows: 0,
    missing: 0,
    span: { start: 0, end: 0 },
  }));
  // Best first, and of equal ones the first.
  outcome.indexes?.forEach((index, rank) => {
    const piece = pieces[index] as Piece;
    const document = best[piece.document] as Best;
    const score = outcome.scores[rank] as number;
    if (Number.isNaN(score)) {
      document.missing++;
      return;
    }
    if (document.windows === 0) {
      document.score = score;
      document.tokensLost = outcome.tokensLost[rank] as number;
      document.span = { start: piece.start, end: piece.end };
    }
    document.windows++;
  });
  for (const document of best) {
    if (document.missing > 0) document.score = Number.NaN;
  }
  return best;
}

/** What was not scored comes last, in input order. */
function better(a: Best, b: Best): number {
  const unscored = Number(Number.isNaN(a.score)) - Number(Number.isNaN(b.score));
  if (unscored !== 0) return unscored;
  return (Number.isNaN(a.score) ? 0 : b.score - a.score) || a.index - b.index;
}
