import type { NativeOutcome, NativeRequestOptions } from './native/binding';
import type { TextSpan } from './response';
import { planChunks } from './search/chunk-plan';
import { TokenMap } from './search/token-map';
import type { Tokenizer } from './tokenize';

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

/**
 * Ranks documents by their best chunks: each that is too long is cut between sentences, all chunks are scored in one
 * request, as documents are, and the best one stands for its document.
 *
 * @param room - Tokens of query and document together.
 * @param run - Scores texts.
 */
export async function rankByChunks(
  query: string,
  documents: readonly string[],
  room: number,
  tokenizer: Tokenizer,
  run: (texts: readonly string[], ranking: Ranking) => Promise<NativeOutcome>,
  ranking: Ranking,
): Promise<NativeOutcome> {
  const pieces = await cut(query, documents, room, tokenizer);
  const texts = pieces.map(({ document, start, end }) => (documents[document] as string).slice(start, end));
  const everything = { topK: Number.POSITIVE_INFINITY, minScore: Number.NEGATIVE_INFINITY };
  const onTimeout = ranking.onTimeout === 'error' ? 'error' : 'partial';
  const outcome = await run(texts, { ...ranking, ...everything, onTimeout });
  return reduce(outcome, pieces, documents.length, ranking);
}

async function cut(
  query: string,
  documents: readonly string[],
  room: number,
  tokenizer: Tokenizer,
): Promise<Piece[]> {
  const [asked, ...tokens] = await tokenizer.tokenize([query, ...documents]);
  const left = Math.max(room - (asked?.ids.length ?? 0), Math.min(LEAST_TOKENS, Math.floor(room / 2)));
  const sizes = {
    maxTokens: Math.max(1, Math.min(MAX_CHUNK_TOKENS, left - SPARE_TOKENS)),
    overlapTokens: 0,
    minTokens: 0,
    keepHeadings: false,
  };
  const pieces: Piece[] = [];
  for (const [document, text] of documents.entries()) {
    const own = tokens[document];
    const chunks =
      own === undefined || own.ids.length <= left ? [] : await planChunks(text, new TokenMap(own), sizes);
    if (chunks.length === 0) pieces.push({ document, start: 0, end: text.length });
    for (const { start, end } of chunks) pieces.push({ document, start, end });
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
      document.tokensLost = outcome.tokensLost?.[rank] as number;
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
