import type { Jieba } from '@node-rs/jieba';

/** Grows when the same text gets other terms than before: what an index file was made with. */
export const WORDS_VERSION = 1;

/** How runs of Chinese characters are cut on this machine. */
export type HanMethod = 'jieba' | 'bigrams';

const WORD = /[\p{L}\p{N}][\p{L}\p{N}\p{M}]*/gu;
/** Scripts written with spaces alone: those without, and Hangul, come after U+0DFF. */
const SPACED = /^[\0-\u0dff]*$/;
const PART =
  /(?<han>\p{sc=Han}+)|(?<hangul>\p{sc=Hangul}+)|(?<dictionary>[\p{scx=Hira}\p{scx=Kana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmr}\p{sc=Mymr}]+)|[^\p{sc=Han}\p{sc=Hangul}\p{scx=Hira}\p{scx=Kana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmr}\p{sc=Mymr}]+/gu;

/** Accents of Latin, Greek and Cyrillic letters, and the soft hyphen. Marks of other scripts make other words. */
const ACCENTS = /[\u0300-\u036f\u00ad]+/g;
const ASCII = /^[\0-\x7f]*$/;

/** Longer words are hashes, addresses and base64; they count by so many characters. */
const LONG_WORD = /^.{64}/su;

/**
 * Splits a text into the terms that keyword search compares, in the text's order, repeats included.
 *
 * Letters and digits make words, everything else parts them: `don't` is `don` and `t`, `state-of-the-art` four words,
 * `max_tokens` two, `3.14` two, `getUserName` one. Case, width and accents do not count (`Ｃafé` is `cafe`); what NFKC
 * makes equal is equal. English plurals are taken for singulars (`planets`: `planet`); there are no stop words, for BM25
 * hardly counts the commonest words anyway. Emoji are no words.
 *
 * - Chinese is cut into words by jieba, long ones into their shorter words as well (半导体: 半导, 导体, 半导体); where
 *   jieba's addon does not load, into pairs of characters (see `hanMethod`). Its dictionary is read with the first
 *   Chinese text, once a process: a few hundred milliseconds, 50 MB. Japanese kanji go the same way, so that they are cut
 *   alike in a query and in the middle of a sentence.
 * - Kana, Thai, Lao, Khmer and Burmese are cut by ICU's dictionaries, through `Intl.Segmenter`.
 * - Korean becomes pairs of syllables, as Lucene's CJKAnalyzer makes them: particles are written onto the words.
 */
export function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const [word] of folded(text).matchAll(WORD)) {
    if (SPACED.test(word)) words.push(singular(clipped(word)));
    else addParts(words, word);
  }
  return words;
}

function folded(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  // Composed again in the end: Hangul and kana with marks are one character each in every dictionary.
  return text.normalize('NFKD').replace(ACCENTS, '').normalize('NFC').toLowerCase();
}

function clipped(word: string): string {
  return word.length <= 64 ? word : (LONG_WORD.exec(word)?.[0] ?? word);
}

/**
 * The S-stemmer of Harman (1991), "How effective is suffixing?": English plurals alone, and only words that are longer
 * than three letters.
 */
function singular(word: string): string {
  if (word.length <= 3 || !word.endsWith('s')) return word;
  if (/[^ae]ies$/.test(word)) return `${word.slice(0, -3)}y`;
  if (/[^aeo]es$/.test(word)) return word.slice(0, -1);
  return /[us]s$/.test(word) ? word : word.slice(0, -1);
}

/** A word with letters of scripts that need more than spaces. */
function addParts(words: string[], word: string): void {
  for (const { 0: part, groups } of word.matchAll(PART)) {
    if (groups?.han !== undefined) addHan(words, part);
    else if (groups?.hangul !== undefined) addBigrams(words, part);
    else if (groups?.dictionary !== undefined) addSegments(words, part);
    else words.push(singular(clipped(part)));
  }
}

function addBigrams(words: string[], run: string): void {
  const characters = Array.from(run);
  if (characters.length === 1) words.push(run);
  for (let i = 1; i < characters.length; i++) words.push(`${characters[i - 1]}${characters[i]}`);
}

let segmenter: Intl.Segmenter | undefined;

function addSegments(words: string[], run: string): void {
  segmenter ??= new Intl.Segmenter('und', { granularity: 'word' });
  for (const { segment } of segmenter.segment(run)) words.push(clipped(segment));
}

let jieba: Jieba | null | undefined;

function addHan(words: string[], run: string): void {
  if (hanMethod() === 'bigrams') addBigrams(words, run);
  else for (const word of (jieba as Jieba).cutForSearch(run, true)) words.push(word);
}

/**
 * `'jieba'`, or `'bigrams'` where jieba's addon does not load, as on platforms it has no build for. Loads it. Indexes
 * made with one are not asked with the other.
 */
export function hanMethod(): HanMethod {
  if (jieba === undefined) jieba = loadJieba();
  return jieba === null ? 'bigrams' : 'jieba';
}

function loadJieba(): Jieba | null {
  try {
    const { Jieba } = require('@node-rs/jieba') as typeof import('@node-rs/jieba');
    const { dict } = require('@node-rs/jieba/dict') as typeof import('@node-rs/jieba/dict');
    return Jieba.withDict(dict);
  } catch {
    return null;
  }
}
