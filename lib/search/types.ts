/** What a filter can compare. */
export type MetadataValue = string | number | boolean;

/** Flat facts about a document, to filter by and to show. */
export type Metadata = Record<string, MetadataValue>;

/** A document, or a chunk of one, as a store keeps it. */
export interface StoredDocument {
  /** Not empty; a store holds one document of an id. */
  id: string;
  text: string;
  metadata?: Metadata;
}

/** A document on its way into a store. */
export interface EmbeddedDocument extends StoredDocument {
  /** As many values as the store's embedding model has dimensions, all finite. */
  vector: Float32Array;
}

/** Conditions on one field; all must hold. A document without the field meets `$ne` and `$nin` alone. */
export interface FieldCondition {
  $eq?: MetadataValue;
  $ne?: MetadataValue;
  $in?: readonly MetadataValue[];
  $nin?: readonly MetadataValue[];
  $gt?: number;
  $gte?: number;
  $lt?: number;
  $lte?: number;
}

/**
 * Which documents may be found, by their metadata, in the notation that Chroma, Pinecone and MongoDB share:
 * `{ lang: 'zh', year: { $gte: 2020 } }`, `{ $or: [{ lang: 'zh' }, { lang: 'en' }] }`. Several fields: all must hold.
 */
export type Filter =
  | { readonly [field: string]: MetadataValue | FieldCondition }
  | { readonly $and: readonly Filter[] }
  | { readonly $or: readonly Filter[] }
  | { readonly $not: Filter };

/** Which embedding model's vectors a store holds. Vectors of another model mean nothing beside them. */
export interface EmbeddingSpace {
  /** Name of the model, such as `'multilingual-e5-small-zh-en'`. */
  model: string;
  /** Values of a vector. */
  dimension: number;
}

/** A document that a first stage found. */
export interface StoreHit {
  document: StoredDocument;
  /** Cosine similarity of a vector store, BM25 of a keyword index; higher is better. */
  score: number;
}

/** How a first stage is asked. */
export interface QueryOptions {
  /** The best so many. */
  topK: number;
  filter?: Filter;
  /** Rejects with its reason when it is aborted. */
  signal?: AbortSignal;
}

/**
 * Documents with their vectors, found by cosine similarity.
 *
 * A store is opened for an {@link EmbeddingSpace}; one that was made with another is refused with `ERR_STORE_MISMATCH`,
 * which names both. A store that cannot be reached rejects with `ERR_STORE`, and works again when it can.
 */
export interface VectorStore {
  readonly space: EmbeddingSpace;
  /**
   * Adds documents; one whose id is there already replaces that. So adding twice is adding once.
   * @throws `CrossrankError` with `ERR_INVALID_ARGUMENT` (an id twice in one call, a vector of another dimension or with
   * NaN or infinity in it, an empty id): then nothing of the call was added; or with `ERR_STORE`
   */
  add(documents: readonly EmbeddedDocument[]): Promise<void>;
  /** Best first; equal scores by id. */
  query(vector: Float32Array, options: QueryOptions): Promise<StoreHit[]>;
  /** The documents of these ids, in their order; undefined for one that is not there. */
  get(ids: readonly string[]): Promise<(StoredDocument | undefined)[]>;
  /** How many of these were there. */
  remove(ids: readonly string[]): Promise<number>;
  count(filter?: Filter): Promise<number>;
  /** All documents, a page at a time, without their vectors, so that other indexes can be made from the store. */
  documents(): AsyncIterable<StoredDocument>;
  /** What was added is kept where the store lives outside this process. Later calls reject with `ERR_CLOSED`. */
  close(): Promise<void>;
}

/** How {@link TextEmbedder.embed} is asked. */
export interface EmbedOptions {
  /** Puts the model's prefix for queries or documents before each text. Left out, texts are embedded as they are. */
  kind?: 'query' | 'document';
  /** `'bulk'` gets an eighth of the work while interactive calls wait. @defaultValue `'interactive'` */
  priority?: 'interactive' | 'bulk';
  /** Milliseconds from the call on, after which it rejects with `ERR_TIMEOUT`. @defaultValue no limit */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** What turns texts into vectors: `Embedder`, or a client of yours. */
export interface TextEmbedder {
  readonly space: EmbeddingSpace;
  /** A vector for each text, in input order. */
  embed(texts: readonly string[], options?: EmbedOptions): Promise<Float32Array[]>;
}
