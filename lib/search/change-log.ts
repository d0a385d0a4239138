import type { Segment, StoreFile } from './store-file';
import { encodeRemovals } from './store-format';
import { DOCUMENTS_PER_TURN, type StoreRows } from './store-rows';

/** Rows that one call added, or ids that one removed. */
export type Change = { first: number; end: number } | { removed: readonly string[] };

/**
 * What a store changed and its file does not have for sure. A change stays here until it is durable, so that whatever
 * fails can be tried again: rows stay where they are until then.
 */
export class ChangeLog {
  readonly #file: StoreFile;
  readonly #changes: Change[] = [];
  #appended = 0; // of #changes: in the file, but perhaps not on the disk

  constructor(file: StoreFile) {
    this.#file = file;
  }

  push(change: Change): void {
    this.#changes.push(change);
  }

  /**
   * Appends all that is not in the file; `sync` makes it durable.
   * @throws {@link CrossrankError} with `ERR_STORE`; nothing is lost
   */
  async save(rows: StoreRows, sync: boolean): Promise<void> {
    try {
      for (; this.#appended < this.#changes.length; this.#appended++) {
        for await (const segment of segmentsOf(this.#changes[this.#appended] as Change, rows)) {
          await this.#file.append(segment);
        }
      }
      if (!sync || this.#appended === 0) return;
      await this.#file.sync();
      this.#clear();
    } catch (error) {
      this.#appended = 0;
      this.#file.rollBack();
      throw error;
    }
  }

  /** Writes the file anew, with these rows and nothing else. */
  async replace(rows: StoreRows, shown: readonly number[]): Promise<void> {
    await this.#file.replace(rows.segments(shown));
    this.#clear();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #clear(): void {
    this.#changes.length = 0;
    this.#appended = 0;
  }
}

async function* segmentsOf(change: Change, rows: StoreRows): AsyncGenerator<Segment> {
  if ('first' in change) {
    yield* rows.segments(numbersFrom(change.first, change.end));
    return;
  }
  const { removed } = change;
  for (let first = 0; first < removed.length; first += DOCUMENTS_PER_TURN) {
    const end = first + DOCUMENTS_PER_TURN;
    yield encodeRemovals(removed.slice(first, end), end >= removed.length);
  }
}

function* numbersFrom(first: number, end: number): Generator<number> {
  for (let number = first; number < end; number++) yield number;
}
