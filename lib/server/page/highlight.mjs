// @ts-check
import { make } from './dom.mjs';
import { excerptStart } from './excerpt.mjs';

/** @typedef {{ start: number, end: number }} Span */

/** Part of what is shown of a collapsed document goes before what is of interest in it. */
const LEAD = 0.15;
/** A text of more lines is tall, however short. */
const MANY_LINES = 8;

/**
 * Characters of a text that take about as much room as `letters` Latin ones: of Chinese, Japanese and Korean half as many.
 * @param {string} text
 * @param {number} letters
 */
function roomFor(text, letters) {
  const wide = text.slice(0, 200).match(/[\u2e80-\u9fff\uac00-\ud7af\uff00-\uff60]/g)?.length ?? 0;
  return wide > 60 || wide > text.length / 3 ? Math.round(letters / 2) : letters;
}

/**
 * Whether a document is shown in part until it is asked for.
 * @param {string} text
 * @param {number} letters - What is shown of it
 */
export function isLong(text, letters) {
  return text.length > roomFor(text, letters) * 1.3 || text.split('\n', MANY_LINES + 1).length > MANY_LINES;
}

/**
 * Puts a document's text into an element: whole, or from shortly before what of the best span has to do with the query.
 * @param {HTMLElement} target
 * @param {string} text
 * @param {{ span?: Span | undefined, words: ReadonlySet<string>, letters: number, whole: boolean }} how
 */
export function showText(target, text, { span, words, letters, whole }) {
  if (whole || !isLong(text, letters)) {
    target.replaceChildren(...marked(text, 0, text.length, span));
    return;
  }
  const room = roomFor(text, letters);
  const from = span === undefined ? 0 : excerptStart(text, span, words, room);
  const start = border(text, Math.max(0, from - Math.round(room * LEAD)));
  const end = border(text, Math.min(text.length, start + room));
  const parts = marked(text, start, end, span);
  if (start > 0) parts.unshift('… ');
  if (end < text.length) parts.push(' …');
  target.replaceChildren(...parts);
}

/**
 * `text.slice(start, end)` with what of the span lies in it marked.
 * @param {string} text
 * @param {number} start
 * @param {number} end
 * @param {Span | undefined} span
 * @returns {(Node | string)[]}
 */
function marked(text, start, end, span) {
  if (span === undefined) return [text.slice(start, end)];
  const from = Math.min(Math.max(span.start, start), end);
  const to = Math.max(Math.min(span.end, end), from);
  return [text.slice(start, from), make('mark', {}, text.slice(from, to)), text.slice(to, end)];
}

/**
 * A place near `at` where no word and no character is cut: after a space close before it, else between two characters.
 * @param {string} text
 * @param {number} at
 */
function border(text, at) {
  if (at <= 0 || at >= text.length) return at;
  const near = Math.max(0, at - 24);
  const space = text.slice(near, at).search(/\s\S*$/);
  if (space !== -1) return near + space + 1;
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at;
}
