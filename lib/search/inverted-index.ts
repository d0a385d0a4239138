import { CrossrankError } from '../errors';
import { doubled, Postings } from './postings';

/** From here on V8 cuts a word out of a text by reference: kept, it would keep the whole text. So it is copied. */
const SLICED_LENGTH = 13;

/** What a Map of V8 holds. */
const MAX_ENTRIES = 2 ** 24 - 1;

/** The parameters of BM25. */
export interface Bm25Parameters {
  /** How much more a word counts that occurs again. */
  k1: number;
  /** How much longer documents count less, from 0 to 1. */
  b: number;
}

/** The documents of one term: parallel arrays, of which `count` values count. */
export interface PostingsList {
  documents: Uint32Array;
  frequencies: Uint32Array;
  count: number;
}

/**
 * Documents, known by number from 0, found by their words.
 *
 * A document that is removed stays in the lists until {@link compacted}, but counts no more: scores are those of an
 * index that never had it.
 */
export class InvertedIndex {
  readonly #terms = new Map<string, number>();
  readonly #postings = new Postings();
  #lengths = new Uint32Array(64);
  #isLive = new Uint8Array(64);
  /** Documents that were numbered. */
  #size = 0;
  /** Of these, documents that were not removed. */
  #live = 0;
  /** Words of all live documents. */
  #words = 0;

  /** While a document is added: how often it has each term; all 0 in between. */
  #frequencies = new Uint32Array(64);
  /** Room for one postings list, and for a query's scores. */
  #list: PostingsList = { documents: new Uint32Array(0), frequencies: new Uint32Array(0), count: 0 };
  #scores = new Float64Array(0);

  get terms(): number {
    return this.#terms.size;
  }

  /**
   * @returns the document's number, one more than the last
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` when the index is full; then nothing has changed
   */
  add(words: readonly string[]): number {
    if (this.#isFull(words)) {
      throw new CrossrankError(
        'ERR_INVALID_ARGUMENT',
        'a keyword index holds at most 16 million documents and as many different words, in 4 GB of postings; ' +
          'make several indexes of fewer documents each',
      );
    }
    const document = this.addDocument(words.length);
    const terms: number[] = [];
    for (const word of words) {
      const term = this.#termOf(word);
      if (this.#frequencies[term] === 0) terms.push(term);
      this.#frequencies[term] = (this.#frequencies[term] as number) + 1;
    }
    for (const term of terms) {
      this.#postings.append(term, document, this.#frequencies[term] as number);
      this.#frequencies[term] = 0;
    }
    return document;
  }

  #isFull(words: readonly string[]): boolean {
    return (
      this.#size >= MAX_ENTRIES ||
      this.#terms.size + words.length > MAX_ENTRIES ||
      this.#postings.isAlmostFull
    );
  }

  /** Numbers a document whose postings come by {@link addList}. */
  addDocument(words: number): number {
    const document = this.#size++;
    if (document === this.#lengths.length) {
      this.#lengths = doubled(this.#lengths);
      this.#isLive = doubled(this.#isLive);
    }
    this.#lengths[document] = words;
    this.#isLive[document] = 1;
    this.#live++;
    this.#words += words;
    return document;
  }

  /** @param list - Documents in ascending order, none twice */
  addList(word: string, { documents, frequencies, count }: PostingsList): void {
    const term = this.#termOf(word);
    for (let i = 0; i < count; i++) {
      this.#postings.append(term, documents[i] as number, frequencies[i] as number);
    }
  }

  remove(document: number): void {
    this.#isLive[document] = 0;
    this.#live--;
    this.#words -= this.lengthOf(document);
  }

  /** Words of a document. */
  lengthOf(document: number): number {
    return this.#lengths[document] as number;
  }

