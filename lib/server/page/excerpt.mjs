// @ts-check

/** @typedef {{ start: number, end: number }} Span */

/**
 * Where in a span an excerpt of so many characters tells most of a query: at the sentence from which it has most of the
 * query's words, the first place of several, and as late there as it can be.
 * @param {string} text
 * @param {Span} span
 * @param {ReadonlySet<string>} words - See {@link wordsOfQuery}
 * @param {number} room - Characters
 */
export function excerptStart(text, { start, end }, words, room) {
  let best = start;
  let most = 0;
  for (const at of sentenceStarts(text, start, end)) {
    const excerpt = text.slice(at, Math.min(end, at + room)).toLowerCase();
    let found = 0;
    for (const word of words) if (excerpt.includes(word)) found++;
    if (found > most || (found === most && found > 0 && at < best + room)) [best, most] = [at, found];
  }
  return best;
}

/**
 * @param {string} text
 * @param {number} start
 * @param {number} end
 */
function sentenceStarts(text, start, end) {
  const starts = [start];
  for (const match of text.slice(start, end).matchAll(/(?:[.!?]\s|[。！？\n])\s*/g)) {
    const at = start + match.index + match[0].length;
    if (at < end) starts.push(at);
  }
  return starts;
}

/**
 * The words of a query that carry meaning, roughly: of Latin letters the longer ones.
 * @param {string} query
 * @returns {ReadonlySet<string>}
 */
export function wordsOfQuery(query) {
  const segments = new Intl.Segmenter(undefined, { granularity: 'word' }).segment(query.toLowerCase());
  const words = Array.from(segments, ({ segment, isWordLike }) => (isWordLike ? segment : ''));
  return new Set(words.filter((word) => word.length >= (/[a-z\u00c0-\u024f]/.test(word) ? 4 : 1)));
}
