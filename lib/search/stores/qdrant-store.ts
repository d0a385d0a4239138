import { createHash } from 'node:crypto';
import { CrossrankError } from '../../errors';
import { checkBoolean, checkNames, checkText } from '../../option-checks';
import { readSpace } from '../checks';
import type { EmbeddedDocument, EmbeddingSpace, StoredDocument, StoreHit } from '../types';
import { batchesOf } from './batches';
import { CheckedStore, type StoreBackend } from './checked-store';
import { fieldsOf, type JsonServer } from './json-server';
import { METADATA, type QdrantCondition, qdrantFilter } from './qdrant-filter';
import { SERVER_OPTIONS, type ServerOptions, serverOf } from './server-options';
import { checkFoundSpace, toStoredDocument } from './stored';

/** Where a {@link QdrantStore} is. */
export interface QdrantStoreOptions extends ServerOptions {
  /** @defaultValue `'http://127.0.0.1:6333'` */
  url?: string;
  /** Name of the collection, made where there is none. */
  collection: string;
  /** Of which model the vectors are: the `space` of your embedder. */
  space: EmbeddingSpace;
  /**
   * Whether queries compare every vector, so that none of the best is missed; without, Qdrant uses its index (HNSW)
   * where a collection is large.
   * @defaultValue `false`
   */
  exact?: boolean;
}

const OPTIONS = [...SERVER_OPTIONS, 'collection', 'space', 'exact'];

/** Entry of the collection's metadata. */
const MODEL = 'crossrank:model';

/** Namespace of the UUIDs that stand for ids; drawn once, for ever. */
const NAMESPACE = Buffer.from('a59ee0e45ef24891a74ccd9de31670a5', 'hex');

const DOCUMENTS_PER_REQUEST = 1000;

const DOCUMENTS_PER_PAGE = 500;

/**
 * Documents in a Qdrant server, version 1.16 or newer (the first that keeps metadata of a collection), by its REST API.
 *
 * Not by the package `@qdrant/js-client-rest`: it needs Node 22 and TypeScript beside it, for seven requests.
 *
 * Ids of Qdrant are UUIDs or integers: a document's is the UUIDv5 (RFC 9562) of its id, which is in the payload with its
 * text and metadata.
 *
 * Many documents go in several requests: when `add` rejects with `ERR_STORE`, some of them may be there. Call it again:
 * adding twice is adding once.
 */
export class QdrantStore extends CheckedStore<QdrantCondition> {
  private constructor(space: EmbeddingSpace, backend: QdrantBackend) {
    super(space, backend);
  }

  /**
   * Opens a collection, or makes it.
   * @throws `CrossrankError` with `ERR_INVALID_ARGUMENT`, `ERR_STORE` or `ERR_STORE_MISMATCH`
   */
  static async open(options: QdrantStoreOptions): Promise<QdrantStore> {
    checkNames(options, OPTIONS);
    const { collection, exact = false } = options;
    checkText('collection', collection);
    checkBoolean('exact', exact);
    const space = readSpace(options.space);
    const server = serverOf('Qdrant', 'http://127.0.0.1:6333', 'api-key', options);
    return new QdrantStore(space, await QdrantBackend.open(server, collection, space, exact));
  }
}

class QdrantBackend implements StoreBackend<QdrantCondition> {
  readonly dialect = qdrantFilter;
  readonly #server: JsonServer;
  /** Of the collection's points. */
  readonly #path: string;
  readonly #exact: boolean;

  private constructor(server: JsonServer, path: string, exact: boolean) {
    this.#server = server;
    this.#path = path;
    this.#exact = exact;
  }

  static async open(
    server: JsonServer,
    name: string,
    space: EmbeddingSpace,
    exact: boolean,
  ): Promise<QdrantBackend> {
    const path = `/collections/${encodeURIComponent(name)}`;
    const place = `The collection ${JSON.stringify(name)} of ${server.place}`;
    let found = await spaceAt(server, path);
    if (found === undefined) {
      const vectors = { size: space.dimension, distance: 'Cosine' };
      // 409: another process made it just now.
      const body = { vectors, metadata: { [MODEL]: space.model } };
      await server.send('PUT', path, { body, accept: [409] });
      found = await spaceAt(server, path);
      if (found?.model === undefined) {
        const message = `${place} did not keep its metadata; use Qdrant 1.16 or newer`;
        throw new CrossrankError('ERR_STORE', message);
      }
    }
    checkFoundSpace(place, found, space);
    return new QdrantBackend(server, `${path}/points`, exact);
  }

