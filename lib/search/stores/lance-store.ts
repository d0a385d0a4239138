import { createRequire } from 'node:module';
import type * as Lance from '@lancedb/lancedb';
import type * as Arrow from 'apache-arrow';
import { CrossrankError, invalidArgument } from '../../errors';
import { checkNames, checkText } from '../../option-checks';
import { readSpace } from '../checks';
import type { EmbeddedDocument, EmbeddingSpace, StoredDocument, StoreHit } from '../types';
import { CheckedStore, type StoreBackend } from './checked-store';
import { ArrowDocuments, COLUMNS, spaceOf } from './lance-arrow';
import { idIn, lanceSql, metadataFromText } from './lance-sql';
import { loadOptionalPackage } from './optional-package';
import { checkFoundSpace, toStoredDocument } from './stored';

/** Where a {@link LanceStore} is. */
export interface LanceStoreOptions {
  /** Folder of the LanceDB database, made where there is none. */
  path: string;
  /** Letters, digits, `.`, `_` and `-`. @defaultValue `'documents'` */
  table?: string;
  /** Of which model the vectors are: the `space` of your embedder. */
  space: EmbeddingSpace;
}

const OPTIONS = ['path', 'table', 'space'];

/**
 * Documents in LanceDB, which runs inside this process; needs the package `@lancedb/lancedb`.
 *
 * Every vector is compared, so results are exact; see {@link LanceStore.createVectorIndex} for millions of them. A vector
 * of zeros has no cosine, and is never found by another. Several processes may use one folder.
 *
 * A call of `add` is one transaction: all of it is there, or nothing.
 */
export class LanceStore extends CheckedStore<string> {
  readonly #backend: LanceBackend;

  private constructor(space: EmbeddingSpace, backend: LanceBackend) {
    super(space, backend);
    this.#backend = backend;
  }

  /**
   * Opens a table, or makes it.
   * @throws `CrossrankError` with `ERR_MISSING_PACKAGE`, `ERR_INVALID_ARGUMENT`, `ERR_STORE` or `ERR_STORE_MISMATCH`
   */
  static async open(options: LanceStoreOptions): Promise<LanceStore> {
    checkNames(options, OPTIONS);
    const { path, table = 'documents' } = options;
    checkText('path', path);
    checkTable(table);
    const space = readSpace(options.space);
    return new LanceStore(space, await LanceBackend.open(path, table, space));
  }

