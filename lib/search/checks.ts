import { types } from 'node:util';
import { CrossrankError, invalidArgument } from '../errors';
import { checkInteger, checkNames, checkSignal, checkText } from '../option-checks';
import { isMetadataValue, isPlainObject } from './filter';
import type { EmbeddedDocument, EmbeddingSpace, QueryOptions, StoredDocument } from './types';

/**
 * Checks documents before a store or an index takes any of them.
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`
 */
export function checkDocuments(documents: readonly StoredDocument[], name = 'documents'): void {
  if (!Array.isArray(documents)) throw invalidArgument(name, 'an array', documents);
  const seen = new Map<string, number>();
  for (let i = 0; i < documents.length; i++) checkDocument(documents[i], i, seen, name);
}

/** Half of a character, as cutting a string leaves it, has no UTF-8: two ids with different ones would become one. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** The i-th of `documents`, for stores that look at a few in each turn. `seen`: the index of each id before it. */
export function checkDocument(
  document: unknown,
  i: number,
  seen: Map<string, number>,
  name = 'documents',
): asserts document is StoredDocument {
  if (typeof document !== 'object' || document === null) {
    throw invalidArgument(`${name}[${i}]`, 'an object with id and text', document);
  }
  const { id, text, metadata } = document as Partial<StoredDocument>;
  if (typeof id !== 'string' || id === '') {
    throw invalidArgument(`${name}[${i}].id`, 'a string that is not empty', id);
  }
  if (!isWellFormed(id)) throw invalidArgument(`${name}[${i}].id`, 'a string without lone surrogates', id);
  if (typeof text !== 'string') throw invalidArgument(`${name}[${i}].text`, 'a string', text);
  const first = seen.get(id);
  if (first !== undefined) {
    throw new CrossrankError(
      'ERR_INVALID_ARGUMENT',
      `${name}[${first}] and ${name}[${i}] have the same id ${JSON.stringify(id)}; an id names one document`,
    );
  }
  seen.set(id, i);
  if (metadata !== undefined) checkMetadata(metadata, `${name}[${i}].metadata`);
}

/** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` */
export function checkMetadata(metadata: unknown, name: string): void {
  if (!isPlainObject(metadata)) throw invalidArgument(name, 'a plain object', metadata);
  for (const [key, value] of Object.entries(metadata)) {
    if (key === '' || key.startsWith('$')) {
      throw invalidArgument(name, 'field names that are not empty and do not start with $', key);
    }
    if (!isMetadataValue(value)) {
      throw invalidArgument(`${name}.${key}`, 'a string, a finite number or a boolean', value);
    }
  }
}

/** As {@link checkDocuments}, with their vectors. */
export function checkEmbedded(documents: readonly EmbeddedDocument[], space: EmbeddingSpace): void {
  checkDocuments(documents);
  documents.forEach(({ vector }, i) => {
    checkVector(vector, space, `documents[${i}].vector`);
  });
}

/** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`: no Float32Array, another dimension, not finite */
export function checkVector(vector: unknown, space: EmbeddingSpace, name = 'vector'): void {
  if (!types.isFloat32Array(vector)) throw invalidArgument(name, 'a Float32Array', vector);
  if (vector.length !== space.dimension) {
    throw new CrossrankError(
      'ERR_INVALID_ARGUMENT',
      `${name} has ${vector.length} values, but vectors of ${space.model} have ${space.dimension}; embed it with that model`,
    );
  }
  for (let i = 0; i < vector.length; i++) {
    if (!Number.isFinite(vector[i])) {
      throw invalidArgument(`${name}[${i}]`, 'a finite number', vector[i]);
    }
  }
}

/** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` */
export function checkTopK(topK: unknown, name = 'topK'): asserts topK is number {
  if (!Number.isSafeInteger(topK) || (topK as number) < 1) {
    throw invalidArgument(name, 'an integer of at least 1', topK);
  }
}

/** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`; with the signal's reason where it is aborted already */
export function checkQuery(vector: unknown, space: EmbeddingSpace, options: QueryOptions): void {
  checkVector(vector, space);
  checkNames(options, ['topK', 'filter', 'signal']);
  checkTopK(options.topK);
  checkSignal(options.signal);
  options.signal?.throwIfAborted();
}

/** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` */
export function checkIds(ids: unknown): asserts ids is readonly string[] {
  if (!Array.isArray(ids)) throw invalidArgument('ids', 'an array of strings', ids);
  for (const [i, id] of ids.entries()) {
    if (typeof id !== 'string' || id === '') {
      throw invalidArgument(`ids[${i}]`, 'a string that is not empty', id);
    }
  }
}

/**
 * A store's option `space`, checked and copied, so that changing the argument later changes nothing.
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`
 */
export function readSpace(space: unknown, maxDimension = Number.MAX_SAFE_INTEGER): EmbeddingSpace {
  checkNames(space, ['model', 'dimension'], 'space');
  const { model, dimension } = space as Partial<EmbeddingSpace>;
  checkText('space.model', model);
  if (dimension === undefined) throw invalidArgument('space.dimension', 'an integer', dimension);
  checkInteger('space.dimension', dimension, 1, maxDimension);
  return { model, dimension };
}

/**
 * Whether documents can be iterated over, now or later.
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`
 */
export function checkIterable(documents: unknown): void {
  const isObject = typeof documents === 'object' && documents !== null;
  if (isObject && (Symbol.iterator in documents || Symbol.asyncIterator in documents)) return;
  throw invalidArgument('documents', 'an iterable of documents', documents);
}

/** @throws {@link CrossrankError} with `ERR_STORE_MISMATCH`, which names both */
export function checkSpace(store: string, found: EmbeddingSpace, wanted: EmbeddingSpace): void {
  if (found.model === wanted.model && found.dimension === wanted.dimension) return;
  throw new CrossrankError(
    'ERR_STORE_MISMATCH',
    `${store} holds vectors of ${found.model} (${found.dimension} dimensions), not of ${wanted.model} ` +
      `(${wanted.dimension}); open it with that model, or index the documents into a new store`,
  );
}
