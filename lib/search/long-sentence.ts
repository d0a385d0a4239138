import type { Range } from './blocks';
import { trim } from './sentences';
import type { TokenMap } from './token-map';

const WORDS = new Intl.Segmenter('en', { granularity: 'word' });
const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Units around a place in which a border is looked for. */
const NEAR_UNITS = 256;
/** From the best: between lines, between clauses, between words. */
const BORDERS = [/\n/g, /[，、；：]|[,;:](?=\s)/g, /\s/g];

/**
 * Cuts what has more than `maxTokens` tokens into parts that have not: at the last line, clause or word that ends in the
 * second half of a part, else at a character, else between tokens.
 */
export function* cutLong(
  text: string,
  { start, end }: Range,
  tokens: TokenMap,
  maxTokens: number,
): Generator<Range> {
  let first = start;
  while (tokens.count(first, end) > maxTokens) {
    const cut = bestCut(text, first, Math.min(tokens.startOfNext(first, maxTokens), end));
    const part = trim(text, { start: first, end: cut });
    if (part.start < part.end) yield part;
    first = cut;
  }
  const rest = trim(text, { start: first, end });
  if (rest.start < rest.end) yield rest;
}

/** Behind `first`, and not behind `limit` unless a single character reaches further. */
function bestCut(text: string, first: number, limit: number): number {
  const from = Math.max(first + Math.ceil((limit - first) / 2), limit - NEAR_UNITS);
  const near = text.slice(from, limit);
  for (const border of BORDERS) {
    const last = [...near.matchAll(border)].at(-1);
    if (last !== undefined) return from + last.index + last[0].length;
  }
  const around: Range = { start: Math.max(first, limit - NEAR_UNITS), end: limit + NEAR_UNITS };
  return (
    lastBorder(WORDS, text, around, limit) ??
    lastBorder(GRAPHEMES, text, around, limit) ??
    whole(text, first, limit)
  );
}

function lastBorder(
  segmenter: Intl.Segmenter,
  text: string,
  { start, end }: Range,
  limit: number,
): number | undefined {
  let last: number | undefined;
  for (const { index } of segmenter.segment(text.slice(start, end))) {
    if (start + index > limit) break;
    if (index > 0) last = start + index;
  }
  return last;
}

/** A border between tokens; a character at least, and no half of a surrogate pair. */
function whole(text: string, first: number, limit: number): number {
  const cut = Math.max(limit, first + 1);
  return isInsidePair(text, cut) ? cut + 1 : cut;
}

function isInsidePair(text: string, index: number): boolean {
  const before = text.charCodeAt(index - 1);
  const after = text.charCodeAt(index);
  return before >= 0xd800 && before < 0xdc00 && after >= 0xdc00 && after < 0xe000;
}