  /**
   * BM25 of every document, in the form of Lucene since version 8 (Robertson, Walker et al. 1994, without the constant
   * factor k1 + 1, and with an idf that is never negative; "Lucene (accurate)" in Kamphuis et al. 2020): the sum over
   * the query's words, repeats included, of
   *
   *     ln(1 + (N - n + 0.5) / (n + 0.5)) * f / (f + k1 * (1 - b + b * length / average length))
   *
   * Words are added up in the query's order, so that a document's score has the same bits wherever it stands.
   *
   * @returns a score by document, 0 where no word matches and where it was removed; valid until the next call
   */
  scores(query: readonly string[], { k1, b }: Bm25Parameters): Float64Array {
    if (this.#scores.length < this.#size) this.#scores = new Float64Array(this.#lengths.length);
    const scores = this.#scores.subarray(0, this.#size).fill(0);
    const lengths = this.#lengths;
    const base = k1 * (1 - b);
    const perWord = (k1 * b * this.#live) / this.#words;
    for (const [term, repeats] of this.#known(query)) {
      const { documents, frequencies, count } = this.#read(term);
      const n = this.#liveOf(documents, count);
      const weight = repeats * Math.log(1 + (this.#live - n + 0.5) / (n + 0.5));
      for (let i = 0; i < count; i++) {
        const document = documents[i] as number;
        const frequency = frequencies[i] as number;
        const norm = base + perWord * (lengths[document] as number);
        scores[document] = (scores[document] as number) + (weight * frequency) / (frequency + norm);
      }
    }
    if (this.#live < this.#size) {
      for (let document = 0; document < this.#size; document++) {
        if (this.#isLive[document] === 0) scores[document] = 0;
      }
    }
    return scores;
  }

  /** All terms with the bytes of their postings, valid until the next; for an index without removed documents. */
  *encodedLists(): Generator<{ word: string; count: number; encoded: Uint8Array }> {
    for (const [word, term] of this.#terms) {
      yield { word, count: this.#postings.count(term), encoded: this.#postings.encoded(term) };
    }
  }

  /** Whether a word of any document matches. */
  hasWord(pattern: RegExp): boolean {
    for (const word of this.#terms.keys()) if (pattern.test(word)) return true;
    return false;
  }

  /**
   * Makes a copy without the removed documents, which closes up the numbers and keeps the order. The index must not be
   * changed before it is done.
   */
  *compacted(): Generator<void, InvertedIndex> {
    const copy = new InvertedIndex();
    const numbers = new Uint32Array(this.#size);
    for (let document = 0; document < this.#size; document++) {
      if (this.#isLive[document] === 1) numbers[document] = copy.addDocument(this.lengthOf(document));
    }
    for (const [word, term] of this.#terms) {
      const { documents, frequencies, count } = this.#read(term);
      let kept = 0;
      for (let i = 0; i < count; i++) {
        const document = documents[i] as number;
        if (this.#isLive[document] === 0) continue;
        documents[kept] = numbers[document] as number;
        frequencies[kept++] = frequencies[i] as number;
      }
      if (kept > 0) copy.addList(word, { documents, frequencies, count: kept });
      yield;
    }
    return copy;
  }

  #termOf(word: string): number {
    const known = this.#terms.get(word);
    if (known !== undefined) return known;
    const term = this.#postings.addTerm();
    if (term === this.#frequencies.length) this.#frequencies = doubled(this.#frequencies);
    this.#terms.set(word.length < SLICED_LENGTH ? word : Buffer.from(word).toString(), term);
    return term;
  }

  /** The query's terms that this index knows, in its order, with how often it has them. */
  #known(query: readonly string[]): Map<number, number> {
    const repeats = new Map<number, number>();
    for (const word of query) {
      const term = this.#terms.get(word);
      if (term !== undefined) repeats.set(term, (repeats.get(term) ?? 0) + 1);
    }
    return repeats;
  }

  #read(term: number): PostingsList {
    const count = this.#postings.count(term);
    if (count > this.#list.documents.length) {
      this.#list = { documents: new Uint32Array(count * 2), frequencies: new Uint32Array(count * 2), count };
    }
    this.#list.count = count;
    this.#postings.read(term, this.#list.documents, this.#list.frequencies);
    return this.#list;
  }

  #liveOf(documents: Uint32Array, count: number): number {
    if (this.#live === this.#size) return count;
    let live = 0;
    for (let i = 0; i < count; i++) live += this.#isLive[documents[i] as number] as number;
    return live;
  }
}
