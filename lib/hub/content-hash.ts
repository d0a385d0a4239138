import { createHash } from 'node:crypto';
import type { StoredFile } from './repo-info';

const SHA256_CHARACTERS = 64;

/** The hash that names a file, of bytes as they come: SHA-256 for LFS files, git's for others. */
export class ContentHash {
  bytes = 0;
  #isSpoilt = false;
  readonly #hash: ReturnType<typeof createHash>;

  constructor({ hash, bytes }: StoredFile) {
    const isLarge = hash.length === SHA256_CHARACTERS;
    this.#hash = createHash(isLarge ? 'sha256' : 'sha1');
    if (!isLarge) this.#hash.update(`blob ${bytes}\0`); // as `git hash-object` does
  }

  update(part: Uint8Array): void {
    this.#hash.update(part);
    this.bytes += part.length;
  }

  /** These are bytes of something else, whatever their hash. */
  spoil(bytes: number): void {
    this.bytes = bytes;
    this.#isSpoilt = true;
  }

  digest(): string {
    const digest = this.#hash.digest('hex');
    return this.#isSpoilt ? '' : digest;
  }
}
