import { constants } from 'node:fs';
import { type FileHandle, open, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolderOf } from '../files/sync-folder';
import type { CachedRepository } from './cache';
import { ContentHash } from './content-hash';
import { DownloadError, fileSystemError, unreachable } from './failures';
import { type HubAnswer, type HubClient, Later, laterOf, MAX_TRIES } from './hub-client';
import { locked } from './lock';
import type { StoredFile } from './repo-info';

/** Tries are counted anew when one brought so much: a bad line gets through, a server that sends nothing does not. */
const PROGRESS_BYTES = 64 * 1024;
/** With a wrong hash: once more from the start. */
const ROUNDS = 2;
const READ_BYTES = 1024 * 1024;
/** What a file system needs beside the files, and a download must not use up. */
const SPARE_BYTES = 16 * 1024 * 1024;

/** A file on its way into the cache. */
export interface Download extends StoredFile {
  repository: CachedRepository;
  commit: string;
  name: string;
}

/** Called with how many bytes of the file are here; may go back, where what had come was not it. */
export type OnBytes = (bytes: number) => void;

/**
 * Brings one file into `blobs/` and the snapshot, or finds it there.
 *
 * It grows as `HASH.incomplete`, which a later try, in this process or another, goes on with. It gets its name when its
 * size and hash are what the hub announced and it is on disk, so that a file of that name is always whole. What is not
 * the file is fetched once more from the start, then removed.
 *
 * @param links - whether the snapshot has links where the system makes them
 * @returns bytes that came over the network
 * @throws {@link DownloadError}; with the reason of the signal
 */
export async function downloadFile(
  client: HubClient,
  file: Download,
  links: boolean,
  signal: AbortSignal,
  onBytes: OnBytes,
): Promise<number> {
  const { repository, commit, name, hash, bytes } = file;
  const blob = repository.blob(hash);
  return locked(repository.lock(hash), signal, async () => {
    try {
      // Since we looked, somebody else may have fetched it.
      const isPlaced = await isWhole(join(repository.snapshot(commit), name), bytes);
      const isNew = !isPlaced && !(await isWhole(blob, bytes));
      let received = 0;
      if (isNew) {
        const path = `${blob}.incomplete`;
        received = await fetchInto(client, file, path, signal, onBytes);
        await rename(path, blob);
        await syncFolderOf(blob);
      }
      if (!isPlaced) await repository.place(commit, name, hash, { links, isNew });
      onBytes(bytes);
      return received;
    } catch (error) {
      throw await storageFailure(error, file);
    }
  });
}

/** Whether the blob is there; one of another size is none of huggingface_hub's making or ours. */
export async function isWhole(path: string, bytes: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && found.size === bytes;
}

/** What an earlier try has left of a file. */
export async function bytesHere({ repository, hash, bytes }: Download): Promise<number> {
  const blob = repository.blob(hash);
  if (await isWhole(blob, bytes)) return bytes;
  const found = await stat(`${blob}.incomplete`).catch(() => undefined);
  return Math.min(found?.size ?? 0, bytes);
}

/** @throws {@link DownloadError} where the disk has no room for what is left to fetch */
export async function requireSpace(folder: string, needed: number): Promise<void> {
  if (needed === 0) return;
  const { blocks, bavail, bsize } = await statfs(folder);
  if (blocks === 0 || bavail * bsize >= needed + SPARE_BYTES) return; // some file systems do not tell
  throw noSpace(folder, needed, bavail * bsize);
}

async function fetchInto(
  client: HubClient,
  file: Download,
  path: string,
  signal: AbortSignal,
  onBytes: OnBytes,
): Promise<number> {
  const flags = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);
  const handle = await open(path, flags, 0o666);
  try {
    const transfer = new Transfer(client, file, handle, signal, onBytes);
    for (let round = 1; round <= ROUNDS; round++) {
      if ((await transfer.complete()) === file.hash) {
        await handle.sync();
        return transfer.received;
      }
      await transfer.restart();
    }
  } finally {
    await handle.close();
  }
  await rm(path, { force: true });
  throw new DownloadError(
    `${file.name} of ${file.repository.repository} is not what the hub announced: its hash is another, twice; nothing ` +
      'of it was kept. Check HF_ENDPOINT and any proxy on the way',
  );
}

/** A file on its way into a handle. */
class Transfer {
  /** Bytes that came over the network, those that were thrown away included. */
  received = 0;
  readonly #client: HubClient;
  readonly #file: Download;
  readonly #handle: FileHandle;
  readonly #signal: AbortSignal;
  readonly #onBytes: OnBytes;
  #content: ContentHash;

