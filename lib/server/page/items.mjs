// @ts-check
import { counted, make } from './dom.mjs';
import { isLong, showText } from './highlight.mjs';
import { movement } from './ranking.mjs';

/**
 * @typedef {import('./ranking.mjs').Place} Place
 * @typedef {{ share: number, text: string } | undefined} Score
 */

/** Letters of a collapsed document that are shown in each list: what the first one shows, the second does, too. */
const FIRST_LETTERS = 110;
const RERANKED_LETTERS = 280;

/**
 * A document in the order of the first stage.
 * @param {Place} place
 * @param {Score} score
 */
export function firstItem(place, score) {
  const went = place.rank === undefined ? 'not among the results' : `reranked ${place.rank}`;
  const item = itemOf(place, { letters: FIRST_LETTERS, words: new Set() }, [
    rankOf('First stage rank', place.firstRank),
    ...scoreParts(score),
    spoken(`, ${went}, document ${place.index + 1}`),
  ]);
  if (place.rank === undefined) item.classList.add('left-out');
  return item;
}

/**
 * A document in the new order.
 * @param {Place} place
 * @param {Score} score
 * @param {ReadonlySet<string>} words - Of the query
 */
export function rerankedItem(place, score, words) {
  const span = isPart(place) ? place.result?.span : undefined;
  const item = itemOf(place, { letters: RERANKED_LETTERS, span, words }, [
    rankOf('Rank', place.rank ?? 0),
    movementOf(place),
    ...scoreParts(score),
    spoken(`, document ${place.index + 1}`),
  ]);
  item.append(notes(place));
  return item;
}

/**
 * For those who hear the page: there the words stand that columns and arrows stand for.
 * @param {string} text
 */
function spoken(text) {
  return make('span', { class: 'visually-hidden' }, text);
}

/**
 * @param {string} name
 * @param {number} rank
 */
function rankOf(name, rank) {
  return make('span', { class: 'rank' }, spoken(`${name} `), String(rank));
}

/** @param {Place} place */
function movementOf(place) {
  const moved = movement(place);
  if (moved === 0) return sign('move', '=', ', not moved');
  const [name, arrow] = moved > 0 ? ['up', '▲'] : ['down', '▼'];
  const by = Math.abs(moved);
  return sign(`move ${name}`, `${arrow}${by}`, `, ${name} ${by} from ${place.firstRank}`);
}

/**
 * @param {string} type
 * @param {string} seen
 * @param {string} heard
 */
function sign(type, seen, heard) {
  return make('span', { class: type }, make('span', { 'aria-hidden': 'true' }, seen), spoken(heard));
}

/**
 * @param {Score} score
 * @returns {HTMLElement[]}
 */
function scoreParts(score) {
  if (score === undefined) return [make('span'), make('span', { class: 'score' })];
  const filled = make('span');
  filled.style.setProperty('--share', score.share.toFixed(4));
  const bar = make('span', { class: 'bar', 'aria-hidden': 'true' }, filled);
  return [bar, make('span', { class: 'score' }, spoken(', score '), score.text)];
}

/**
 * @param {Place} place
 * @param {{ letters: number, words: ReadonlySet<string>, span?: { start: number, end: number } | undefined }} shown
 * @param {Node[]} head
 */
function itemOf(place, shown, head) {
  const long = isLong(place.text, shown.letters);
  const button = make('button', { type: 'button', class: 'head', tabindex: -1 }, ...head);
  const text = make('p', { class: 'text', dir: 'auto' });
  const item = make('li', { class: 'item', 'data-index': place.index }, button, text);
  const show = (/** @type {boolean} */ whole) => showText(text, place.text, { ...shown, whole });
  show(false);
  if (long) {
    button.setAttribute('aria-expanded', 'false');
    item.classList.add('long');
    item.addEventListener('click', () => {
      if (getSelection()?.isCollapsed === false) return; // text is being copied
      const open = item.classList.toggle('open');
      button.setAttribute('aria-expanded', String(open));
      show(open);
    });
  }
  return item;
}

/** Whether the best span is less than the document. @param {Place} place */
function isPart({ text, result }) {
  if (result?.span === undefined) return false;
  const { start, end } = result.span;
  return text.slice(0, start).trim() !== '' || text.slice(end).trim() !== '';
}

/** @param {Place} place */
function notes({ index, result }) {
  const parts = [`document ${index + 1}`];
  if (result?.windows !== undefined && result.windows > 1)
    parts.push(`best of ${counted(result.windows, 'part')} marked`);
  const line = make('p', { class: 'notes' }, parts.join(' · '));
  if (result?.truncated) {
    line.append(
      ' · ',
      make('span', { class: 'warning' }, `cut, ${counted(result.tokensLost, 'token')} not read`),
    );
  }
  return line;
}
