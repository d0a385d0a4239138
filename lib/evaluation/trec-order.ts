import type { ScoredDocument } from './types';

/** Best first, as trec_eval ranks: by score as float32, which it keeps; equal ones by id, from high to low as bytes. */
export function trecOrder(found: readonly ScoredDocument[]): ScoredDocument[] {
  return found
    .map((document) => ({ document, score: Math.fround(document.score) }))
    .sort((a, b) => {
      if (a.score !== b.score) return a.score > b.score ? -1 : 1;
      return -compareBytes(a.document.id, b.document.id);
    })
    .map(({ document }) => document);
}

/** As strcmp on UTF-8, which is the order of code points; strings of JavaScript compare by UTF-16 units. */
function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const unitA = a.charCodeAt(i);
    const unitB = b.charCodeAt(i);
    if (unitA !== unitB) return rankOf(unitA) - rankOf(unitB);
  }
  return a.length - b.length;
}

/** Surrogates, which stand for what is beyond U+FFFF, go after all other units. */
function rankOf(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}
