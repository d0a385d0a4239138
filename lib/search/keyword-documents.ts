import { InvertedIndex } from './inverted-index';
import type { Metadata } from './types';

/** What a keyword index keeps of a document beside its words. */
export interface KeptDocument {
  id: string;
  metadata: Metadata | undefined;
  /** Undefined where a store has the texts. */
  text: string | undefined;
}

/** Removed documents that are never worth the work of {@link KeywordDocuments.compacted}. */
const FEW = 256;

/** The documents of a keyword index by id and by number, and their words. */
export class KeywordDocuments {
  /** By number; undefined where it was removed. */
  readonly #documents: (KeptDocument | undefined)[] = [];
  readonly #numbers = new Map<string, number>();

  constructor(readonly words = new InvertedIndex()) {}

  get count(): number {
    return this.#numbers.size;
  }

  get hasRemoved(): boolean {
    return this.#numbers.size < this.#documents.length;
  }

  /** Whether more than half of all documents were removed. So compacting costs each document a constant part. */
  get isSparse(): boolean {
    const removed = this.#documents.length - this.count;
    return removed > FEW && removed > this.count;
  }

  has(id: string): boolean {
    return this.#numbers.has(id);
  }

  get(id: string): KeptDocument | undefined {
    const number = this.#numbers.get(id);
    return number === undefined ? undefined : this.#documents[number];
  }

  /** The document of a number, of those not removed. */
  at(number: number): KeptDocument {
    return this.#documents[number] as KeptDocument;
  }

  /** All documents in the order they were added, with how many words they have. */
  *entries(): Generator<[KeptDocument, number]> {
    for (const number of this.#numbers.values()) yield [this.at(number), this.words.lengthOf(number)];
  }

  put(document: KeptDocument, words: readonly string[]): void {
    this.words.add(words); // which may refuse
    this.remove(document.id);
    this.keep(document);
  }

  /** Keeps a document whose words are in the index already, with the next number. */
  keep(document: KeptDocument): void {
    this.#numbers.set(document.id, this.#documents.length);
    this.#documents.push(document);
  }

  remove(id: string): boolean {
    const number = this.#numbers.get(id);
    if (number === undefined) return false;
    this.#numbers.delete(id);
    this.#documents[number] = undefined;
    this.words.remove(number);
    return true;
  }

  /** As {@link InvertedIndex.compacted}. */
  *compacted(): Generator<void, KeywordDocuments> {
    const copy = new KeywordDocuments(yield* this.words.compacted());
    for (const document of this.#documents) {
      if (document !== undefined) copy.keep(document);
      yield;
    }
    return copy;
  }
}
