// @ts-check
import { byId } from './dom.mjs';
import { wordsOfQuery } from './excerpt.mjs';
import { firstItem, rerankedItem } from './items.mjs';
import { Links } from './links.mjs';
import { barScale, scoreText } from './ranking.mjs';

/**
 * @typedef {import('./api.mjs').RankAnswer} RankAnswer
 * @typedef {import('./ranking.mjs').Ranking} Ranking
 * @typedef {import('./ranking.mjs').Place} Place
 */

/** Documents added to a list before the browser may paint. */
const ITEMS_A_FRAME = 40;

const STAGE_NAMES = { given: 'As given', keywords: 'Keywords (BM25)', embedder: 'Embedder' };

/** Both orders side by side: hovering or focusing a document shows where it was, or went. */
export class Lists {
  #root = byId('lists', HTMLElement);
  #first = byId('first', HTMLOListElement);
  #reranked = byId('reranked', HTMLOListElement);
  #links = new Links(byId('lists', HTMLElement));
  /** Changes with every answer: what is still being added of an older one stops. */
  #turn = 0;

  constructor() {
    this.#root.addEventListener('pointerover', (event) => this.#activate(itemAt(event.target)));
    this.#root.addEventListener('pointerleave', () => this.#activate(itemAt(document.activeElement)));
    this.#root.addEventListener('focusin', (event) => {
      const item = itemAt(event.target);
      if (item !== null) this.#makeTabStop(item);
      this.#activate(item);
    });
    this.#root.addEventListener('focusout', () => this.#activate(null));
    this.#root.addEventListener('keydown', (event) => this.#onKey(event));
  }

  /**
   * @param {RankAnswer} answer
   * @param {Ranking} ranking
   * @param {string} query
   * @returns {Promise<void>} when all documents are there
   */
  async show(answer, ranking, query) {
    const words = wordsOfQuery(query);
    const turn = ++this.#turn;
    const { firstStage, model } = answer;
    byId('first-title', HTMLElement).textContent = titleOf(firstStage);
    byId('reranked-title', HTMLElement).textContent = `Reranked by ${model.name}`;
    this.#links.clear();
    this.#first.replaceChildren();
    this.#reranked.replaceChildren();
    const firstScore = scored(firstStage.scores ?? [], firstStage.kind === 'keywords' ? 'positive' : 'open');
    const newScore = scored(
      answer.results.map(({ score }) => score),
      model.activation === 'sigmoid' ? 'unit' : 'open',
    );
    for (let start = 0; start < ranking.first.length; start += ITEMS_A_FRAME) {
      const end = start + ITEMS_A_FRAME;
      this.#first.append(
        ...ranking.first.slice(start, end).map((place) => firstItem(place, firstScore(place.firstScore))),
      );
      this.#reranked.append(
        ...ranking.reranked
          .slice(start, end)
          .map((place) => rerankedItem(place, newScore(place.result?.score), words)),
      );
      if (start === 0) this.#makeFirstTabStops();
      await new Promise((resolve) => setTimeout(resolve)); // also in a tab that is not in front
      if (turn !== this.#turn) return;
    }
    this.#links.draw(ranking.reranked.map(({ index }) => index));
  }

  #makeFirstTabStops() {
    for (const list of [this.#first, this.#reranked]) {
      if (list.firstElementChild !== null) this.#makeTabStop(list.firstElementChild);
    }
  }

  /** Tab goes to one document of each list, arrows to the others. @param {Element} item */
  #makeTabStop(item) {
    item.parentElement?.querySelector('.head[tabindex="0"]')?.setAttribute('tabindex', '-1');
    headOf(item)?.setAttribute('tabindex', '0');
  }

  /** @param {Element | null} item */
  #activate(item) {
    for (const active of this.#root.querySelectorAll('.item.active')) active.classList.remove('active');
    const index = item?.getAttribute('data-index') ?? null;
    this.#links.activate(index === null ? undefined : Number(index));
    if (index === null) return;
    for (const same of this.#root.querySelectorAll(`.item[data-index="${index}"]`))
      same.classList.add('active');
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const item = itemAt(event.target);
    if (item === null || event.ctrlKey || event.altKey || event.metaKey) return;
    const next = this.#next(item, event.key);
    if (next === undefined) return;
    event.preventDefault();
    if (next === null) return;
    headOf(next)?.focus();
    next.scrollIntoView({ block: 'nearest' });
  }

  /**
   * Where a key goes from an item: undefined where it is none of ours, null where there is nothing.
   * @param {Element} item
   * @param {string} key
   */
  #next(item, key) {
    switch (key) {
      case 'ArrowDown':
        return item.nextElementSibling;
      case 'ArrowUp':
        return item.previousElementSibling;
      case 'Home':
        return item.parentElement?.firstElementChild ?? null;
      case 'End':
        return item.parentElement?.lastElementChild ?? null;
      case 'ArrowLeft':
        return this.#same(item, this.#first);
      case 'ArrowRight':
        return this.#same(item, this.#reranked);
      default:
        return undefined;
    }
  }

  /**
   * @param {Element} item
   * @param {Element} list
   */
  #same(item, list) {
    if (item.parentElement === list || list.getClientRects().length === 0) return null;
    return list.querySelector(`.item[data-index="${item.getAttribute('data-index')}"]`);
  }
}

/** @param {RankAnswer['firstStage']} firstStage */
function titleOf({ kind, model }) {
  const name = model === undefined ? STAGE_NAMES[kind] : `${STAGE_NAMES[kind]} ${model}`;
  return `First stage: ${name}`;
}

/**
 * @param {readonly number[]} scores
 * @param {'unit' | 'positive' | 'open'} scale
 */
function scored(scores, scale) {
  const share = barScale(scores, scale);
  return (/** @type {number | undefined} */ score) =>
    score === undefined ? undefined : { share: share(score), text: scoreText(score, scale) };
}

/**
 * @param {EventTarget | null} target
 * @returns {Element | null}
 */
function itemAt(target) {
  return target instanceof Element ? target.closest('.item') : null;
}

/**
 * @param {Element} item
 * @returns {HTMLElement | null}
 */
function headOf(item) {
  return item.querySelector('.head');
}
