import { trecOrder } from './trec-order';
import type { ScoredDocument } from './types';

/** The best of a query's documents, however many come. */
export class Shortlist {
  readonly #topK: number;
  #found = new Map<string, ScoredDocument>();

  constructor(topK: number) {
    this.#topK = topK;
  }

  /** @returns false where a document comes again: each stands once in a ranking */
  add(document: ScoredDocument): boolean {
    if (this.#found.has(document.id)) return false;
    this.#found.set(document.id, document);
    // At twice the size, so that sorting costs little a document.
    if (this.#found.size >= 2 * this.#topK) {
      this.#found = new Map(this.best().map((each) => [each.id, each]));
    }
    return true;
  }

  /** In the order of trec_eval. */
  best(): ScoredDocument[] {
    return trecOrder([...this.#found.values()]).slice(0, this.#topK);
  }
}
