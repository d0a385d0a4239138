/**
 * The file of a `MemoryStore`, which only grows at its end. All numbers are little-endian, texts UTF-8.
 *
 *     header    'CRVSTORE', u32 version, u32 bytes of JSON, JSON { model, dimension },
 *               u32 CRC-32 of all before
 *     segments  to the end of the file
 *
 *     segment   u32 bytes of the payload
 *               u16 kind: 1 documents, 2 removals
 *               u16 whether it is the last of its call
 *               u32 count of documents or ids
 *               u32 CRC-32 of the payload
 *               u32 CRC-32 of the 16 bytes before
 *               payload
 *     documents [count, dimension] floats: vectors of unit length, or zeros;
 *               [count, 3] u32: bytes of id, text and metadata; then these, document by document.
 *               Metadata is JSON, or nothing.
 *     removals  [count] u32: bytes of each id; then these
 *
 * A call (an add, a removal) is one segment or several, which count together or not at all. A document replaces an
 * earlier one of its id. A header has a checksum of its own so that its length can be trusted: a segment that goes on
 * past the end of the file was cut off while it was written, and anything else that does not fit is damage.
 */
import { CrossrankError } from '../errors';
import { checkDocument } from './checks';
import { crc32 } from './crc32';
import type { EmbeddingSpace, StoredDocument } from './types';

const MAGIC = Buffer.from('CRVSTORE');
const VERSION = 1;
const FIXED_HEADER_BYTES = MAGIC.length + 8;
/** More than any name of a model takes. */
const MAX_SPACE_BYTES = 64 * 1024;

export const SEGMENT_HEADER_BYTES = 20;

/** What a segment holds at most where several documents could be in it: it is read, checked and applied in one turn. */
export const SEGMENT_BYTES = 256 * 1024;

export type SegmentKind = 'documents' | 'removals';

const KINDS: readonly SegmentKind[] = ['documents', 'removals'];

export interface SegmentHeader {
  payloadBytes: number;
  kind: SegmentKind;
  isLast: boolean;
  count: number;
  payloadCrc: number;
}

export interface DocumentBatch {
  /** `[documents, dimension]` */
  vectors: Float32Array;
  documents: StoredDocument[];
}

/** Parts of a document as they stand in a segment. */
export interface EncodedDocument {
  id: Buffer;
  text: Buffer;
  /** Empty: none. */
  metadata: Buffer;
}

export function encodeFileHeader({ model, dimension }: EmbeddingSpace): Buffer {
  const json = Buffer.from(JSON.stringify({ model, dimension }));
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32LE(VERSION, 0);
  numbers.writeUInt32LE(json.length, 4);
  const header = Buffer.concat([MAGIC, numbers, json, Buffer.alloc(4)]);
  header.writeUInt32LE(crc32(header.subarray(0, -4)), header.length - 4);
  return header;
}

/** @throws {@link CrossrankError} with `ERR_INDEX_INVALID`, where the file is none of ours or its header is damaged */
export function decodeFileHeader(path: string, start: Buffer): { space: EmbeddingSpace; bytes: number } {
  if (start.length < FIXED_HEADER_BYTES || !start.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new CrossrankError(
      'ERR_INDEX_INVALID',
      `${path} is no store of crossrank (byte 0); name another file, or remove this one if nothing needs it`,
    );
  }
  const version = start.readUInt32LE(MAGIC.length);
  const jsonBytes = start.readUInt32LE(MAGIC.length + 4);
  const end = FIXED_HEADER_BYTES + jsonBytes;
  const isWhole =
    jsonBytes <= MAX_SPACE_BYTES &&
    start.length >= end + 4 &&
    crc32(start.subarray(0, end)) === start.readUInt32LE(end);
  const space = isWhole ? parseSpace(start.toString('utf8', FIXED_HEADER_BYTES, end)) : undefined;
  if (space === undefined) {
    throw new CrossrankError(
      'ERR_INDEX_INVALID',
      `${path} is damaged in its header (byte ${MAGIC.length}); restore it from a copy, or remove it and index the documents again`,
    );
  }
  if (version !== VERSION) {
    throw new CrossrankError(
      'ERR_INDEX_INVALID',
      `${path} has version ${version} of the file format (byte ${MAGIC.length}), and this version of crossrank reads ${VERSION}; update crossrank`,
    );
  }
  return { space, bytes: end + 4 };
}

