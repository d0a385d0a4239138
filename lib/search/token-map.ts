import type { Tokens } from '../tokenize';

/** Counts the tokens of stretches of a text. */
export class TokenMap {
  /** Never falling: a tokenizer may give the parts of a character in any order. */
  readonly #starts: Uint32Array;

  constructor(tokens: Tokens) {
    this.#starts = Uint32Array.from(tokens.starts);
    for (let i = 1; i < this.#starts.length; i++) {
      this.#starts[i] = Math.max(this.#starts[i] as number, this.#starts[i - 1] as number);
    }
  }

  /** Tokens that begin in `[start, end)`. */
  count(start: number, end: number): number {
    return this.#firstFrom(end) - this.#firstFrom(start);
  }

  /** Where the token begins that has `count` tokens between itself and `start`; infinite where there are not so many. */
  startOfNext(start: number, count: number): number {
    return this.#starts[this.#firstFrom(start) + count] ?? Number.POSITIVE_INFINITY;
  }

  /** The first token that begins there or behind. */
  #firstFrom(place: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] as number) < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
