import { CrossrankError } from '../../errors';
import { checkSpace } from '../checks';
import { isMetadataValue } from '../filter';
import type { EmbeddingSpace, Metadata, StoredDocument } from '../types';

/**
 * What a store says of a document; it comes from outside, so nothing of it is taken for granted.
 * @throws {@link CrossrankError} with `ERR_STORE`
 */
export function toStoredDocument(
  store: string,
  id: unknown,
  text: unknown,
  metadata: unknown,
): StoredDocument {
  if (typeof id === 'string' && typeof text === 'string') {
    if (metadata === undefined) return { id, text };
    if (isMetadata(metadata)) return { id, text, metadata };
  }
  throw new CrossrankError(
    'ERR_STORE',
    `${store} holds something that is no document of crossrank (id ${JSON.stringify(id)}); ` +
      'give the documents a store of their own, or remove what others wrote',
  );
}

function isMetadata(value: unknown): value is Metadata {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.values(value).every(isMetadataValue);
}

/** @throws {@link CrossrankError} with `ERR_STORE_MISMATCH`: another space, or none that can be told */
export function checkFoundSpace(
  store: string,
  found: { model: unknown; dimension: unknown },
  wanted: EmbeddingSpace,
): void {
  const { model, dimension } = found;
  if (typeof model === 'string' && typeof dimension === 'number') {
    checkSpace(store, { model, dimension }, wanted);
    return;
  }
  throw new CrossrankError(
    'ERR_STORE_MISMATCH',
    `${store} does not say which model its vectors are of, so it was not made by crossrank; choose another name`,
  );
}
