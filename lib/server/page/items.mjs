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
  const label = [
    `First stage rank ${place.firstRank}`,
    ...(score === undefined ? [] : [`score ${score.text}`]),
    place.rank === undefined ? 'not among the results' : `reranked ${place.rank}`,
  ];
  const item = itemOf(place, label, { letters: FIRST_LETTERS, words: new Set() }, [
    make('span', { class: 'rank' }, String(place.firstRank)),
    bar(score),
    make('span', { class: 'score' }, score?.text ?? ''),
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
  const moved = movement(place);
  const change =
    moved === 0 ? 'not moved' : `${moved > 0 ? 'up' : 'down'} ${Math.abs(moved)} from ${place.firstRank}`;
  const label = [`Rank ${place.rank}`, change, `score ${score?.text}`];
  const span = isPart(place) ? place.result?.span : undefined;
  const item = itemOf(place, label, { letters: RERANKED_LETTERS, span, words }, [
    make('span', { class: 'rank' }, String(place.rank)),
    movementSign(moved),
    bar(score),
    make('span', { class: 'score' }, score?.text ?? ''),
  ]);
  item.append(notes(place));
  return item;
}

/** @param {number} moved */
function movementSign(moved) {
  if (moved === 0) return make('span', { class: 'move' }, '=');
  const [name, arrow] = moved > 0 ? ['up', '▲'] : ['down', '▼'];
  return make('span', { class: `move ${name}` }, `${arrow}${Math.abs(moved)}`);
}

/** @param {Score} score */
function bar(score) {
  if (score === undefined) return make('span');
  const filled = make('span');
  filled.style.setProperty('--share', score.share.toFixed(4));
  return make('span', { class: 'bar' }, filled);
}

/**
 * @param {Place} place
 * @param {string[]} label
 * @param {{ letters: number, words: ReadonlySet<string>, span?: { start: number, end: number } | undefined }} shown
 * @param {Node[]} head
 */
function itemOf(place, label, shown, head) {
  const long = isLong(place.text, shown.letters);
  const spoken = [...label, `document ${place.index + 1}`].join(', ');
  const button = make(
    'button',
    { type: 'button', class: 'head', tabindex: -1, 'aria-label': spoken },
    ...head,
  );
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
