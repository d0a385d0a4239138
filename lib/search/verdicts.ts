import { type Predicate, predicateOf } from './filter';
import type { StoreRows } from './store-rows';
import type { Filter } from './types';

/** What is decided in one turn of the event loop: a millisecond or two. */
const VERDICTS_PER_TURN = 8192;

/**
 * What a filter says about the documents of a store, decided once for each distinct metadata, turn by turn; rows
 * may be added meanwhile.
 */
export class Verdicts {
  readonly rows: StoreRows;
  readonly #matches: Predicate;
  #verdicts = new Uint8Array(64);
  #decided = 0;

  constructor(rows: StoreRows, filter: Filter) {
    this.rows = rows;
    this.#matches = predicateOf(filter);
  }

  get areComplete(): boolean {
    return this.#decided === this.rows.table.distinctMetadata.length;
  }

  /** One turn's work. */
  advance(): void {
    const { distinctMetadata } = this.rows.table;
    if (this.#verdicts.length < distinctMetadata.length) {
      const longer = new Uint8Array(2 * distinctMetadata.length);
      longer.set(this.#verdicts);
      this.#verdicts = longer;
    }
    const end = Math.min(this.#decided + VERDICTS_PER_TURN, distinctMetadata.length);
    for (; this.#decided < end; this.#decided++) {
      this.#verdicts[this.#decided] = this.#matches(distinctMetadata[this.#decided]) ? 1 : 0;
    }
  }

  /** Documents that meet the filter. */
  count(): number {
    let count = 0;
    for (let row = 0; row < this.rows.table.length; row++)
      if (this.#of(row) && this.rows.table.isShown(row)) count++;
    return count;
  }

  /** Bit row % 8 of byte row / 8, of all rows, those that are gone among them. */
  bitmap(): Uint8Array {
    const { length } = this.rows.table;
    const bits = new Uint8Array(Math.ceil(length / 8));
    for (let row = 0; row < length; row++)
      if (this.#of(row)) bits[row >> 3] = (bits[row >> 3] as number) | (1 << (row & 7));
    return bits;
  }

  #of(row: number): boolean {
    return this.#verdicts[this.rows.table.metadataIndex(row)] === 1;
  }
}