  constructor(client: HubClient, file: Download, handle: FileHandle, signal: AbortSignal, onBytes: OnBytes) {
    this.#client = client;
    this.#file = file;
    this.#handle = handle;
    this.#signal = signal;
    this.#onBytes = onBytes;
    this.#content = new ContentHash(file);
  }

  /** Fetches what is missing, in as many tries as it takes; returns the hash of the whole. */
  async complete(): Promise<string> {
    const { bytes, name, repository } = this.#file;
    await this.#readStart();
    for (let tries = 1; this.#content.bytes < bytes; tries++) {
      const before = this.received;
      try {
        await this.#try();
      } catch (error) {
        if (isOfStorage(error)) throw error;
        const later = laterOf(error, this.#signal);
        if (this.received - before >= PROGRESS_BYTES) tries = 1;
        if (tries >= MAX_TRIES || later.isTooLate) {
          throw unreachable(`${name} of ${repository.repository}: the hub`, later.message, tries, error);
        }
        await this.#client.backOff(tries, later.retryAfterMs);
      }
    }
    return this.#content.digest();
  }

  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#content = new ContentHash(this.#file);
    this.#onBytes(0);
  }

  /** What an earlier try has left; what is too long to be a part of the file is none. */
  async #readStart(): Promise<void> {
    const { size } = await this.#handle.stat();
    if (size > this.#file.bytes) return this.restart();
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    while (this.#content.bytes < size) {
      this.#signal.throwIfAborted();
      const { bytesRead } = await this.#handle.read(buffer, 0, READ_BYTES, this.#content.bytes);
      if (bytesRead === 0) break;
      this.#content.update(buffer.subarray(0, bytesRead));
    }
    this.#onBytes(this.#content.bytes);
  }

  async #try(): Promise<void> {
    const { repository, commit, name, bytes } = this.#file;
    const from = this.#content.bytes;
    const answer = await this.#client.file(repository.repository, commit, name, from);
    if (answer.status !== 200 && !continues(answer, from, bytes)) {
      answer.body.destroy();
      await this.restart();
      throw new Later('sent another part than was asked for');
    }
    if (answer.status === 200 && from > 0) await this.restart(); // it sends all of it, whatever was asked for
    await this.#receive(answer);
    if (this.#content.bytes < bytes) throw new Later('ended before the file did');
  }

  async #receive({ body }: HubAnswer): Promise<void> {
    // Leaving the loop destroys the stream, and with it the connection.
    for await (const part of body as AsyncIterable<Buffer>) {
      this.received += part.length;
      if (this.#content.bytes + part.length > this.#file.bytes) {
        this.#content.spoil(this.#file.bytes); // more than the file has: another one
        return;
      }
      await writeAll(this.#handle, part, this.#content.bytes);
      this.#content.update(part);
      this.#onBytes(this.#content.bytes);
    }
  }
}

/** Whether an answer begins at this byte of this file. */
function continues({ status, headers }: HubAnswer, from: number, bytes: number): boolean {
  if (status !== 206) return false;
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? [];
  return Number(start) === from && (total === '*' || Number(total) === bytes);
}

async function writeAll(handle: FileHandle, part: Buffer, position: number): Promise<void> {
  for (let written = 0; written < part.length; ) {
    const { bytesWritten } = await handle.write(part, written, part.length - written, position + written);
    written += bytesWritten;
  }
}

/** Of a file; sockets have ECONNRESET and EPIPE. */
const STORAGE_CODES = ['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO', 'EROFS', 'EACCES', 'EPERM', 'ELOOP', 'EMFILE'];

function isOfStorage(error: unknown): boolean {
  return STORAGE_CODES.includes(fileSystemError(error)?.code ?? '');
}

/** What was thrown, with how much room is needed where a disk has none. */
async function storageFailure(error: unknown, file: Download): Promise<unknown> {
  if (!['ENOSPC', 'EDQUOT', 'EFBIG'].includes(fileSystemError(error)?.code ?? '')) return error;
  return noSpace(file.repository.cacheFolder, file.bytes - (await bytesHere(file)), undefined);
}

function noSpace(folder: string, needed: number, free: number | undefined): DownloadError {
  const there = free === undefined ? 'which is full' : `which has ${free} free`;
  return new DownloadError(
    `${needed} bytes more are needed in ${folder}, ${there}; make room, or name another folder with HF_HUB_CACHE. ` +
      'What has come is kept, and the download goes on where it stopped',
  );
}
