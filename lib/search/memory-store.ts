import { resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CrossrankError, invalidArgument } from '../errors';
import { type NativeHits, type NativeVectorIndex, nativeBinding } from '../native/binding';
import { checkBoolean, checkInteger, checkNames } from '../option-checks';
import { usableProcessors } from '../threads';
import { checkDocument, checkIds, checkQuery, checkVector } from './checks';
import { DocumentTable } from './document-table';
import { type Segment, StoreFile, type StoreFileReader } from './store-file';
import { type DocumentBatch, encodeDocuments, encodeRemovals, SEGMENT_BYTES } from './store-format';
import type {
  EmbeddedDocument,
  EmbeddingSpace,
  Filter,
  QueryOptions,
  StoredDocument,
  StoreHit,
  VectorStore,
} from './types';
import { Verdicts } from './verdicts';

/** Options of {@link MemoryStore.open}. */
export interface MemoryStoreOptions {
  /** The embedding model whose vectors it holds, of 1 to 65,536 dimensions: `embedder.space`. */
  space: EmbeddingSpace;
  /**
   * The file it lives in, made where there is none; a `.lock` beside it while it is open.
   * @defaultValue none: the documents end with the store
   */
  path?: string;
  /**
   * Whether `add` and `remove` wait until the disk has what they changed. `false`, for many small calls in a row: until
   * the system has it, which keeps it when the process ends in any way, but not when the power fails before `save()`.
   * @defaultValue `true`
   */
  sync?: boolean;
  /** Threads that one search may use, 64 at most; they only live while it runs. @defaultValue the processors this process may use, 8 at most */
  threads?: number;
}

const OPTIONS = ['space', 'path', 'sync', 'threads'];
const MAX_DIMENSION = 65_536;
const MAX_THREADS = 64;
const DEFAULT_MAX_THREADS = 8;

/** Values copied into the index, and documents shown, removed or read, in one turn of the event loop: 1 ms or less. */
const VALUES_PER_TURN = 64 * 1024;
const DOCUMENTS_PER_TURN = 2048;

/** Has no UTF-8: two ids with different ones would become one in the file. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Fewer rows without a document are not worth a compaction. */
const LEAST_GARBAGE = 4096;

/** What is not durable yet: rows of one `add`, or ids of one `remove`. */
type Change = { first: number; end: number } | { removed: readonly string[] };

/**
 * Documents and their vectors in memory, searched exactly (no approximation, no index to train or tune), and kept in a
 * file where there is a path.
 *
 * A query goes over all vectors, in native threads: some 3 ms of one for 100,000 vectors of 384 dimensions, which take
 * 190 MB. Queries that wait at the same time share the way. Metadata that many documents share is kept and compared
 * once. Calls that change the store run one after the other, and take long ones turn by turn of the event loop.
 *
 * When `add` or `remove` resolves, what it changed survives whatever happens to the process. When the disk is full or
 * fails they reject with `ERR_STORE`, and the change stays in memory; the next call that changes something, `save` or
 * `close` writes it.
 */
export class MemoryStore implements VectorStore {
  readonly space: EmbeddingSpace;
  readonly #threads: number;
  readonly #sync: boolean;
  #index: NativeVectorIndex;
  #table = new DocumentTable();
  #file: StoreFile | undefined;
  readonly #unsaved: Change[] = [];
  #written = 0; // of #unsaved: in the file, not durable
  #compactAt = LEAST_GARBAGE; // rows without a document
  #last: Promise<unknown> = Promise.resolve(); // of the calls that change something
  #closed: Promise<void> | undefined;

  private constructor(options: MemoryStoreOptions) {
    this.space = { ...options.space };
    this.#sync = options.sync ?? true;
    this.#threads = options.threads ?? Math.min(usableProcessors(), DEFAULT_MAX_THREADS);
    this.#index = this.#newIndex();
  }

  /**
   * @throws {@link CrossrankError} with `ERR_STORE`: the file is in use (a store is open once, in one process and
   * thread) or cannot be opened; with `ERR_STORE_MISMATCH`; with `ERR_INDEX_INVALID`: the file is damaged or none of
   * ours; then it is left as it is
   */
  static async open(options: MemoryStoreOptions): Promise<MemoryStore> {
    checkOptions(options);
    const store = new MemoryStore(options);
    if (options.path !== undefined) {
      try {
        store.#file = await StoreFile.open(resolve(options.path), store.space, store.#reader());
      } catch (error) {
        store.#index.dispose();
        throw error;
      }
    }
    return store;
  }

