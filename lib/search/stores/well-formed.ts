import { invalidArgument } from '../../errors';
import type { EmbeddedDocument, MetadataValue } from '../types';

/** Half of a character, as cutting a string leaves it. It has no UTF-8, which all stores keep and send. */
const LONE_SURROGATES = /\p{Surrogate}/gu;

export function isWellFormed(text: string): boolean {
  return text.search(LONE_SURROGATES) === -1;
}

/**
 * Documents as stores take them: lone surrogates of texts and metadata become U+FFFD, as in every UTF-8 file.
 * @throws `CrossrankError` with `ERR_INVALID_ARGUMENT` where an id has some: two ids would become one
 */
export function wellFormed(documents: readonly EmbeddedDocument[]): EmbeddedDocument[] {
  return documents.map((document, i) => {
    if (!isWellFormed(document.id)) {
      throw invalidArgument(`documents[${i}].id`, 'a string without lone surrogates', document.id);
    }
    const { metadata } = document;
    const text = repaired(document.text);
    if (metadata === undefined) return { ...document, text };
    const entries = Object.entries(metadata).map(
      ([field, value]) => [repaired(field), repaired(value)] as const,
    );
    return { ...document, text, metadata: Object.fromEntries(entries) };
  });
}

function repaired<T extends MetadataValue>(value: T): T {
  return (typeof value === 'string' ? value.replace(LONE_SURROGATES, '\uFFFD') : value) as T;
}
