import { orAbort } from '../../deadline';
import { CrossrankError } from '../../errors';
import { checkEmbedded, checkIds, checkQuery, isWellFormed } from '../checks';
import { predicateOf } from '../filter';
import type {
  EmbeddedDocument,
  EmbeddingSpace,
  Filter,
  QueryOptions,
  StoredDocument,
  StoreHit,
  VectorStore,
} from '../types';
import { bestHits } from './best-hits';
import { type FilterDialect, translateFilter } from './filter-translation';
import { wellFormed } from './well-formed';

/** Ids in one call to a store; some put them into a statement, whose length is limited. */
const IDS_PER_CALL = 1000;

/** What a store has to be able to do. Arguments are checked and not empty; `T` is a filter as it writes them. */
export interface StoreBackend<T> {
  readonly dialect: FilterDialect<T>;
  upsert(documents: readonly EmbeddedDocument[]): Promise<void>;
  /** The best `limit`; fewer only where there are no more. Ends early when the signal is aborted, if it can. */
  nearest(
    vector: Float32Array,
    limit: number,
    filter: T | undefined,
    signal: AbortSignal | undefined,
  ): Promise<StoreHit[]>;
  /** Those of these ids that are there, in any order. */
  get(ids: readonly string[]): Promise<StoredDocument[]>;
  /** How many were there. */
  remove(ids: readonly string[]): Promise<number>;
  count(filter: T | undefined): Promise<number>;
  documents(filter: T | undefined): AsyncIterable<StoredDocument>;
  close(): Promise<void>;
}

/**
 * What all stores of other makers share: arguments are checked before anything is sent, writes of one object happen one
 * after the other in the order of their calls, and filters find what {@link Filter} says whatever the store makes of
 * them.
 */
export abstract class CheckedStore<T> implements VectorStore {
  readonly space: EmbeddingSpace;
  readonly #backend: StoreBackend<T>;
  /** The last write; settles when it has ended. */
  #writes: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  protected constructor(space: EmbeddingSpace, backend: StoreBackend<T>) {
    this.space = space;
    this.#backend = backend;
  }

  async add(documents: readonly EmbeddedDocument[]): Promise<void> {
    this.#checkOpen();
    checkEmbedded(documents, this.space);
    const taken = wellFormed(documents);
    if (taken.length > 0) await this.inTurn(() => this.#backend.upsert(taken));
  }

  async query(vector: Float32Array, options: QueryOptions): Promise<StoreHit[]> {
    this.#checkOpen();
    checkQuery(vector, this.space, options);
    const { topK, filter, signal } = options;
    const { matches, exact } = translateFilter(filter, this.#backend.dialect);
    if (matches === 'none') return [];
    const own = matches === 'all' ? undefined : matches;
    const accepts = exact ? () => true : predicateOf(filter);
    const hits = bestHits(
      topK,
      (limit) => this.#backend.nearest(vector, limit, own, signal),
      ({ document }) => accepts(document.metadata),
    );
    return orAbort(hits, signal);
  }

  async get(ids: readonly string[]): Promise<(StoredDocument | undefined)[]> {
    this.#checkOpen();
    checkIds(ids);
    const found = new Map<string, StoredDocument>();
    for (const part of idsPerCall(ids)) {
      for (const document of await this.#backend.get(part)) found.set(document.id, document);
    }
    return ids.map((id) => found.get(id));
  }

  async remove(ids: readonly string[]): Promise<number> {
    this.#checkOpen();
    checkIds(ids);
    const parts = idsPerCall(ids);
    return this.inTurn(async () => {
      let removed = 0;
      for (const part of parts) removed += await this.#backend.remove(part);
      return removed;
    });
  }

  async count(filter?: Filter): Promise<number> {
    this.#checkOpen();
    const { matches, exact } = translateFilter(filter, this.#backend.dialect);
    if (matches === 'none') return 0;
    const own = matches === 'all' ? undefined : matches;
    if (exact) return this.#backend.count(own);
    const accepts = predicateOf(filter);
    let count = 0;
    for await (const { metadata } of this.#backend.documents(own)) if (accepts(metadata)) count++;
    return count;
  }

  async *documents(): AsyncGenerator<StoredDocument, void, undefined> {
    this.#checkOpen();
    for await (const document of this.#backend.documents(undefined)) {
      yield document;
      this.#checkOpen();
    }
  }

  async close(): Promise<void> {
    this.#closing ??= this.#writes.then(() => this.#backend.close());
    await this.#closing;
  }

  /** Runs when the writes before it have ended. */
  protected inTurn<R>(write: () => Promise<R>): Promise<R> {
    this.#checkOpen();
    const result = this.#writes.then(write);
    this.#writes = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  #checkOpen(): void {
    if (this.#closing) throw new CrossrankError('ERR_CLOSED', 'This store is closed; open it again');
  }
}

function idsPerCall(ids: readonly string[]): string[][] {
  const unique = [...new Set(ids)].filter(isWellFormed);
  const parts: string[][] = [];
  for (let i = 0; i < unique.length; i += IDS_PER_CALL) parts.push(unique.slice(i, i + IDS_PER_CALL));
  return parts;
}
