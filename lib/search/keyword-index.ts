import { invalidArgument } from '../errors';
import { checkNames } from '../option-checks';
import { checkDocuments, checkIds, checkIterable, checkTopK } from './checks';
import { predicateOf } from './filter';
import type { Bm25Parameters } from './inverted-index';
import { type KeptDocument, KeywordDocuments } from './keyword-documents';
import { openKeywords, saveKeywords } from './keyword-file';
import { topK as bestOf } from './top-k';
import { inTurns } from './turns';
import type { Filter, QueryOptions, StoredDocument, StoreHit } from './types';
import { wordsOf } from './words';

/** Where the documents of ids are: a `VectorStore` is one. */
export interface DocumentSource {
  /** The documents of these ids, in their order; undefined for one that is not there. */
  get(ids: readonly string[]): Promise<(StoredDocument | undefined)[]>;
}

/** Options of a {@link KeywordIndex}. */
export interface KeywordIndexOptions {
  /** How much more a word counts that occurs again in a document: 0 not at all. @defaultValue 1.2 */
  k1?: number;
  /** How much longer documents count less: from 0, not at all, to 1, in proportion. @defaultValue 0.75 */
  b?: number;
  /**
   * A store that has the same documents, to take them from for hits. A document that it lacks is no hit.
   * @defaultValue the index keeps the texts itself
   */
  documents?: DocumentSource;
}

const OPTIONS = ['k1', 'b', 'documents'];
const QUERY_OPTIONS = ['topK', 'filter', 'signal'];

/**
 * Documents found by their words, with BM25: each word of the query that a document has counts, rare ones more. What
 * words are, {@link wordsOf} tells; Chinese is cut by a dictionary.
 *
 * It lives in memory: some 500 bytes for a chunk of 100 words, the texts and metadata aside. Changes are made one after
 * the other, in turns with the event loop; a query asked meanwhile answers from what is in the index by then. After
 * replacing and removing, scores are those of an index made afresh. It holds up to 16 million documents.
 *
 * @example
 * ```ts
 * const index = new KeywordIndex();
 * await index.add([{ id: 'mars', text: 'Mars is the red planet.' }, { id: 'bread', text: 'Bread is made of flour.' }]);
 * const [best] = await index.query('red planets', { topK: 10 });
 * ```
 */
export class KeywordIndex {
  readonly #parameters: Bm25Parameters;
  readonly #source: DocumentSource | undefined;
  #documents: KeywordDocuments;
  /** Ends when all changes asked for so far are made. */
  #changes: Promise<unknown> = Promise.resolve();

  constructor(options: KeywordIndexOptions = {}) {
    checkOptions(options);
    this.#parameters = { k1: options.k1 ?? 1.2, b: options.b ?? 0.75 };
    this.#source = options.documents;
    this.#documents = new KeywordDocuments();
  }

  /**
   * Makes an index of all documents of a store, as `KeywordIndex.from(store.documents(), { documents: store })`. Of
   * several with one id the last counts.
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, or what `documents` throws
   */
  static async from(
    documents: Iterable<StoredDocument> | AsyncIterable<StoredDocument>,
    options: KeywordIndexOptions = {},
  ): Promise<KeywordIndex> {
    const index = new KeywordIndex(options);
    checkIterable(documents);
    for await (const document of documents) await index.add([document]);
    return index;
  }

  /**
   * Reads what {@link save} wrote.
   * @throws {@link CrossrankError} with `ERR_STORE` (the file cannot be read), `ERR_INDEX_INVALID` (it is broken, or of a
   * version or a machine that cuts texts into other words), `ERR_INVALID_ARGUMENT` (it has no texts, and the option
   * `documents` is missing)
   */
  static async open(path: string, options: KeywordIndexOptions = {}): Promise<KeywordIndex> {
    checkPath(path);
    const index = new KeywordIndex(options);
    index.#documents = await openKeywords(path, index.#source !== undefined);
    return index;
  }

