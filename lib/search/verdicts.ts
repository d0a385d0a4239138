import type { DocumentTable } from './document-table';
import { type Predicate, predicateOf } from './filter';
import type { Filter } from './types';

/** What is decided in one turn of the event loop: a millisecond or two. */
const VERDICTS_PER_TURN = 8192;

/**
 * What a filter says about the documents of a table, decided once for each distinct metadata, turn by turn; the table
 * may grow meanwhile.
 */
export class Verdicts {
  readonly table: DocumentTable;
  readonly #matches: Predicate;
  #verdicts = new Uint8Array(64);
  #decided = 0;

  constructor(table: DocumentTable, filter: Filter) {
    this.table = table;
    this.#matches = predicateOf(filter);
  }

  get areComplete(): boolean {
    return this.#decided === this.table.distinctMetadata.length;
  }

  /** One turn's work. */
  advance(): void {
    const { distinctMetadata } = this.table;
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
    for (let row = 0; row < this.table.length; row++) if (this.#of(row) && this.table.isShown(row)) count++;
    return count;
  }

  /** Bit row % 8 of byte row / 8, of all rows of the table, those that are gone among them. */
  bitmap(): Uint8Array {
    const { length } = this.table;
    const bits = new Uint8Array(Math.ceil(length / 8));
    for (let row = 0; row < length; row++)
      if (this.#of(row)) bits[row >> 3] = (bits[row >> 3] as number) | (1 << (row & 7));
    return bits;
  }

  #of(row: number): boolean {
    return this.#verdicts[this.table.metadataIndex(row)] === 1;
  }
}
