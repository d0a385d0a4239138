import { setImmediate as nextTurn } from 'node:timers/promises';
import { orAbort } from '../deadline';
import { type NativeHits, type NativeVectorIndex, nativeBinding } from '../native/binding';
import { checkDocument, checkVector } from './checks';
import { DocumentTable } from './document-table';
import type { Segment } from './store-file';
import { type DocumentBatch, encodeDocuments, SEGMENT_BYTES } from './store-format';
import type { EmbeddedDocument, EmbeddingSpace, StoredDocument, StoreHit } from './types';

/** Values copied into the index, and documents shown, removed or read, in one turn of the event loop: 1 ms or less. */
const VALUES_PER_TURN = 64 * 1024;
export const DOCUMENTS_PER_TURN = 512;

/**
 * The rows of a store: vectors in the native index, and their documents in a table. A row is appended, which nobody sees,
 * then shown, and is gone when its document is removed or replaced.
 */
export class StoreRows {
  readonly table = new DocumentTable();
  readonly #space: EmbeddingSpace;
  readonly #threads: number;
  readonly #index: NativeVectorIndex;

  constructor(space: EmbeddingSpace, threads: number) {
    this.#space = space;
    this.#threads = threads;
    this.#index = new (nativeBinding().VectorIndex)(space.dimension, threads);
  }

  /** Rows that are gone, or were never shown. */
  get garbage(): number {
    return this.table.length - this.table.size;
  }

  /**
   * Appends documents turn by turn; each is checked and copied in the same one, so that its owner may do with it what it
   * will.
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`; what was appended is garbage then
   */
  async append(documents: readonly EmbeddedDocument[]): Promise<void> {
    const { dimension } = this.#space;
    const seen = new Map<string, number>();
    for (let first = 0; first < documents.length; first += this.#rowsPerTurn) {
      if (first > 0) await nextTurn();
      const part = documents.slice(first, first + this.#rowsPerTurn);
      const vectors = new Float32Array(part.length * dimension);
      for (const [i, document] of part.entries()) {
        checkDocument(document, first + i, seen);
        checkVector(document.vector, this.#space, `documents[${first + i}].vector`);
        vectors.set(document.vector, i * dimension);
      }
      this.#appendBoth(part, () => this.#index.append(vectors));
    }
  }

  /** Appends what {@link segments} told. @returns false where a vector is neither of unit length nor zeros */
  appendBatch({ vectors, documents }: DocumentBatch): boolean {
    return this.#appendBoth(documents, () => this.#index.appendUnit(vectors));
  }

  /** Documents of these rows replace those of the same ids. */
  async show(first: number, end: number): Promise<void> {
    for (let row = first; row < end; row += DOCUMENTS_PER_TURN) {
      if (row > first) await nextTurn();
      const next = Math.min(row + DOCUMENTS_PER_TURN, end);
      const replaced = this.table.show(row, next);
      this.#index.show(row, next);
      this.#index.hide(Uint32Array.from(replaced));
    }
  }

  /** @returns those that were there */
  async remove(ids: readonly string[]): Promise<string[]> {
    const removed: string[] = [];
    for (let first = 0; first < ids.length; first += DOCUMENTS_PER_TURN) {
      if (first > 0) await nextTurn();
      const rows: number[] = [];
      for (const id of ids.slice(first, first + DOCUMENTS_PER_TURN)) {
        const row = this.table.remove(id);
        if (row === undefined) continue;
        rows.push(row);
        removed.push(id);
      }
      this.#index.hide(Uint32Array.from(rows));
    }
    return removed;
  }

  get(id: string): StoredDocument | undefined {
    const row = this.table.rowOf(id);
    return row === undefined ? undefined : this.table.document(row);
  }

  /** Among the rows shown when it is called; `filter` has a bit for each that may be found. */
  async search(
    vector: Float32Array,
    topK: number,
    filter: Uint8Array | undefined,
    signal: AbortSignal | undefined,
  ): Promise<StoreHit[]> {
    const most = Math.max(1, Math.min(topK, this.table.length));
    const hits = await orAbort(this.#index.query(vector, most, filter, 'fastest'), signal);
    return bestHits(this.table, hits, topK);
  }

  /** Of documents, in the order in which they were added. */
  async shown(): Promise<number[]> {
    const rows: number[] = [];
    for (let row = 0; row < this.table.length; row++) {
      if (row % VALUES_PER_TURN === VALUES_PER_TURN - 1) await nextTurn();
      if (this.table.isShown(row)) rows.push(row);
    }
    return rows;
  }

  /** Rows as one call that adds them, to be written into a file. */
  async *segments(rows: Iterable<number>): AsyncGenerator<Segment> {
    let batch: number[] = [];
    let bytes = 0;
    for (const row of rows) {
      if (bytes >= SEGMENT_BYTES) {
        yield this.#encode(batch, false);
        batch = [];
        bytes = 0;
      }
      batch.push(row);
      bytes += 4 * this.#space.dimension + this.table.textBytes(row).length;
    }
    if (batch.length > 0) yield this.#encode(batch, true);
  }

  /** These rows alone, in a new object. Nothing of this one may change meanwhile. */
  async copy(rows: readonly number[]): Promise<StoreRows> {
    const copy = new StoreRows(this.#space, this.#threads);
    for (let first = 0; first < rows.length; first += this.#rowsPerTurn) {
      const part = rows.slice(first, first + this.#rowsPerTurn);
      copy.#index.appendFrom(this.#index, Uint32Array.from(part));
      for (const row of part) copy.table.append(this.table.document(row));
      await copy.show(first, first + part.length);
      await nextTurn();
    }
    return copy;
  }

  /** Gives the vectors' memory back; searches on their way are answered. */
  dispose(): void {
    this.#index.dispose();
  }

  get #rowsPerTurn(): number {
    return Math.max(1, Math.floor(VALUES_PER_TURN / this.#space.dimension));
  }

  /** Keeps the rows of the table and of the index the same, whatever fails. */
  #appendBoth(documents: readonly StoredDocument[], appendVectors: () => boolean): boolean {
    const before = this.table.length;
    let isDone = false;
    try {
      for (const document of documents) this.table.append(document);
      isDone = appendVectors();
    } finally {
      if (!isDone) this.table.truncate(before);
    }
    return isDone;
  }

  #encode(rows: readonly number[], isLast: boolean): Segment {
    const { table } = this;
    const documents = rows.map((row) => {
      const metadata = table.distinctMetadata[table.metadataIndex(row)];
      return {
        id: Buffer.from(table.id(row)),
        text: table.textBytes(row),
        metadata: Buffer.from(metadata === undefined ? '' : JSON.stringify(metadata)),
      };
    });
    return encodeDocuments(this.#index.read(Uint32Array.from(rows)), documents, isLast);
  }
}

/** The best of all that the index names, which has no ids to order equal scores by. */
function bestHits(table: DocumentTable, { rows, scores }: NativeHits, topK: number): StoreHit[] {
  const hits = Array.from(rows, (row, i) => ({ row, score: scores[i] as number, id: table.id(row) }));
  hits.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
  return hits.slice(0, topK).map(({ row, score }) => ({ document: table.document(row), score }));
}
