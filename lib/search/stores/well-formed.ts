import type { EmbeddedDocument, MetadataValue } from '../types';

/** Half of a character, as cutting a string leaves it. It has no UTF-8, which all stores keep and send. */
const LONE_SURROGATES = /\p{Surrogate}/gu;

/** Documents as stores take them: lone surrogates of texts and metadata become U+FFFD, as in every UTF-8 file. */
export function wellFormed(documents: readonly EmbeddedDocument[]): EmbeddedDocument[] {
  return documents.map((document) => {
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
