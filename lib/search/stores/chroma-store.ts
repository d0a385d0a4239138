import { checkInteger, checkNames, checkText } from '../../option-checks';
import { readSpace } from '../checks';
import type { EmbeddedDocument, EmbeddingSpace, StoredDocument, StoreHit } from '../types';
import { batchesOf } from './batches';
import { CheckedStore, type StoreBackend } from './checked-store';
import { type ChromaWhere, chromaWhere, fromChromaMetadata, toChromaMetadata } from './chroma-where';
import { fieldsOf, type JsonServer } from './json-server';
import { SERVER_OPTIONS, type ServerOptions, serverOf } from './server-options';
import { checkFoundSpace, toStoredDocument } from './stored';

/** Where a {@link ChromaStore} is. */
export interface ChromaStoreOptions extends ServerOptions {
  /** @defaultValue `'http://127.0.0.1:8000'` */
  url?: string;
  /** Name of the collection, made where there is none: 3 to 512 of `a-z`, `A-Z`, `0-9`, `.`, `_` and `-`. */
  collection: string;
  /** Of which model the vectors are: the `space` of your embedder. */
  space: EmbeddingSpace;
  /** @defaultValue `'default_tenant'` */
  tenant?: string;
  /** @defaultValue `'default_database'` */
  database?: string;
  /**
   * Candidates that Chroma's index (HNSW) keeps while it searches: more find more of the best, and take longer. Of the
   * collection, so it counts when that is made.
   * @defaultValue `200`
   */
  efSearch?: number;
}

const OPTIONS = [...SERVER_OPTIONS, 'collection', 'space', 'tenant', 'database', 'efSearch'];

/** Entries of the collection's metadata. */
const MODEL = 'crossrank:model';
const DIMENSION = 'crossrank:dimension';

/** Chroma has 64 bits for it; more than a collection holds is all of it. */
const MAX_EF_SEARCH = 2 ** 31 - 1;

/** Candidates while the index is built: as many as while it is searched. */
const EF_CONSTRUCTION = 200;

const DOCUMENTS_PER_PAGE = 500;

/**
 * Documents in a Chroma server (`chroma run`, version 1.0 or newer), by its HTTP API v2. Its index (HNSW) may miss some
 * of the best in large collections.
 *
 * Not by the package `chromadb`: its requests cannot be ended by a signal or a deadline, and it leaves out the nulls by
 * which a document that is replaced loses fields.
 *
 * Chroma does not keep empty metadata: a document with `{}` comes back without.
 *
 * Many documents go in several requests: when `add` rejects with `ERR_STORE`, some of them may be there. Call it again:
 * adding twice is adding once.
 */
export class ChromaStore extends CheckedStore<ChromaWhere> {
  private constructor(space: EmbeddingSpace, backend: ChromaBackend) {
    super(space, backend);
  }

  /**
   * Opens a collection, or makes it.
   * @throws `CrossrankError` with `ERR_INVALID_ARGUMENT`, `ERR_STORE` or `ERR_STORE_MISMATCH`
   */
  static async open(options: ChromaStoreOptions): Promise<ChromaStore> {
    checkNames(options, OPTIONS);
    const { collection, tenant = 'default_tenant', database = 'default_database', efSearch = 200 } = options;
    for (const [name, value] of Object.entries({ collection, tenant, database })) checkText(name, value);
    checkInteger('efSearch', efSearch, 1, MAX_EF_SEARCH);
    const space = readSpace(options.space);
    const server = serverOf('Chroma', 'http://127.0.0.1:8000', 'x-chroma-token', options);
    const collections = `/api/v2/tenants/${encodeURIComponent(tenant)}/databases/${encodeURIComponent(database)}/collections`;
    return new ChromaStore(space, await ChromaBackend.open(server, collections, collection, space, efSearch));
  }
}

class ChromaBackend implements StoreBackend<ChromaWhere> {
  readonly dialect = chromaWhere;
  readonly #server: JsonServer;
  /** Of the collection, by its id. */
  readonly #path: string;
  readonly #maxBatch: number;

  private constructor(server: JsonServer, path: string, maxBatch: number) {
    this.#server = server;
    this.#path = path;
    this.#maxBatch = maxBatch;
  }

  static async open(
    server: JsonServer,
    collections: string,
    name: string,
    space: EmbeddingSpace,
    efSearch: number,
  ): Promise<ChromaBackend> {
    const { body: limits } = await server.send('GET', '/api/v2/pre-flight-checks');
    const { max_batch_size: maxBatch } = fieldsOf(limits);
    if (typeof maxBatch !== 'number' || maxBatch < 1) throw server.unexpected('max_batch_size', limits);
    const hnsw = { space: 'cosine', ef_search: efSearch, ef_construction: EF_CONSTRUCTION };
    const { body } = await server.send('POST', collections, {
      body: {
        name,
        get_or_create: true,
        metadata: { [MODEL]: space.model, [DIMENSION]: space.dimension },
        configuration: { hnsw },
      },
    });
    const { id, metadata } = fieldsOf(body);
    if (typeof id !== 'string') throw server.unexpected('the id of the collection', body);
    const place = `The collection ${JSON.stringify(name)} of ${server.place}`;
    const found = fieldsOf(metadata);
    checkFoundSpace(place, { model: found[MODEL], dimension: found[DIMENSION] }, space);
    return new ChromaBackend(server, `${collections}/${encodeURIComponent(id)}`, maxBatch);
  }