  add(documents: readonly EmbeddedDocument[]): Promise<void> {
    return this.#change(async () => {
      const first = this.#table.length;
      await this.#stage(documents);
      const end = this.#table.length;
      if (end === first) return;
      await this.#show(first, end);
      this.#unsaved.push({ first, end });
      await this.#saveChange();
    });
  }

  async query(vector: Float32Array, options: QueryOptions): Promise<StoreHit[]> {
    this.#checkOpen();
    checkQuery(vector, this.space, options);
    const { topK, filter, signal } = options;
    if (filter === undefined) return this.#search(vector, topK, undefined, signal);
    const copy = vector.slice();
    const search = (verdicts: Verdicts) => this.#search(copy, topK, verdicts.bitmap(), signal);
    return this.#decide(filter, signal, search);
  }

  async get(ids: readonly string[]): Promise<(StoredDocument | undefined)[]> {
    this.#checkOpen();
    checkIds(ids);
    const found: (StoredDocument | undefined)[] = [];
    for (const id of [...ids]) {
      if (found.length % DOCUMENTS_PER_TURN === DOCUMENTS_PER_TURN - 1) await nextTurn();
      found.push(this.#document(id));
    }
    return found;
  }

  async remove(ids: readonly string[]): Promise<number> {
    this.#checkOpen();
    checkIds(ids);
    const wanted = [...ids];
    return this.#change(async () => {
      const removed: string[] = [];
      for (let first = 0; first < wanted.length; first += DOCUMENTS_PER_TURN) {
        if (first > 0) await nextTurn();
        removed.push(...this.#removeNow(wanted.slice(first, first + DOCUMENTS_PER_TURN)));
      }
      if (removed.length > 0) {
        this.#unsaved.push({ removed });
        await this.#saveChange();
      }
      return removed.length;
    });
  }

  async count(filter?: Filter): Promise<number> {
    this.#checkOpen();
    if (filter === undefined) return this.#table.size;
    return this.#decide(filter, undefined, (verdicts) => verdicts.count());
  }

  /** Those there are when it begins, as they are when they are told; what is removed meanwhile is left out. */
  async *documents(): AsyncGenerator<StoredDocument, void, undefined> {
    this.#checkOpen();
    let told = 0;
    for (const id of this.#table.ids()) {
      const document = this.#document(id);
      if (document !== undefined) yield document;
      if (++told % DOCUMENTS_PER_TURN === 0) await nextTurn();
      this.#checkOpen();
    }
  }

  /** Makes what was added and removed durable: after calls with `sync: false`, or ones that failed with `ERR_STORE`. */
  save(): Promise<void> {
    return this.#change(() => this.#save(true));
  }

  /**
   * Gives back the memory and the room in the file of documents that were removed or replaced. It happens by itself when
   * these are more than the others. The file is written anew beside the old one, and takes its place when it is whole.
   */
  compact(): Promise<void> {
    return this.#change(() => this.#compact());
  }

  /** What was added is in the file then; where it cannot be, this rejects with `ERR_STORE`, and the store stays open. */
  close(): Promise<void> {
    this.#closed ??= this.#queue(async () => {
      await this.#save(true);
      await this.#file?.close();
      this.#index.dispose();
      this.#table = new DocumentTable();
    }).catch((error) => {
      this.#closed = undefined;
      throw error;
    });
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #newIndex(): NativeVectorIndex {
    return new (nativeBinding().VectorIndex)(this.space.dimension, this.#threads);
  }

  #checkOpen(): void {
    if (this.#closed) throw new CrossrankError('ERR_CLOSED', 'the store is closed; open it again');
  }

  async #change<T>(work: () => Promise<T>): Promise<T> {
    this.#checkOpen();
    return this.#queue(work);
  }

  #queue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  #document(id: string): StoredDocument | undefined {
    const row = this.#table.rowOf(id);
    return row === undefined ? undefined : this.#table.document(row);
  }

  /** Calls `use` when the verdicts are complete, before the store can change again. */
  async #decide<T>(
    filter: Filter,
    signal: AbortSignal | undefined,
    use: (verdicts: Verdicts) => T | Promise<T>,
  ): Promise<T> {
    let verdicts = new Verdicts(this.#table, filter);
    for (;;) {
      verdicts.advance();
      if (verdicts.areComplete) return use(verdicts);
      await nextTurn();
      signal?.throwIfAborted();
      this.#checkOpen();
      if (verdicts.table !== this.#table) verdicts = new Verdicts(this.#table, filter);
    }
  }

  /** The index takes copies at once; the table of that moment has the rows that it will name. */
  async #search(
    vector: Float32Array,
    topK: number,
    filter: Uint8Array | undefined,
    signal: AbortSignal | undefined,
  ): Promise<StoreHit[]> {
    const table = this.#table;
    const most = Math.max(1, Math.min(topK, table.length));
    const hits = await abortable(this.#index.query(vector, most, filter, 'fastest'), signal);
    return bestHits(table, hits, topK);
  }

  /** Appends rows that are not found yet; documents are checked and copied in the same turn. After an error, none. */
  async #stage(documents: readonly EmbeddedDocument[]): Promise<void> {
    if (!Array.isArray(documents)) throw invalidArgument('documents', 'an array', documents);
    const step = Math.max(1, Math.floor(VALUES_PER_TURN / this.space.dimension));
    const seen = new Map<string, number>();
    for (let first = 0; first < documents.length; first += step) {
      if (first > 0) await nextTurn();
      const end = Math.min(first + step, documents.length);
      const vectors = new Float32Array((end - first) * this.space.dimension);
      for (let i = first; i < end; i++) {
        const document: EmbeddedDocument = documents[i];
        checkDocument(document, i, seen);
        if (LONE_SURROGATE.test(document.id)) {
          throw invalidArgument(`documents[${i}].id`, 'a string without lone surrogates', document.id);
        }
        checkVector(document.vector, this.space, `documents[${i}].vector`);
        vectors.set(document.vector, (i - first) * this.space.dimension);
      }
      this.#append(documents.slice(first, end), () => this.#index.append(vectors));
    }
  }

  /** Keeps rows of the table and of the index the same. @returns what `appendVectors` returns */
  #append(documents: readonly StoredDocument[], appendVectors: () => boolean): boolean {
    const before = this.#table.length;
    let isDone = false;
    try {
      for (const document of documents) this.#table.append(document);
      isDone = appendVectors();
    } finally {
      if (!isDone) this.#table.truncate(before);
    }
    return isDone;
  }

  async #show(first: number, end: number): Promise<void> {
    for (let row = first; row < end; row += DOCUMENTS_PER_TURN) {
      if (row > first) await nextTurn();
      const next = Math.min(row + DOCUMENTS_PER_TURN, end);
      this.#index.hide(Uint32Array.from(this.#table.show(row, next)));
      this.#index.show(row, next);
    }
  }

  #removeNow(ids: readonly string[]): string[] {
    const rows: number[] = [];
    const removed = ids.filter((id) => {
      const row = this.#table.remove(id);
      if (row !== undefined) rows.push(row);
      return row !== undefined;
    });
    this.#index.hide(Uint32Array.from(rows));
    return removed;
  }

  async #saveChange(): Promise<void> {
    await this.#save(this.#sync);
    if (this.#table.length - this.#table.size <= Math.max(this.#compactAt, this.#table.size)) return;
    try {
      await this.#compact();
    } catch {
      // What the call changed is saved. The disk may be too full for a second file: later, perhaps, it is not.
      this.#compactAt = 2 * (this.#table.length - this.#table.size);
    }
  }

  async #save(sync: boolean): Promise<void> {
    const file = this.#file;
    if (file === undefined) {
      this.#unsaved.length = 0;
      return;
    }
    try {
      for (; this.#written < this.#unsaved.length; this.#written++) {
        for await (const segment of this.#segments(this.#unsaved[this.#written] as Change)) {
          await file.append(segment);
        }
      }
      if (!sync) return;
      await file.sync();
      this.#unsaved.length = 0;
      this.#written = 0;
    } catch (error) {
      this.#written = 0;
      file.rollBack();
      throw error;
    }
  }

  async *#segments(change: Change): AsyncGenerator<Segment> {
    if ('first' in change) {
      yield* this.#documentSegments(rowsFrom(change.first, change.end));
      return;
    }
    const { removed } = change;
    for (let first = 0; first < removed.length; first += DOCUMENTS_PER_TURN) {
      const end = first + DOCUMENTS_PER_TURN;
      yield encodeRemovals(removed.slice(first, end), end >= removed.length);
    }
  }

  /** One call that adds these rows. */
  async *#documentSegments(rows: Iterable<number>): AsyncGenerator<Segment> {
    const json = (row: number) => {
      const metadata = this.#table.distinctMetadata[this.#table.metadataIndex(row)];
      return Buffer.from(metadata === undefined ? '' : JSON.stringify(metadata));
    };
    let batch: number[] = [];
    let bytes = 0;
    const encode = (isLast: boolean) => {
      const documents = batch.map((row) => ({
        id: Buffer.from(this.#table.id(row)),
        text: this.#table.textBytes(row),
        metadata: json(row),
      }));
      return encodeDocuments(this.#index.read(Uint32Array.from(batch)), documents, isLast);
    };
    for (const row of rows) {
      if (bytes >= SEGMENT_BYTES) {
        yield encode(false);
        batch = [];
        bytes = 0;
      }
      batch.push(row);
      bytes += 4 * this.space.dimension + this.#table.textBytes(row).length;
    }
    yield encode(true);
  }

  async #compact(): Promise<void> {
    const rows: number[] = [];
    for (let row = 0; row < this.#table.length; row++) {
      if (row % VALUES_PER_TURN === VALUES_PER_TURN - 1) await nextTurn();
      if (this.#table.isShown(row)) rows.push(row);
    }
    if (this.#file !== undefined) {
      await this.#file.replace(rows.length === 0 ? noSegments() : this.#documentSegments(rows));
      this.#unsaved.length = 0;
      this.#written = 0;
    }
    await this.#compactMemory(rows);
    this.#compactAt = LEAST_GARBAGE;
  }

  /** Queries go on with the old index and table until the new ones are ready. */
  async #compactMemory(rows: readonly number[]): Promise<void> {
    const old = { index: this.#index, table: this.#table };
    const index = this.#newIndex();
    const table = new DocumentTable();
    const step = Math.max(1, Math.floor(VALUES_PER_TURN / this.space.dimension));
    for (let first = 0; first < rows.length; first += step) {
      const part = rows.slice(first, first + step);
      index.appendFrom(old.index, Uint32Array.from(part));
      for (const row of part) table.append(old.table.document(row));
      table.show(first, first + part.length);
      index.show(first, first + part.length);
      await nextTurn();
    }
    this.#index = index;
    this.#table = table;
    old.index.dispose();
  }

  /** Fills the store from its file. */
  #reader(): StoreFileReader {
    let shown = 0;
    let removed: string[] = [];
    return {
      documents: ({ vectors, documents }: DocumentBatch) =>
        this.#append(documents, () => this.#index.appendUnit(vectors)),
      removals: (ids) => {
        removed = removed.concat(ids);
      },
      end: async () => {
        await this.#show(shown, this.#table.length);
        shown = this.#table.length;
        this.#removeNow(removed);
        removed = [];
      },
    };
  }
}

