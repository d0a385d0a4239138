import { linesOf, type Range } from './blocks';

const SEGMENTER = new Intl.Segmenter('en', { granularity: 'sentence' });

/** Ends a sentence with no space behind it. */
const WIDE_END = /[。！？；｡]["'”’」』）》〉】)\]]*\s*$/u;
const CJK = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303f\uff00-\uffef]/u;
/** Ends a sentence where space follows. */
const NARROW_END = /[.!?…:]["'”’»)\]*_`]*$/u;
/** A full stop behind these is part of a word; `etc.` and the like may end a sentence too, and then two stay together. */
const ABBREVIATION =
  /(?:^|[\s("'“‘])(?:\p{Lu}|(?:\p{L}\.)+\p{L}|Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|Rev|Gen|Col|Capt|Lt|Sgt|Gov|Sen|Rep|Hon|Inc|Ltd|Co|Corp|Bros|vs|etc|cf|viz|approx|est|ca|al|Fig|Figs|Eq|Eqs|Sec|Ch|Vol|No|Nos|pp?|ed|eds|Ref|Refs|Dept|Univ|Assn|Mt|Ave|Blvd|Rd|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.$/u;
/** A number that counts what follows, at the start of a sentence. */
const ORDINAL = /^\s*\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})\.$/;
/** Where Unicode's rules see no end of a sentence and Chinese has one: a semicolon, and dots that trail off. */
const WIDE_BREAK = /[；]["'”’」』）》]*|(?<!…)…+["'”’」』）》]*(?=\p{Script=Han})/gu;

/** What the segmenter is given at once: it looks far ahead from each full stop, and takes quadratic time. */
const WINDOW_UNITS = 2048;
/** A sentence that is longer than any real one ends wherever the segmenter says. */
const MOST_UNITS = 16 * 1024;
/** What is looked at before a border. */
const TAIL_UNITS = 64;

/**
 * The sentences of a stretch of prose, without the space around them, in order. All that is not space is in one.
 *
 * `Intl.Segmenter` finds them by Unicode's rules (UAX #29) and is corrected where it is weak: it ends sentences at every
 * line break, behind `Dr.`, behind `1.`, at a `?` inside an address, and where `"Why?" she asked` goes on; and it knows no
 * Chinese semicolon.
 */
export function* sentencesOf(text: string, { start, end }: Range): Generator<Range> {
  const prose = text.slice(start, end);
  let first = 0;
  for (const border of bordersOf(prose)) {
    const tail = prose.slice(Math.max(first, border - TAIL_UNITS), border);
    const isTooLong = border - first >= MOST_UNITS;
    if (border < prose.length && !isTooLong && !isEnd(tail, prose.slice(border, border + 2))) continue;
    for (const part of splitAtWideBreaks(prose.slice(first, border))) {
      const trimmed = trim(text, { start: start + first + part.start, end: start + first + part.end });
      if (trimmed.start < trimmed.end) yield trimmed;
    }
    first = border;
  }
}

/** Where the segmenter ends sentences. */
function* bordersOf(prose: string): Generator<number> {
  for (let first = 0; first < prose.length; ) {
    const window = prose.slice(first, first + WINDOW_UNITS);
    let last = 0;
    for (const { index } of SEGMENTER.segment(window)) {
      if (index === 0) continue;
      last = index;
      yield first + last;
    }
    // What follows the last border may go on behind the window.
    first += last === 0 || first + window.length === prose.length ? window.length : last;
  }
  if (prose.length > 0) yield prose.length;
}

/** Whether a sentence ends between the two, as the segmenter says. */
function isEnd(before: string, after: string): boolean {
  if (WIDE_END.test(before)) return true;
  const trimmed = before.trimEnd();
  if (trimmed.length === before.length) return CJK.test(after) && NARROW_END.test(trimmed); // no space: within a word
  return (
    NARROW_END.test(trimmed) &&
    !/^\p{Ll}/u.test(after) &&
    !ABBREVIATION.test(trimmed) &&
    !ORDINAL.test(trimmed)
  );
}

function* splitAtWideBreaks(sentence: string): Generator<Range> {
  let start = 0;
  for (const found of sentence.matchAll(WIDE_BREAK)) {
    const end = found.index + found[0].length;
    yield { start, end };
    start = end;
  }
  yield { start, end: sentence.length };
}

/** The lines of code or of a table, without the space around them. */
export function* contentLinesOf(text: string, range: Range): Generator<Range> {
  for (const line of linesOf(text, range)) {
    const trimmed = trim(text, line);
    if (trimmed.start < trimmed.end) yield trimmed;
  }
}

export function trim(text: string, { start, end }: Range): Range {
  const content = text.slice(start, end);
  const leading = content.length - content.trimStart().length;
  if (leading === content.length) return { start, end: start };
  return { start: start + leading, end: start + content.trimEnd().length };
}
