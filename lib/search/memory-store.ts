import { setImmediate as nextTurn } from 'node:timers/promises';
import { CrossrankError, invalidArgument } from '../errors';
import { checkBoolean, checkInteger, checkNames } from '../option-checks';
import { usableProcessors } from '../threads';
import { type Change, ChangeLog } from './change-log';
import { checkIds, checkQuery, readSpace } from './checks';
import { StoreFile, type StoreFileReader } from './store-file';
import { DOCUMENTS_PER_TURN, StoreRows } from './store-rows';
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
   * The file it lives in, made where there is none. Beside it are a `.lock` while it is open, and a `.new` while it is
   * compacted.
   * @defaultValue none: the documents end with the store
   */
  path?: string;
  /**
   * Whether `add` and `remove` wait until the disk has what they changed. `false`, for many small calls in a row: until
   * the system has it, which keeps it when the process ends in any way, but not when the power fails before `save()`.
   * @defaultValue `true`
   */
  sync?: boolean;
  /**
   * Threads that one search may use, 64 at most; from the first search on, they sleep until the next.
   * @defaultValue the processors this process may use, 8 at most
   */
  threads?: number;
}

const OPTIONS = ['space', 'path', 'sync', 'threads'];
const MAX_DIMENSION = 65_536;
const MAX_THREADS = 64;
const DEFAULT_MAX_THREADS = 8;

/** Fewer rows without a document are not worth a compaction. */
const LEAST_GARBAGE = 4096;

/**
 * Documents and their vectors in memory, searched exactly (no approximation, no index to train or tune), and kept in a
 * file where there is a path.
 *
 * A query goes over all vectors, in native threads: a few milliseconds for 100,000 vectors of 384 dimensions, which take
 * 190 MB. Queries that wait at the same time share the way. Metadata that many documents have is kept and compared
 * once. Calls that change the store run one after the other, turn by turn of the event loop.
 *
 * When `add` or `remove` resolves, what it changed survives whatever happens to the process. When the disk is full or
 * fails they reject with `ERR_STORE`, and the change stays in memory; the next call that changes something, `save` or
 * `close` writes it.
 */
export class MemoryStore implements VectorStore {
  readonly space: EmbeddingSpace;
  readonly #sync: boolean;
  #rows: StoreRows;
  #log: ChangeLog | undefined; // where there is a file
  #compactAt = LEAST_GARBAGE;
  #last: Promise<unknown> = Promise.resolve(); // of the calls that change something
  #closed: Promise<void> | undefined;

  private constructor({ space, sync, threads }: MemoryStoreOptions) {
    this.space = { ...space };
    this.#sync = sync ?? true;
    this.#rows = new StoreRows(this.space, threads ?? Math.min(usableProcessors(), DEFAULT_MAX_THREADS));
  }

  /**
   * @throws {@link CrossrankError} with `ERR_STORE`: the file is in use (a store is open once, in one process and
   * thread) or cannot be opened; with `ERR_STORE_MISMATCH`; with `ERR_INDEX_INVALID`: the file is damaged or none of
   * ours; then it is left as it is
   */
  static async open(options: MemoryStoreOptions): Promise<MemoryStore> {
    checkOptions(options);
    const store = new MemoryStore(options);
    if (options.path === undefined) return store;
    try {
      store.#log = new ChangeLog(await StoreFile.open(options.path, store.space, readerOf(store.#rows)));
      return store;
    } catch (error) {
      store.#rows.dispose();
      throw error;
    }
  }

