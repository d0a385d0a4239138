import { type FileHandle, open, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CrossrankError } from '../errors';
import { syncFolderOf } from '../files/sync-folder';
import { type NativeFileLock, nativeBinding } from '../native/binding';
import { checkSpace } from './checks';
import { crc32 } from './crc32';
import {
  type DocumentBatch,
  decodeDocuments,
  decodeFileHeader,
  decodeRemovals,
  decodeSegmentHeader,
  encodeFileHeader,
  MOST_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from './store-format';
import type { EmbeddingSpace } from './types';

/** Takes what a file holds, in its order. */
export interface StoreFileReader {
  /** Documents that count once `end` is called. @returns false where a vector is no row of a store */
  documents(batch: DocumentBatch): boolean;
  /** Ids to remove once `end` is called. */
  removals(ids: readonly string[]): void;
  /** The call that these belong to is whole. */
  end(): Promise<void>;
}

/** One segment as parts to be written one after the other. */
export type Segment = readonly Buffer[];

/** The end of a file that a power failure left unwritten is zeros, in whole blocks. */
const BLOCK_BYTES = 4096;

/**
 * The file of a store, locked for this object while it is open; `store-format.ts` says what is in it.
 *
 * What `sync` has seen is durable. After an error, {@link rollBack} forgets what it has not seen: it is to be appended
 * again, over what may have been written of it.
 */
export class StoreFile {
  readonly path: string;
  readonly space: EmbeddingSpace;
  readonly #lock: NativeFileLock;
  #handle: FileHandle;
  #end = 0;
  #syncedEnd = 0;
  #hasTail = false; // something may stand behind #end

  private constructor(path: string, space: EmbeddingSpace, lock: NativeFileLock, handle: FileHandle) {
    this.path = path;
    this.space = space;
    this.#lock = lock;
    this.#handle = handle;
  }

  /**
   * Opens a store's file, or makes it, and hands what it holds to the reader. What a process that was killed left half
   * written at the end is cut off.
   * @throws {@link CrossrankError} with `ERR_STORE`: in use, or the system refuses; with `ERR_STORE_MISMATCH`; with
   * `ERR_INDEX_INVALID`: damaged or none of ours; then the file is left as it is
   */
  static async open(name: string, space: EmbeddingSpace, reader: StoreFileReader): Promise<StoreFile> {
    const path = await realPath(name);
    const lock = acquireLock(path);
    let handle: FileHandle | undefined;
    try {
      handle = await openOrCreate(path, space);
      const file = new StoreFile(path, space, lock, handle);
      await file.#read(reader);
      return file;
    } catch (error) {
      await handle?.close();
      lock.release();
      throw storeError(path, 'opened', error);
    }
  }

  async append(segment: Segment): Promise<void> {
    try {
      if (this.#hasTail) await this.#handle.truncate(this.#end);
      this.#hasTail = true;
      let at = this.#end;
      for (const part of segment) at = await writeAll(this.#handle, part, at);
      this.#end = at;
      this.#hasTail = false;
    } catch (error) {
      throw storeError(this.path, 'written', error);
    }
  }

  async sync(): Promise<void> {
    try {
      await this.#handle.datasync();
      this.#syncedEnd = this.#end;
    } catch (error) {
      throw storeError(this.path, 'written', error);
    }
  }

  /** The system may have dropped what it could not write, so that another `sync` would find nothing to do. */
  rollBack(): void {
    this.#end = this.#syncedEnd;
    this.#hasTail = true;
  }

  /** Replaces the file as a whole; after an error, and at any moment of a crash, it is the old or the new one. */
  async replace(segments: AsyncIterable<Segment>): Promise<void> {
    const next = `${this.path}.new`;
    let handle: FileHandle | undefined;
    try {
      handle = await open(next, 'w+');
      let end = await writeAll(handle, encodeFileHeader(this.space), 0);
      for await (const segment of segments) {
        for (const part of segment) end = await writeAll(handle, part, end);
      }
      await handle.sync();
      await this.#moveIntoPlace(next);
      [this.#handle, handle] = [handle, undefined];
      this.#end = end;
      this.#syncedEnd = end;
      this.#hasTail = false;
      await syncFolderOf(this.path);
    } catch (error) {
      await handle?.close();
      await rm(next, { force: true });
      throw storeError(this.path, 'compacted', error);
    }
  }

  /** Releases the lock, too. */
  async close(): Promise<void> {
    try {
      await this.#handle.close();
    } finally {
      this.#lock.release();
    }
  }

  /** Windows replaces no file that is open. */
  async #moveIntoPlace(next: string): Promise<void> {
    await this.#handle.close();
    try {
      await rename(next, this.path);
    } catch (error) {
      this.#handle = await open(this.path, 'r+');
      throw error;
    }
  }

  async #read(reader: StoreFileReader): Promise<void> {
    const { size } = await this.#handle.stat();
    const start = await readFully(this.#handle, 0, Math.min(size, MOST_HEADER_BYTES));
    const { space, bytes } = decodeFileHeader(this.path, start);
    checkSpace(this.path, space, this.space);
    this.#end = bytes;
    for (let at = bytes; ; ) {
      const header = await this.#readHeader(at, size);
      if (header === undefined) break;
      const payloadAt = at + SEGMENT_HEADER_BYTES;
      if (!(await this.#readPayload(header, payloadAt, at, size, reader))) break;
      at = payloadAt + header.payloadBytes;
      if (header.isLast) {
        await reader.end();
        this.#end = at;
      }
    }
    this.#syncedEnd = this.#end;
    if (this.#end === size) return;
    await this.#handle.truncate(this.#end);
    await this.#handle.datasync();
  }

  /** Undefined: the file ends here, or was cut off here. */
  async #readHeader(at: number, size: number): Promise<SegmentHeader | undefined> {
    if (at + SEGMENT_HEADER_BYTES > size) return undefined;
    const header = decodeSegmentHeader(await readFully(this.#handle, at, SEGMENT_HEADER_BYTES));
    if (header !== undefined)
      return at + SEGMENT_HEADER_BYTES + header.payloadBytes > size ? undefined : header;
    if (await this.#endsInZeros(at, size)) return undefined;
    throw this.#damaged(at);
  }

  /** False: the file was cut off in it. */
  async #readPayload(
    header: SegmentHeader,
    at: number,
    segmentAt: number,
    size: number,
    reader: StoreFileReader,
  ): Promise<boolean> {
    const payload = await readFully(this.#handle, at, header.payloadBytes);
    if (crc32(payload) !== header.payloadCrc) {
      if (at + header.payloadBytes === size && (await this.#endsInZeros(at, size))) return false;
      throw this.#damaged(segmentAt);
    }
    if (header.kind === 'removals') {
      const ids = decodeRemovals(payload, header.count);
      if (ids === undefined) throw this.#damaged(segmentAt);
      reader.removals(ids);
      return true;
    }
    const batch = decodeDocuments(payload, header.count, this.space.dimension);
    if (batch === undefined || !reader.documents(batch)) throw this.#damaged(segmentAt);
    return true;
  }

  async #endsInZeros(from: number, size: number): Promise<boolean> {
    const bytes = Math.min(BLOCK_BYTES, size - from);
    return (await readFully(this.#handle, size - bytes, bytes)).every((byte) => byte === 0);
  }

  #damaged(at: number): CrossrankError {
    return new CrossrankError(
      'ERR_INDEX_INVALID',
      `${this.path} is damaged at byte ${at}; restore it from a copy or index the documents again into a new file. ` +
        `What was added up to byte ${this.#end} is whole: a copy cut off there opens without what came after`,
    );
  }
}

/** One file has one name, for the lock and for replacing it, whatever links lead to it. */
async function realPath(name: string): Promise<string> {
  try {
    return await realpath(name).catch(async () => join(await realpath(dirname(name)), basename(name)));
  } catch (error) {
    throw storeError(name, 'opened', error);
  }
}

/** @throws {@link CrossrankError} with `ERR_STORE` */
function acquireLock(path: string): NativeFileLock {
  const lock = new (nativeBinding().FileLock)();
  try {
    if (lock.acquire(`${path}.lock`)) return lock;
  } catch (error) {
    throw storeError(path, 'opened', error);
  }
  throw new CrossrankError(
    'ERR_STORE',
    `${path} is open already, in another process or in this one; close it there first`,
  );
}

/** A file is there whole, with its header, or not at all. */
async function openOrCreate(path: string, space: EmbeddingSpace): Promise<FileHandle> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const next = `${path}.new`;
  const handle = await open(next, 'w+');
  try {
    await writeAll(handle, encodeFileHeader(space), 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(next, path);
  await syncFolderOf(path);
  return open(path, 'r+');
}

async function readFully(handle: FileHandle, at: number, length: number): Promise<Buffer<ArrayBuffer>> {
  const buffer = Buffer.from(new ArrayBuffer(length));
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(buffer, done, length - done, at + done);
    if (bytesRead === 0) throw new Error('it became shorter while it was read');
    done += bytesRead;
  }
  return buffer;
}

async function writeAll(handle: FileHandle, bytes: Buffer, at: number): Promise<number> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
  return at + bytes.length;
}

function storeError(path: string, action: string, error: unknown): CrossrankError {
  if (error instanceof CrossrankError) return error;
  return new CrossrankError(
    'ERR_STORE',
    `${path} cannot be ${action}: ${(error as Error).message}; check the path, its permissions and the free space`,
    { cause: error },
  );
}