  async upsert(documents: readonly EmbeddedDocument[]): Promise<void> {
    for (const batch of batchesOf(documents, DOCUMENTS_PER_REQUEST)) {
      const points = batch.map(({ id, text, metadata, vector }) => ({
        id: pointId(id),
        vector: Array.from(vector),
        payload: { id, text, [METADATA]: metadata },
      }));
      await this.#server.send('PUT', `${this.#path}?wait=true`, { body: { points } });
    }
  }

  async nearest(
    vector: Float32Array,
    limit: number,
    condition: QdrantCondition | undefined,
    signal: AbortSignal | undefined,
  ): Promise<StoreHit[]> {
    const query = {
      query: Array.from(vector),
      limit,
      filter: filterOf(condition),
      params: { exact: this.#exact },
      with_payload: true,
    };
    const result = await this.#post('/query', query, signal);
    return this.#list(fieldsOf(result).points).map((point) => {
      const { score } = fieldsOf(point);
      if (typeof score !== 'number') throw this.#server.unexpected('scores', point);
      return { document: this.#document(point), score };
    });
  }

  async get(ids: readonly string[]): Promise<StoredDocument[]> {
    const result = await this.#post('', { ids: ids.map(pointId), with_payload: true });
    return this.#list(result).map((point) => this.#document(point));
  }

  async remove(ids: readonly string[]): Promise<number> {
    const found = await this.#post('', { ids: ids.map(pointId), with_payload: false });
    const points = this.#list(found).map((point) => fieldsOf(point).id);
    if (points.length > 0) await this.#post('/delete?wait=true', { points });
    return points.length;
  }

  async count(condition: QdrantCondition | undefined): Promise<number> {
    const result = await this.#post('/count', { filter: filterOf(condition), exact: true });
    const { count } = fieldsOf(result);
    if (typeof count !== 'number') throw this.#server.unexpected('a count', result);
    return count;
  }

  async *documents(condition: QdrantCondition | undefined): AsyncGenerator<StoredDocument> {
    let offset: unknown = null;
    do {
      const page = { offset, limit: DOCUMENTS_PER_PAGE, filter: filterOf(condition), with_payload: true };
      const result = fieldsOf(await this.#post('/scroll', page));
      for (const point of this.#list(result.points)) yield this.#document(point);
      offset = result.next_page_offset ?? null;
    } while (offset !== null);
  }

  async close(): Promise<void> {}

  #document(point: unknown): StoredDocument {
    const { id, text, [METADATA]: metadata } = fieldsOf(fieldsOf(point).payload);
    return toStoredDocument(this.#server.place, id, text, metadata ?? undefined);
  }

  #list(value: unknown): unknown[] {
    if (!Array.isArray(value)) throw this.#server.unexpected('points', value);
    return value;
  }

  async #post(action: string, body: object, signal?: AbortSignal): Promise<unknown> {
    const answer = await this.#server.send('POST', this.#path + action, { body, signal });
    return fieldsOf(answer.body).result;
  }
}

/** Undefined where there is no such collection. */
async function spaceAt(
  server: JsonServer,
  path: string,
): Promise<{ model: unknown; dimension: unknown } | undefined> {
  const { status, body } = await server.send('GET', path, { accept: [404] });
  if (status === 404) return undefined;
  const { params, metadata } = fieldsOf(fieldsOf(fieldsOf(body).result).config);
  if (params === undefined) throw server.unexpected('the configuration of the collection', body);
  const { size } = fieldsOf(fieldsOf(params).vectors);
  return { model: fieldsOf(metadata)[MODEL], dimension: size };
}

function filterOf(condition: QdrantCondition | undefined): { must: QdrantCondition[] } | undefined {
  return condition === undefined ? undefined : { must: [condition] };
}

function pointId(id: string): string {
  const bytes = createHash('sha1').update(NAMESPACE).update(id, 'utf8').digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6); // version 5
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8); // variant of RFC 9562
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