function parseSpace(json: string): EmbeddingSpace | undefined {
  try {
    const { model, dimension } = JSON.parse(json);
    return typeof model === 'string' && Number.isSafeInteger(dimension) ? { model, dimension } : undefined;
  } catch {
    return undefined;
  }
}

/** What {@link decodeFileHeader} needs at most. */
export const MOST_HEADER_BYTES = FIXED_HEADER_BYTES + MAX_SPACE_BYTES + 4;

export function encodeDocuments(
  vectors: Float32Array,
  documents: readonly EncodedDocument[],
  isLast: boolean,
): Buffer[] {
  const lengths = new Uint32Array(3 * documents.length);
  const parts: Buffer[] = [bytesOf(vectors), bytesOf(lengths)];
  documents.forEach(({ id, text, metadata }, i) => {
    lengths.set([id.length, text.length, metadata.length], 3 * i);
    parts.push(id, text, metadata);
  });
  return withHeader('documents', documents.length, isLast, parts);
}

export function encodeRemovals(ids: readonly string[], isLast: boolean): Buffer[] {
  const encoded = ids.map((id) => Buffer.from(id));
  const lengths = Uint32Array.from(encoded, ({ length }) => length);
  return withHeader('removals', ids.length, isLast, [bytesOf(lengths), ...encoded]);
}

function withHeader(kind: SegmentKind, count: number, isLast: boolean, parts: Buffer[]): Buffer[] {
  const payload = Buffer.concat(parts);
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  header.writeUInt32LE(payload.length, 0);
  header.writeUInt16LE(KINDS.indexOf(kind) + 1, 4);
  header.writeUInt16LE(isLast ? 1 : 0, 6);
  header.writeUInt32LE(count, 8);
  header.writeUInt32LE(crc32(payload), 12);
  header.writeUInt32LE(crc32(header.subarray(0, 16)), 16);
  return [header, payload];
}

/** Undefined: damaged. */
export function decodeSegmentHeader(header: Buffer): SegmentHeader | undefined {
  if (crc32(header.subarray(0, 16)) !== header.readUInt32LE(16)) return undefined;
  const kind = KINDS[header.readUInt16LE(4) - 1];
  const last = header.readUInt16LE(6);
  if (kind === undefined || last > 1) return undefined;
  return {
    payloadBytes: header.readUInt32LE(0),
    kind,
    isLast: last === 1,
    count: header.readUInt32LE(8),
    payloadCrc: header.readUInt32LE(12),
  };
}

/**
 * @param payload - the whole of an ArrayBuffer, its checksum already compared
 * @returns undefined where it does not hold what its header says
 */
export function decodeDocuments(
  payload: Uint8Array<ArrayBuffer>,
  count: number,
  dimension: number,
): DocumentBatch | undefined {
  const vectorBytes = count * dimension * 4;
  let at = vectorBytes + 12 * count;
  if (at > payload.length) return undefined;
  const vectors = new Float32Array(payload.buffer, 0, count * dimension);
  const lengths = new Uint32Array(payload.buffer, vectorBytes, 3 * count);
  const bytes = Buffer.from(payload.buffer);
  const next = (length: number) => {
    at += length;
    return bytes.toString('utf8', at - length, at);
  };
  const documents: StoredDocument[] = [];
  const seen = new Map<string, number>();
  try {
    for (let i = 0; i < count; i++) {
      const id = next(lengths[3 * i] as number);
      const text = next(lengths[3 * i + 1] as number);
      const metadata = next(lengths[3 * i + 2] as number);
      const document = metadata === '' ? { id, text } : { id, text, metadata: JSON.parse(metadata) };
      checkDocument(document, i, seen);
      documents.push(document);
    }
  } catch {
    return undefined;
  }
  return at === payload.length ? { vectors, documents } : undefined;
}

/** As {@link decodeDocuments}. */
export function decodeRemovals(payload: Uint8Array<ArrayBuffer>, count: number): string[] | undefined {
  let at = 4 * count;
  if (at > payload.length) return undefined;
  const lengths = new Uint32Array(payload.buffer, 0, count);
  const bytes = Buffer.from(payload.buffer);
  const ids = Array.from(lengths, (length) => {
    at += length;
    return bytes.toString('utf8', at - length, at);
  });
  return at === payload.length ? ids : undefined;
}

function bytesOf(array: Float32Array | Uint32Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}