  async upsert(documents: readonly EmbeddedDocument[]): Promise<void> {
    for (const batch of batchesOf(documents, this.#maxBatch)) {
      const ids = batch.map(({ id }) => id);
      // Two processes that replace a document at the same time may leave a field of the other's.
      const stored = await this.#fields(ids);
      await this.#post('upsert', {
        ids,
        embeddings: batch.map(({ vector }) => Array.from(vector)),
        documents: batch.map(({ text }) => text),
        metadatas: batch.map(({ id, metadata }) => toChromaMetadata(metadata, stored.get(id))),
      });
    }
  }

  async nearest(
    vector: Float32Array,
    limit: number,
    where: ChromaWhere | undefined,
    signal: AbortSignal | undefined,
  ): Promise<StoreHit[]> {
    const include = ['documents', 'metadatas', 'distances'];
    const query = { query_embeddings: [Array.from(vector)], n_results: limit, where, include };
    const answer = await this.#post('query', query, signal);
    // A list of results for each of the queries, so one of one.
    const { ids, documents, metadatas, distances } = fieldsOf(answer);
    const columns = { ids: first(ids), documents: first(documents), metadatas: first(metadatas) };
    return this.#documents(columns, answer).map((document, i) => {
      const distance = (first(distances) as unknown[] | undefined)?.[i];
      if (typeof distance !== 'number') throw this.#server.unexpected('distances', answer);
      return { document, score: 1 - distance };
    });
  }

  get(ids: readonly string[]): Promise<StoredDocument[]> {
    return this.#get({ ids });
  }

  async remove(ids: readonly string[]): Promise<number> {
    // Chroma answers with how many it was asked to delete.
    const found = [...(await this.#fields(ids)).keys()];
    if (found.length > 0) await this.#post('delete', { ids: found });
    return found.length;
  }

  async count(where: ChromaWhere | undefined): Promise<number> {
    if (where === undefined) {
      const { body } = await this.#server.send('GET', `${this.#path}/count`);
      if (typeof body !== 'number') throw this.#server.unexpected('a count', body);
      return body;
    }
    const answer = await this.#post('get', { where, include: [] });
    return this.#ids(answer).length;
  }

  /** In the order of their coming; what is removed meanwhile may let a page skip as many. */
  async *documents(where: ChromaWhere | undefined): AsyncGenerator<StoredDocument> {
    for (let offset = 0; ; offset += DOCUMENTS_PER_PAGE) {
      const page = await this.#get({ where, limit: DOCUMENTS_PER_PAGE, offset });
      yield* page;
      if (page.length < DOCUMENTS_PER_PAGE) return;
    }
  }

  async close(): Promise<void> {}

  async #get(request: object): Promise<StoredDocument[]> {
    const answer = await this.#post('get', { ...request, include: ['documents', 'metadatas'] });
    return this.#documents(fieldsOf(answer), answer);
  }

  /** Those of these ids that are there, with the names of their fields. */
  async #fields(ids: readonly string[]): Promise<Map<string, string[]>> {
    const answer = await this.#post('get', { ids, include: ['metadatas'] });
    const { metadatas } = fieldsOf(answer);
    const fields = (i: number) => Object.keys(fieldsOf((metadatas as unknown[] | undefined)?.[i]));
    return new Map(this.#ids(answer).map((id, i) => [id, fields(i)]));
  }

  #ids(answer: unknown): string[] {
    const { ids } = fieldsOf(answer);
    if (!Array.isArray(ids)) throw this.#server.unexpected('ids', answer);
    return ids;
  }

  #documents({ ids, documents, metadatas }: Record<string, unknown>, answer: unknown): StoredDocument[] {
    if (!Array.isArray(ids) || !Array.isArray(documents) || !Array.isArray(metadatas)) {
      throw this.#server.unexpected('ids, documents and metadatas', answer);
    }
    return ids.map((id, i) =>
      toStoredDocument(this.#server.place, id, documents[i], fromChromaMetadata(metadatas[i])),
    );
  }

  async #post(action: string, body: object, signal?: AbortSignal): Promise<unknown> {
    return (await this.#server.send('POST', `${this.#path}/${action}`, { body, signal })).body;
  }
}

function first(list: unknown): unknown {
  return Array.isArray(list) ? list[0] : undefined;
}