  /**
   * Adds documents; one whose id is there already replaces that.
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`: then nothing of the call was added
   */
  async add(documents: readonly StoredDocument[]): Promise<void> {
    checkDocuments(documents);
    // Callers may change theirs meanwhile.
    const copies = documents.map(({ id, text, metadata }) => ({
      id,
      text,
      metadata: metadata && { ...metadata },
    }));
    await this.#change(async () => {
      await inTurns(this.#putAll(copies));
      await this.#compactIf(this.#documents.isSparse);
    });
  }

  /** @returns how many of these were there */
  async remove(ids: readonly string[]): Promise<number> {
    checkIds(ids);
    const copies = [...ids];
    return this.#change(async () => {
      let removed = 0;
      for (const id of copies) if (this.#documents.remove(id)) removed++;
      await this.#compactIf(this.#documents.isSparse);
      return removed;
    });
  }

  /**
   * Finds documents that have at least one of the text's words. A text without words finds none.
   * @returns Best first, equal scores by id. The score is BM25 as Lucene computes it, 0 upwards without a limit: what it
   * means depends on the query, so do not compare it between queries.
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`; with the reason of `signal`; with what `documents.get`
   * rejects with
   */
  async query(text: string, options: QueryOptions): Promise<StoreHit[]> {
    if (typeof text !== 'string') throw invalidArgument('text', 'a string', text);
    checkNames(options, QUERY_OPTIONS);
    checkTopK(options.topK);
    options.signal?.throwIfAborted();
    const best = this.#best(wordsOf(text), options);
    const found = await this.#stored(best.map(({ kept }) => kept));
    options.signal?.throwIfAborted();
    return best.flatMap(({ score }, i) => {
      const document = found[i];
      return document === undefined ? [] : [{ document, score }];
    });
  }

  /** Whether a document of this id is there. */
  has(id: string): boolean {
    return this.#documents.has(id);
  }

  /** The documents of these ids, in their order; undefined for one that is not there. */
  async get(ids: readonly string[]): Promise<(StoredDocument | undefined)[]> {
    checkIds(ids);
    const kept = ids.map((id) => this.#documents.get(id));
    const found = await this.#stored(kept.filter((document) => document !== undefined));
    let next = 0;
    return kept.map((document) => (document === undefined ? undefined : found[next++]));
  }

  /** How many documents there are, or match a filter. */
  async count(filter?: Filter): Promise<number> {
    if (filter === undefined) return this.#documents.count;
    const matches = predicateOf(filter);
    let count = 0;
    for (const [{ metadata }] of this.#documents.entries()) if (matches(metadata)) count++;
    return count;
  }

  /**
   * Writes the index to a file, after the changes asked for so far. At `path` is the old file or the whole new one,
   * whenever the process ends; an end in the middle leaves `PATH.UUID.tmp` beside it.
   * @throws {@link CrossrankError} with `ERR_STORE` when the file cannot be written
   */
  async save(path: string): Promise<void> {
    checkPath(path);
    await this.#change(async () => {
      await this.#compactIf(this.#documents.hasRemoved);
      await saveKeywords(path, this.#documents, this.#source === undefined);
    });
  }

  /** One change after the other: what compacts or saves would not see the next one. */
  #change<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#changes.then(change);
    this.#changes = result.catch(() => undefined);
    return result;
  }

  *#putAll(documents: readonly StoredDocument[]): Generator<void, void> {
    for (const { id, text, metadata } of documents) {
      const words = wordsOf(text);
      this.#documents.put({ id, metadata, text: this.#source === undefined ? text : undefined }, words);
      yield;
    }
  }

  async #compactIf(isNeeded: boolean): Promise<void> {
    if (isNeeded) this.#documents = await inTurns(this.#documents.compacted());
  }

  #best(words: readonly string[], { topK, filter }: QueryOptions): { kept: KeptDocument; score: number }[] {
    const documents = this.#documents;
    const matches = predicateOf(filter);
    if (words.length === 0 || documents.count === 0) return [];
    const scores = documents.words.scores(words, this.#parameters);
    const candidates = {
      scores,
      accepts: (number: number) => matches(documents.at(number).metadata),
      idOf: (number: number) => documents.at(number).id,
    };
    return bestOf(candidates, topK).map((number) => ({
      kept: documents.at(number),
      score: scores[number] as number,
    }));
  }

  /** The documents as callers get them: theirs to change. */
  async #stored(kept: readonly KeptDocument[]): Promise<(StoredDocument | undefined)[]> {
    if (kept.length === 0) return [];
    if (this.#source !== undefined) return this.#source.get(kept.map(({ id }) => id));
    return kept.map(({ id, text = '', metadata }) =>
      metadata === undefined ? { id, text } : { id, text, metadata: { ...metadata } },
    );
  }
}

function checkOptions(options: KeywordIndexOptions): void {
  checkNames(options, OPTIONS);
  const { k1, b, documents } = options;
  if (k1 !== undefined && !(Number.isFinite(k1) && k1 >= 0))
    throw invalidArgument('k1', 'a number of at least 0', k1);
  if (b !== undefined && !(Number.isFinite(b) && b >= 0 && b <= 1)) {
    throw invalidArgument('b', 'a number from 0 to 1', b);
  }
  if (documents !== undefined && typeof documents?.get !== 'function') {
    throw invalidArgument('documents', 'a store with a method get', documents);
  }
}

function checkPath(path: unknown): void {
  if (typeof path !== 'string' || path === '') throw invalidArgument('path', 'the path of a file', path);
}
