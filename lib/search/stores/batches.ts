import type { EmbeddedDocument } from '../types';

/** Bytes of one request. Qdrant takes 32 MB, Chroma 40 MB; less keeps the event loop free for others in between. */
const BYTES_PER_REQUEST = 4 << 20;

/** A float32 as JSON has up to 24 characters, with its comma. */
const BYTES_PER_VALUE = 24;

/** A UTF-16 unit as UTF-8; what JSON escapes is longer, and seldom. */
const BYTES_PER_UNIT = 3;

/** Documents in parts that a server takes in one request. One that is too large by itself is alone in its part. */
export function* batchesOf(
  documents: readonly EmbeddedDocument[],
  maxDocuments: number,
): Generator<readonly EmbeddedDocument[]> {
  let first = 0;
  let bytes = 0;
  for (let i = 0; i < documents.length; i++) {
    const size = bytesOf(documents[i] as EmbeddedDocument);
    if (i > first && (i - first === maxDocuments || bytes + size > BYTES_PER_REQUEST)) {
      yield documents.slice(first, i);
      first = i;
      bytes = 0;
    }
    bytes += size;
  }
  if (first < documents.length) yield documents.slice(first);
}

function bytesOf({ id, text, metadata, vector }: EmbeddedDocument): number {
  let units = id.length + text.length;
  for (const [field, value] of Object.entries(metadata ?? {})) units += field.length + `${value}`.length + 8;
  return units * BYTES_PER_UNIT + vector.length * BYTES_PER_VALUE;
}
