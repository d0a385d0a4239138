import { createHash, randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { CrossrankError, messageOf } from '../errors';
import { syncFolderOf } from '../files/sync-folder';

/**
 * The file of a keyword index: a magic line, frames, and nothing after the last.
 *
 *     │ kind: u32 │ bytes of the payload: u32 │ payload │      little-endian
 *
 * The last frame has the SHA-256 of all before its payload. So a file that ends early, or of which a bit is wrong, does
 * not open.
 */
const MAGIC = Buffer.from('crossrank keyword index\n');
const HEAD_BYTES = 8;
const HASH_BYTES = 32;
const END = 0;

export interface Frame {
  /** From 1; what the payload is. */
  kind: number;
  payload: Buffer;
}

/**
 * Writes a file so that at its path is the old one or the whole new one, whenever this process or the machine ends.
 * What is left then is `PATH.UUID.tmp` beside it.
 * @throws {@link CrossrankError} with `ERR_STORE`
 */
export async function writeFrames(path: string, frames: Iterable<Frame>): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await writeAll(file, frames);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolderOf(path);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new CrossrankError('ERR_STORE', `cannot write ${path}: ${messageOf(cause)}`, { cause });
  }
}

async function writeAll(file: FileHandle, frames: Iterable<Frame>): Promise<void> {
  const hash = createHash('sha256');
  const write = async (part: Uint8Array) => {
    hash.update(part);
    for (let done = 0; done < part.length; ) {
      done += (await file.write(part, done, part.length - done)).bytesWritten;
    }
  };
  await write(MAGIC);
  for (const { kind, payload } of frames) {
    await write(frameHead(kind, payload.length));
    await write(payload);
  }
  await write(frameHead(END, HASH_BYTES));
  await write(hash.copy().digest());
}

function frameHead(kind: number, bytes: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(kind, 0);
  head.writeUInt32LE(bytes, 4);
  return head;
}

/**
 * Reads the frames of a file one by one. Only when the last was read without an error are they what was written.
 * @throws {@link CrossrankError} with `ERR_STORE` where the file cannot be read, `ERR_INDEX_INVALID` where it is broken
 */
export async function* readFrames(path: string): AsyncGenerator<Frame> {
  const reader = await FrameReader.open(path);
  try {
    if (!MAGIC.equals(await reader.read(MAGIC.length))) throw reader.invalid('it is no keyword index');
    for (;;) {
      const head = await reader.read(HEAD_BYTES);
      const kind = head.readUInt32LE(0);
      const hash = reader.hashed();
      const payload = await reader.read(head.readUInt32LE(4));
      if (kind !== END) {
        yield { kind, payload };
        continue;
      }
      if (!hash.equals(payload)) throw reader.invalid('it was changed or damaged');
      if (reader.left > 0) throw reader.invalid('something was written after its end');
      return;
    }
  } finally {
    await reader.close();
  }
}

class FrameReader {
  readonly #hash = createHash('sha256');

  private constructor(
    readonly path: string,
    readonly file: FileHandle,
    /** Bytes that were not read yet. */
    public left: number,
  ) {}

  static async open(path: string): Promise<FrameReader> {
    try {
      const file = await open(path, 'r');
      return new FrameReader(path, file, (await file.stat()).size);
    } catch (cause) {
      throw new CrossrankError('ERR_STORE', `cannot read ${path}: ${messageOf(cause)}`, { cause });
    }
  }

  async read(bytes: number): Promise<Buffer> {
    if (bytes > this.left) throw this.invalid('it ends too early');
    const buffer = Buffer.allocUnsafe(bytes);
    for (let done = 0; done < bytes; ) {
      const { bytesRead } = await this.file.read(buffer, done, bytes - done).catch((cause) => {
        throw new CrossrankError('ERR_STORE', `cannot read ${this.path}: ${messageOf(cause)}`, { cause });
      });
      if (bytesRead === 0) throw this.invalid('it ends too early');
      done += bytesRead;
    }
    this.left -= bytes;
    this.#hash.update(buffer);
    return buffer;
  }

  /** SHA-256 of what was read so far. */
  hashed(): Buffer {
    return this.#hash.copy().digest();
  }

  invalid(what: string): CrossrankError {
    return invalidIndex(this.path, what);
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

export function invalidIndex(path: string, what: string): CrossrankError {
  return new CrossrankError('ERR_INDEX_INVALID', `${path} does not open: ${what}; make the index again`);
}