/** The best of all that the index names, which has no ids to order equal scores by. */
function bestHits(table: DocumentTable, { rows, scores }: NativeHits, topK: number): StoreHit[] {
  const hits = Array.from(rows, (row, i) => ({ row, score: scores[i] as number, id: table.id(row) }));
  hits.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
  return hits.slice(0, topK).map(({ row, score }) => ({ document: table.document(row), score }));
}

function* rowsFrom(first: number, end: number): Generator<number> {
  for (let row = first; row < end; row++) yield row;
}

async function* noSegments(): AsyncGenerator<Segment> {}

function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function checkOptions(options: MemoryStoreOptions): void {
  checkNames(options, OPTIONS);
  const { space, path } = options;
  if (typeof space !== 'object' || space === null) {
    throw invalidArgument('space', 'an object with model and dimension', space);
  }
  checkNames(space, ['model', 'dimension']);
  if (typeof space.model !== 'string' || space.model === '') {
    throw invalidArgument('space.model', 'a string that is not empty', space.model);
  }
  if (space.dimension === undefined) throw invalidArgument('space.dimension', 'an integer', undefined);
  checkInteger('space.dimension', space.dimension, 1, MAX_DIMENSION);
  if (path !== undefined && (typeof path !== 'string' || path === '')) {
    throw invalidArgument('path', 'a path', path);
  }
  checkBoolean('sync', options.sync);
  checkInteger('threads', options.threads, 1, MAX_THREADS);
}