  async add(documents: readonly EmbeddedDocument[]): Promise<void> {
    this.#checkOpen();
    if (!Array.isArray(documents)) throw invalidArgument('documents', 'an array', documents);
    await this.#change(async () => {
      const rows = this.#rows;
      const first = rows.table.length;
      await rows.append(documents);
      const end = rows.table.length;
      if (end === first) return;
      await rows.show(first, end);
      await this.#save({ first, end });
    });
  }

  async query(vector: Float32Array, options: QueryOptions): Promise<StoreHit[]> {
    this.#checkOpen();
    checkQuery(vector, this.space, options);
    const { topK, filter, signal } = options;
    if (filter === undefined) return this.#rows.search(vector, topK, undefined, signal);
    const copy = vector.slice();
    return this.#decide(filter, signal, (verdicts) =>
      verdicts.rows.search(copy, topK, verdicts.bitmap(), signal),
    );
  }

  async get(ids: readonly string[]): Promise<(StoredDocument | undefined)[]> {
    this.#checkOpen();
    checkIds(ids);
    const found: (StoredDocument | undefined)[] = [];
    for (const id of [...ids]) {
      if (found.length % DOCUMENTS_PER_TURN === DOCUMENTS_PER_TURN - 1) await nextTurn();
      found.push(this.#rows.get(id));
    }
    return found;
  }

  async remove(ids: readonly string[]): Promise<number> {
    this.#checkOpen();
    checkIds(ids);
    const wanted = [...ids];
    return this.#change(async () => {
      const removed = await this.#rows.remove(wanted);
      if (removed.length > 0) await this.#save({ removed });
      return removed.length;
    });
  }

  async count(filter?: Filter): Promise<number> {
    this.#checkOpen();
    if (filter === undefined) return this.#rows.table.size;
    return this.#decide(filter, undefined, (verdicts) => verdicts.count());
  }

  /** Those there are when it begins, as they are when they are told; what is removed meanwhile is left out. */
  async *documents(): AsyncGenerator<StoredDocument, void, undefined> {
    this.#checkOpen();
    let told = 0;
    for (const id of this.#rows.table.ids()) {
      const document = this.#rows.get(id);
      if (document !== undefined) yield document;
      if (++told % DOCUMENTS_PER_TURN === 0) await nextTurn();
      this.#checkOpen();
    }
  }

  /** Makes what was added and removed durable: after calls with `sync: false`, or ones that failed with `ERR_STORE`. */
  async save(): Promise<void> {
    this.#checkOpen();
    await this.#change(async () => this.#log?.save(this.#rows, true));
  }

  /**
   * Gives back the memory and the room in the file of documents that were removed or replaced. It happens by itself when
   * these are more than the others. The file is written anew beside the old one, and takes its place when it is whole.
   */
  async compact(): Promise<void> {
    this.#checkOpen();
    await this.#change(() => this.#compact());
  }

  /** What was added is in the file then; where it cannot be, this rejects with `ERR_STORE`, and the store stays open. */
  close(): Promise<void> {
    this.#closed ??= this.#change(async () => {
      await this.#log?.save(this.#rows, true);
      await this.#log?.close();
      this.#rows.dispose();
    }).catch((error) => {
      this.#closed = undefined;
      throw error;
    });
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #checkOpen(): void {
    if (this.#closed) throw new CrossrankError('ERR_CLOSED', 'the store is closed; open it again');
  }

  /** One at a time, in the order of the calls. */
  #change<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Calls `use` when the verdicts are complete, before the store can change again. */
  async #decide<T>(
    filter: Filter,
    signal: AbortSignal | undefined,
    use: (verdicts: Verdicts) => T | Promise<T>,
  ): Promise<T> {
    let verdicts = new Verdicts(this.#rows, filter);
    for (;;) {
      verdicts.advance();
      if (verdicts.areComplete) return use(verdicts);
      await nextTurn();
      signal?.throwIfAborted();
      this.#checkOpen();
      if (verdicts.rows !== this.#rows) verdicts = new Verdicts(this.#rows, filter);
    }
  }

  async #save(change: Change): Promise<void> {
    this.#log?.push(change);
    await this.#log?.save(this.#rows, this.#sync);
    const { garbage, table } = this.#rows;
    if (garbage <= Math.max(this.#compactAt, table.size)) return;
    try {
      await this.#compact();
    } catch {
      // The change is saved all the same. The disk may be too full for a second file: later, perhaps, it is not.
      this.#compactAt = 2 * garbage;
    }
  }

  /** Queries go on with the old rows until the new ones are ready. */
  async #compact(): Promise<void> {
    const old = this.#rows;
    const shown = await old.shown();
    await this.#log?.replace(old, shown);
    this.#rows = await old.copy(shown);
    this.#compactAt = LEAST_GARBAGE;
    old.dispose();
  }
}

/** Fills rows from a file. */
function readerOf(rows: StoreRows): StoreFileReader {
  let shown = 0;
  let removed: string[] = [];
  return {
    documents: (batch) => rows.appendBatch(batch),
    removals: (ids) => {
      removed = removed.concat(ids);
    },
    end: async () => {
      await rows.show(shown, rows.table.length);
      await rows.remove(removed);
      shown = rows.table.length;
      removed = [];
    },
  };
}

function checkOptions(options: MemoryStoreOptions): void {
  checkNames(options, OPTIONS);
  const { path } = options;
  readSpace(options.space, MAX_DIMENSION);
  if (path !== undefined && (typeof path !== 'string' || path === '')) {
    throw invalidArgument('path', 'a path', path);
  }
  checkBoolean('sync', options.sync);
  checkInteger('threads', options.threads, 1, MAX_THREADS);
}
