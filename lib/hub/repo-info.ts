import { parseObject } from '../files/json-lines';
import { objectOf } from '../values';
import { DownloadError } from './failures';
import { isCommit } from './model-id';

/** How a file is stored, and with that under which name in the cache. */
export interface StoredFile {
  bytes: number;
  /** SHA-256 of a file that git LFS or Xet keeps, else what git calls a blob: SHA-1 over a header and the file. */
  hash: string;
}

export interface RepoInfo {
  commit: string;
  /** Undefined where the answer leaves out how a file is stored. */
  files: Map<string, StoredFile | undefined>;
}

const MAX_NAME_CHARACTERS = 1024;
const SHA256 = /^[0-9a-f]{64}$/;
const SHA1 = /^[0-9a-f]{40}$/;

/**
 * Reads an answer of `/api/models/ID/revision/REVISION?blobs=true`. Nothing in it is trusted: what becomes a path or a
 * name in the cache is exactly of the form it should have, or the answer is refused.
 * @throws {@link DownloadError}
 */
export function parseRepoInfo(text: string, repository: string): RepoInfo {
  const info = parseObject(text);
  if (info === undefined) throw malformed(repository, 'it is no JSON object');
  const { sha, siblings } = info;
  if (typeof sha !== 'string' || !isCommit(sha)) throw malformed(repository, 'its sha is no commit');
  if (!Array.isArray(siblings)) throw malformed(repository, 'it has no list of files');
  const files: RepoInfo['files'] = new Map();
  for (const sibling of siblings as unknown[]) {
    const { rfilename: name, size, blobId, lfs } = objectOf(sibling);
    if (typeof name !== 'string' || !isFileName(name)) {
      throw malformed(repository, `it names a file ${shown(name)}, which is no path below a folder`);
    }
    if (files.has(name)) throw malformed(repository, `it names ${name} twice`);
    files.set(name, readStored(name, size, blobId, lfs, repository));
  }
  return { commit: sha, files };
}

function readStored(
  name: string,
  size: unknown,
  blobId: unknown,
  lfs: unknown,
  repository: string,
): StoredFile | undefined {
  if (size === undefined || size === null) return undefined;
  if (!isSize(size)) throw malformed(repository, `the size of ${name} is no number of bytes`);
  const { sha256 } = objectOf(lfs);
  if (lfs !== undefined && lfs !== null) {
    if (typeof sha256 === 'string' && SHA256.test(sha256)) return { bytes: size, hash: sha256 };
    throw malformed(repository, `the hash of ${name} is no SHA-256`);
  }
  if (blobId === undefined || blobId === null) return undefined;
  if (typeof blobId === 'string' && SHA1.test(blobId)) return { bytes: size, hash: blobId };
  throw malformed(repository, `the hash of ${name} is no SHA-1`);
}

/**
 * Reads the headers that a hub sends for a file.
 * @throws {@link DownloadError}
 */
export function storedFileOf(headers: Readonly<Record<string, string>>, file: string): StoredFile {
  const etag = (headers['x-linked-etag'] ?? headers.etag ?? '').replace(/^W\//, '').replace(/^"(.*)"$/, '$1');
  const size = headers['x-linked-size'] ?? headers['content-length'] ?? '';
  if (!SHA256.test(etag) && !SHA1.test(etag)) {
    throw new DownloadError(
      `the hub gives no hash of ${file} (its ETag is neither SHA-256 nor SHA-1), so that what comes could not be ` +
        'checked; use another HF_ENDPOINT',
    );
  }
  if (!/^\d{1,15}$/.test(size)) {
    throw new DownloadError(`the hub does not say how large ${file} is; use another HF_ENDPOINT`);
  }
  return { bytes: Number(size), hash: etag };
}

/** A path below a folder on any system, and one that terminals print as it is. */
export function isFileName(name: string): boolean {
  if (name === '' || name.length > MAX_NAME_CHARACTERS || /[\\\p{Cc}\p{Zl}\p{Zp}]/u.test(name)) return false;
  if (/^[A-Za-z]:/.test(name)) return false;
  return name.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function shown(name: unknown): string {
  return (JSON.stringify(name) ?? 'undefined').slice(0, 60);
}

/** The cache may stand in: a hotel's login page is no description either. */
function malformed(repository: string, why: string): DownloadError {
  return new DownloadError(
    `the hub's description of ${repository} cannot be used: ${why}; check HF_ENDPOINT`,
    { cacheMayStandIn: true },
  );
}
