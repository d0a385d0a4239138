import { TextArena } from './text-arena';
import type { Metadata, StoredDocument } from './types';

/**
 * Documents by row, as small as they will go: texts as UTF-8, metadata that is the same once for all rows that have it.
 *
 * A row is appended, shown, and, when its document is removed or replaced, gone for good; its memory comes back when the
 * store makes a new table of the rows that are left.
 */
export class DocumentTable {
  readonly #rowOf = new Map<string, number>(); // of the rows that are shown
  readonly #ids: string[] = [];
  readonly #texts = new TextArena();
  readonly #distinct: (Metadata | undefined)[] = [undefined];
  readonly #distinctOf = new Map<string, number>(); // by their JSON
  #metadataOf = new Uint32Array(16);
  #shown = new Uint8Array(16);

  /** Rows, those that are gone and those that are not shown yet among them. */
  get length(): number {
    return this.#ids.length;
  }

  /** Documents. */
  get size(): number {
    return this.#rowOf.size;
  }

  /** Each metadata that rows have, once. The list only grows; the first is none. */
  get distinctMetadata(): readonly (Metadata | undefined)[] {
    return this.#distinct;
  }

  append({ id, text, metadata }: StoredDocument): void {
    const row = this.length;
    if (row === this.#shown.length) this.#grow();
    this.#texts.push(text);
    this.#metadataOf[row] = metadata === undefined ? 0 : this.#intern(metadata);
    this.#ids.push(id);
  }

  /** Takes rows back that have not been shown. */
  truncate(length: number): void {
    this.#ids.length = Math.min(this.length, length);
    this.#texts.truncate(length);
  }

  /** @returns the rows that these replace */
  show(first: number, end: number): number[] {
    const replaced: number[] = [];
    for (let row = first; row < end; row++) {
      const id = this.id(row);
      const old = this.#rowOf.get(id);
      if (old !== undefined) {
        this.#shown[old] = 0;
        replaced.push(old);
      }
      this.#rowOf.set(id, row);
      this.#shown[row] = 1;
    }
    return replaced;
  }

  /** @returns its row, where there is one */
  remove(id: string): number | undefined {
    const row = this.#rowOf.get(id);
    if (row === undefined) return undefined;
    this.#rowOf.delete(id);
    this.#shown[row] = 0;
    return row;
  }

  rowOf(id: string): number | undefined {
    return this.#rowOf.get(id);
  }

  isShown(row: number): boolean {
    return this.#shown[row] === 1;
  }

  /** Of all documents. */
  ids(): string[] {
    return Array.from(this.#rowOf.keys());
  }

  id(row: number): string {
    return this.#ids[row] as string;
  }

  textBytes(row: number): Buffer {
    return this.#texts.bytes(row);
  }

  /** Where in {@link distinctMetadata} a row's is. */
  metadataIndex(row: number): number {
    return this.#metadataOf[row] as number;
  }

  /** A new object, which is the caller's. */
  document(row: number): StoredDocument {
    const metadata = this.#distinct[this.metadataIndex(row)];
    const document = { id: this.id(row), text: this.#texts.get(row) };
    return metadata === undefined ? document : { ...document, metadata: { ...metadata } };
  }

  #grow(): void {
    const metadataOf = new Uint32Array(2 * this.#metadataOf.length);
    metadataOf.set(this.#metadataOf);
    this.#metadataOf = metadataOf;
    const shown = new Uint8Array(2 * this.#shown.length);
    shown.set(this.#shown);
    this.#shown = shown;
  }

  #intern(metadata: Metadata): number {
    const json = JSON.stringify(metadata);
    const known = this.#distinctOf.get(json);
    if (known !== undefined) return known;
    this.#distinctOf.set(json, this.#distinct.length);
    return this.#distinct.push(JSON.parse(json)) - 1;
  }
}
