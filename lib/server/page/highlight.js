// @ts-check
import { make } from './dom.js';

/** Characters of a document that are shown while it is collapsed. */
const SHOWN = 260;
/** Of these, before the best span. */
const LEAD = 60;

/** @typedef {{ start: number, end: number }} Span */

/**
 * Whether a document is shown in part until it is asked for.
 * @param {string} text
 */
export function isLong(text) {
  return text.length > SHOWN * 1.3;
}

/**
 * Puts a document's text into an element: whole, or what is around the best span.
 * @param {HTMLElement} target
 * @param {string} text
 * @param {{ span?: Span | undefined, whole: boolean }} how
 */
export function showText(target, text, { span, whole }) {
  if (whole || !isLong(text)) {
    target.replaceChildren(...marked(text, 0, text.length, span));
    return;
  }
  const start = span === undefined ? 0 : border(text, Math.max(0, span.start - LEAD));
  const end = border(text, Math.min(text.length, start + SHOWN));
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
  const space = text.slice(Math.max(0, at - 24), at).search(/\s\S*$/);
  if (space !== -1) return Math.max(0, at - 24) + space + 1;
  const code = text.charCodeAt(at);
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at;
}
