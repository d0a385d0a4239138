// @ts-check

const SVG = 'http://www.w3.org/2000/svg';
/** More lines than these are a tangle. */
const MOST_LINES = 24;

/** Lines from where a document was to where it is, in the gap between the lists. */
export class Links {
  #lists;
  #svg;
  /** @type {number[]} */
  #indexes = [];
  /** @type {number | undefined} */
  #active;
  #isPlanned = false;

  /** @param {HTMLElement} lists */
  constructor(lists) {
    const svg = lists.querySelector('svg');
    if (svg === null) throw new Error('the page has no place for links');
    this.#lists = lists;
    this.#svg = svg;
    // Texts that are opened, and what is laid out only when it comes into view, move everything below.
    const observer = new ResizeObserver(() => this.#plan());
    for (const list of lists.querySelectorAll('ol')) observer.observe(list);
  }

  clear() {
    this.#indexes = [];
    this.#active = undefined;
    this.#svg.replaceChildren();
  }

  /** @param {number[]} indexes - Of documents, best first */
  draw(indexes) {
    this.#indexes = indexes.slice(0, MOST_LINES);
    this.#plan();
  }

  /** @param {number | undefined} index */
  activate(index) {
    if (index === this.#active) return;
    this.#active = index;
    this.#plan();
  }

  #plan() {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    requestAnimationFrame(() => {
      this.#isPlanned = false;
      this.#redraw();
    });
  }

  #redraw() {
    const origin = this.#lists.getBoundingClientRect();
    // The active one last: it lies above the others.
    const indexes = this.#indexes.filter((index) => index !== this.#active);
    if (this.#active !== undefined) indexes.push(this.#active);
    this.#svg.replaceChildren(...indexes.flatMap((index) => this.#line(index, origin)));
  }

  /**
   * @param {number} index
   * @param {DOMRect} origin
   */
  #line(index, origin) {
    const [from, to] = ['first', 'reranked'].map((list) =>
      this.#lists.querySelector(`.${list} .item[data-index="${index}"]`)?.getBoundingClientRect(),
    );
    if (from === undefined || to === undefined || from.width === 0 || to.width === 0) return [];
    const [x1, y1] = [from.right - origin.left, middle(from) - origin.top];
    const [x2, y2] = [to.left - origin.left, middle(to) - origin.top];
    const bend = (x1 + x2) / 2;
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}`);
    if (index === this.#active) path.setAttribute('class', 'active');
    return [path];
  }
}

/** Of the line with the rank. @param {DOMRect} rectangle */
function middle({ top, height }) {
  return top + Math.min(height / 2, 19);
}
