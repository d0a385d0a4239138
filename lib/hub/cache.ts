import { randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import {
  access,
  constants,
  copyFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { CrossrankError } from '../errors';
import { DownloadError } from './failures';
import { isCommit, isRepository, isRevision } from './model-id';

/**
 * A model in a cache as huggingface_hub lays it out:
 *
 *     models--BAAI--bge-reranker-base/
 *       blobs/HASH               the files, each once
 *       refs/main                the commit that a branch or tag was when it was last asked for
 *       snapshots/COMMIT/NAME    links to blobs, or the files themselves where the system makes no links
 *       .no_exist/COMMIT/NAME    empty: the repository has no such file at this commit
 *     .locks/models--BAAI--bge-reranker-base/HASH.lock
 *
 * A ref is written when all files of its snapshot are there, so that a download that was killed never passes for one
 * that is done.
 */
export class CachedRepository {
  readonly repository: string;
  readonly cacheFolder: string;
  readonly folder: string;

  constructor(cacheFolder: string, repository: string) {
    this.repository = repository;
    this.cacheFolder = cacheFolder;
    const name = folderName(repository);
    this.folder = join(cacheFolder, name);
  }

  snapshot(commit: string): string {
    return join(this.folder, 'snapshots', commit);
  }

  blob(hash: string): string {
    return join(this.folder, 'blobs', hash);
  }

  lock(hash: string): string {
    return join(this.cacheFolder, '.locks', folderName(this.repository), `${hash}.lock`);
  }

  /** The commit that a branch or tag was when it was last asked for; a full commit is itself. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision;
    const text = await readFile(join(this.folder, 'refs', ...revision.split('/')), 'utf8').catch(() => '');
    const commit = text.trim();
    return isCommit(commit) ? commit : undefined;
  }

  /** Every branch and tag, and its commit. */
  async refs(): Promise<Map<string, string>> {
    const refs = new Map<string, string>();
    for (const name of await filesBelow(join(this.folder, 'refs'))) {
      const commit = isRevision(name) ? await this.commitOf(name) : undefined;
      if (commit !== undefined) refs.set(name, commit);
    }
    return refs;
  }

  async commits(): Promise<string[]> {
    const names = await readdir(join(this.folder, 'snapshots')).catch(() => []);
    return names.filter(isCommit).sort();
  }

  /**
   * Files of a snapshot that are there: links whose file is gone are left out.
   * @throws {@link CrossrankError} with `ERR_MODEL_INVALID` where a link leads out of the cache
   */
  async files(commit: string): Promise<string[]> {
    const snapshot = this.snapshot(commit);
    const names = await filesBelow(snapshot);
    const inside = await this.#roots();
    const found: string[] = [];
    for (const name of names) {
      const real = await realpath(join(snapshot, ...name.split('/'))).catch(() => undefined);
      if (real === undefined || !(await stat(real)).isFile()) continue;
      if (!inside.some((root) => real.startsWith(root + sep))) throw this.#escapes(name, real);
      found.push(name);
    }
    return found;
  }

  /** Whether it is known that the repository has no such file at this commit. */
  async isAbsent(commit: string, name: string): Promise<boolean> {
    return (await lstat(join(this.folder, '.no_exist', commit, name)).catch(() => undefined)) !== undefined;
  }

  /**
   * Makes folders for a snapshot, and the mark that tells backups to leave a cache out (bford.info/cachedir).
   * @throws {@link DownloadError} where the cache cannot be written to
   */
  async prepare(commit: string): Promise<void> {
    try {
      await mkdir(join(this.folder, 'blobs'), { recursive: true });
      await mkdir(this.snapshot(commit), { recursive: true });
      await access(this.folder, constants.W_OK);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new DownloadError(
        `${this.cacheFolder} cannot be written to (${code}); name another folder with HF_HUB_CACHE`,
        { cause: error },
      );
    }
    const mark = 'Signature: 8a477f597d28d172789f06886806bc55\n';
    await writeFile(join(this.cacheFolder, 'CACHEDIR.TAG'), mark, { flag: 'wx' }).catch(() => {});
  }

  async isWritable(): Promise<boolean> {
    return access(this.folder, constants.W_OK).then(
      () => true,
      () => false,
    );
  }

  /**
   * Puts a blob where the snapshot has it: as a link; or, where there are no links, as the file itself.
   * @param isNew - that no other snapshot can have a link to it
   */
  async place(
    commit: string,
    name: string,
    hash: string,
    how: { links: boolean; isNew: boolean },
  ): Promise<void> {
    const place = join(this.snapshot(commit), ...name.split('/'));
    const folder = dirname(place);
    await mkdir(folder, { recursive: true });
    const real = await realpath(folder);
    const inside = await this.#roots();
    if (!inside.some((root) => real.startsWith(root + sep))) throw this.#escapes(name, real);
    const blob = this.blob(hash);
    const temporary = `${place}.${randomUUID().slice(0, 8)}.tmp`;
    try {
      const target = join(relative(real, await realpath(dirname(blob))), hash);
      const isLinked = how.links && (await linked(target, temporary));
      if (!isLinked && how.isNew) return await rename(blob, place);
      if (!isLinked) await copyFile(blob, temporary);
      await rename(temporary, place);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async noteRef(revision: string, commit: string): Promise<void> {
    if (revision === commit || (await this.commitOf(revision)) === commit) return;
    const path = join(this.folder, 'refs', ...revision.split('/'));
    await mkdir(dirname(path), { recursive: true });
    const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`;
    try {
      await writeFile(temporary, commit);
      await rename(temporary, path);
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async noteAbsent(commit: string, names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const folder = join(this.folder, '.no_exist', commit);
    await mkdir(folder, { recursive: true });
    for (const name of names) {
      if (!(await this.isAbsent(commit, name))) await writeFile(join(folder, name), '');
    }
  }

  /** Real folders that a file of this model may lie in: users move caches, models and blobs to other disks. */
  async #roots(): Promise<string[]> {
    const folders = [this.cacheFolder, this.folder, join(this.folder, 'blobs')];
    const real = await Promise.all(folders.map((folder) => realpath(folder).catch(() => undefined)));
    return real.filter((folder) => folder !== undefined);
  }

  #escapes(name: string, real: string): CrossrankError {
    return new CrossrankError(
      'ERR_MODEL_INVALID',
      `${name} of ${this.repository} in the cache leads out of it, to ${real}; remove that link`,
    );
  }
}

/** Models of a cache, by name. */
export async function cachedRepositories(cacheFolder: string): Promise<CachedRepository[]> {
  const names = await readdir(cacheFolder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new CrossrankError(
      'ERR_INVALID_ARGUMENT',
      `the cache ${cacheFolder} cannot be read (${error.code}); check HF_HUB_CACHE and HF_HOME`,
      { cause: error },
    );
  });
  const repositories = names.map(repositoryOf).filter((name) => name !== undefined);
  return repositories.sort().map((name) => new CachedRepository(cacheFolder, name));
}

function folderName(repository: string): string {
  return `models--${repository.replace('/', '--')}`;
}

/** Undefined for what is no folder of a model; models of huggingface_hub may lack an organisation. */
function repositoryOf(folder: string): string | undefined {
  const [kind, ...parts] = folder.split('--');
  const name = parts.join('/');
  return kind === 'models' && (isRepository(name) || isRepository(`_/${name}`)) ? name : undefined;
}

/** @returns false where this system, or this folder, has no symbolic links */
async function linked(target: string, at: string): Promise<boolean> {
  try {
    await symlink(target, at, 'file');
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPERM' || code === 'EACCES' || code === 'ENOSYS' || code === 'ENOTSUP') return false;
    throw error;
  }
}

/** Paths of all that is no folder, with `/` between their parts. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((): Dirent[] => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}