  /**
   * Merges what many small calls of `add` left into larger files, and indexes ids, so that `add` and `get` need not
   * look at every document. Worth a call after bulk loads, and now and then.
   */
  async optimize(): Promise<void> {
    await this.inTurn(() => this.#backend.optimize());
  }

  /**
   * Makes an index (IVF, without quantization) of the vectors; from then on queries compare only the likely ones, so
   * they are faster and may miss some. Later documents join it with {@link optimize}; a table without any cannot have it.
   */
  async createVectorIndex(): Promise<void> {
    await this.inTurn(() => this.#backend.createVectorIndex());
  }
}

/** As LanceDB gives it; anything may be in a table. */
interface Row {
  id: unknown;
  text: unknown;
  metadata: unknown;
}

class LanceBackend implements StoreBackend<string> {
  readonly dialect = lanceSql;
  readonly #lance: typeof Lance;
  readonly #connection: Lance.Connection;
  readonly #table: Lance.Table;
  readonly #arrow: ArrowDocuments;
  readonly #place: string;

  private constructor(
    lance: typeof Lance,
    connection: Lance.Connection,
    table: Lance.Table,
    arrow: ArrowDocuments,
    place: string,
  ) {
    this.#lance = lance;
    this.#connection = connection;
    this.#table = table;
    this.#arrow = arrow;
    this.#place = place;
  }

  static async open(path: string, name: string, space: EmbeddingSpace): Promise<LanceBackend> {
    const lance = loadOptionalPackage<typeof Lance>('@lancedb/lancedb', 'LanceStore');
    // LanceDB's own: another copy may lie beside this package, or none.
    const lanceRequire = createRequire(require.resolve('@lancedb/lancedb'));
    const apacheArrow = loadOptionalPackage<typeof Arrow>('apache-arrow', 'LanceStore', lanceRequire);
    const arrow = new ArrowDocuments(apacheArrow, space);
    const place = `The LanceDB table ${JSON.stringify(name)} in ${path}`;
    const { connection, table, schema } = await orStoreError(place, async () => {
      // 0: other processes' writes are seen by the next call.
      const connection = await lance.connect(path, { readConsistencyInterval: 0 });
      // Not `existOk` alone: that refuses a table of another dimension with a message of its own.
      const table = await connection
        .openTable(name)
        .catch(() => connection.createEmptyTable(name, arrow.schema, { existOk: true }));
      return { connection, table, schema: await table.schema() };
    });
    try {
      checkFoundSpace(place, spaceOf(schema), space);
    } catch (error) {
      table.close();
      connection.close();
      throw error;
    }
    return new LanceBackend(lance, connection, table, arrow, place);
  }

  async upsert(documents: readonly EmbeddedDocument[]): Promise<void> {
    await this.#attempt(() =>
      this.#table
        .mergeInsert('id')
        .whenMatchedUpdateAll()
        .whenNotMatchedInsertAll()
        .execute(this.#arrow.table(documents)),
    );
  }

  async nearest(vector: Float32Array, limit: number, filter: string | undefined): Promise<StoreHit[]> {
    const query = this.#table.vectorSearch(vector).distanceType('cosine').limit(limit);
    if (filter !== undefined) query.where(filter);
    const rows = await this.#attempt(() => query.select([...COLUMNS, '_distance']).toArray());
    return rows.map((row) => ({ document: this.#document(row), score: 1 - row._distance }));
  }

  async get(ids: readonly string[]): Promise<StoredDocument[]> {
    const query = this.#table
      .query()
      .where(idIn(ids))
      .select([...COLUMNS]);
    const rows = await this.#attempt(() => query.toArray());
    return rows.map((row) => this.#document(row));
  }

  async remove(ids: readonly string[]): Promise<number> {
    const where = idIn(ids);
    // Not what `delete` answers: older versions do not count.
    const count = await this.count(where);
    if (count > 0) await this.#attempt(() => this.#table.delete(where));
    return count;
  }

  count(filter: string | undefined): Promise<number> {
    return this.#attempt(() => this.#table.countRows(filter));
  }

  /** As they were when the first is asked for. */
  async *documents(filter: string | undefined): AsyncGenerator<StoredDocument> {
    const query = this.#table.query().select([...COLUMNS]);
    if (filter !== undefined) query.where(filter);
    const batches = query[Symbol.asyncIterator]();
    for (;;) {
      const { value: batch, done } = await this.#attempt(() => batches.next());
      if (done) return;
      for (const row of batch) yield this.#document(row as unknown as Row);
    }
  }

  async optimize(): Promise<void> {
    await this.#attempt(async () => {
      const indexed = (await this.#table.listIndices()).some(({ columns }) => columns.includes('id'));
      if (!indexed) await this.#table.createIndex('id', { config: this.#lance.Index.btree() });
      await this.#table.optimize();
    });
  }

  async createVectorIndex(): Promise<void> {
    await this.#attempt(async () => {
      // What LanceDB's guide says; left alone, version 0.30 makes so few that queries look at nearly all of them.
      const numPartitions = Math.round(Math.sqrt(await this.#table.countRows()));
      const config = this.#lance.Index.ivfFlat({ distanceType: 'cosine', numPartitions });
      await this.#table.createIndex('vector', { config });
    });
  }

  async close(): Promise<void> {
    this.#table.close();
    this.#connection.close();
  }

  #document({ id, text, metadata }: Row): StoredDocument {
    return toStoredDocument(this.#place, id, text, metadataFromText(metadata));
  }

  #attempt<R>(call: () => Promise<R>): Promise<R> {
    return orStoreError(this.#place, call);
  }
}

/** LanceDB panics on another. */
function checkTable(table: unknown): void {
  if (typeof table !== 'string' || !/^[\w.-]+$/.test(table)) {
    throw invalidArgument('table', 'a name of letters, digits, ".", "_" and "-"', table);
  }
}

async function orStoreError<R>(place: string, call: () => Promise<R>): Promise<R> {
  try {
    return await call();
  } catch (cause) {
    throw new CrossrankError(
      'ERR_STORE',
      `${place} failed: ${(cause as Error).message}; check that the folder is there, is writable and has space left`,
      { cause },
    );
  }
}
