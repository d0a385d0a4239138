import { lstat, readlink, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CrossrankError } from '../errors';
import { CachedRepository, filesBelow } from './cache';
import type { ModelId } from './model-id';

/** What would go with a model, or with one revision of it. */
export interface Removal {
  commits: string[];
  /** That the disk gets back. */
  bytes: number;
  /** Removes it. */
  run: () => Promise<void>;
}

/**
 * Plans to remove a model from the cache: all of it, or one revision and the blobs that no other revision needs.
 * @throws {@link CrossrankError} with `ERR_MODEL_NOT_FOUND`
 */
export async function planRemoval(cacheFolder: string, { repository, revision }: ModelId): Promise<Removal> {
  const cached = new CachedRepository(cacheFolder, repository);
  const commits = await cached.commits();
  const isThere = (await lstat(cached.folder).catch(() => undefined)) !== undefined;
  if (!isThere) throw notFound(`${repository} is not in ${cacheFolder}`);
  const chosen = revision === undefined ? commits : [await commitNamed(cached, commits, revision)];
  if (chosen.length === commits.length) {
    return { commits, bytes: await bytesBelow(cached.folder), run: () => removeAll(cached) };
  }
  const [commit] = chosen as [string];
  const kept = new Set<string>();
  for (const other of commits) {
    if (other !== commit) for (const blob of await blobsOf(cached, other)) kept.add(blob);
  }
  const blobs = [...(await blobsOf(cached, commit))].filter((blob) => !kept.has(blob));
  const paths = blobs.map((blob) => cached.blob(blob));
  let bytes = await bytesBelow(cached.snapshot(commit));
  for (const path of paths) bytes += (await stat(path).catch(() => ({ size: 0 }))).size;
  return { commits: [commit], bytes, run: () => removeRevision(cached, commit, paths) };
}

/** A branch, a tag, a commit, or the beginning of one commit that is here. */
async function commitNamed(
  cached: CachedRepository,
  commits: readonly string[],
  revision: string,
): Promise<string> {
  const commit = (await cached.commitOf(revision)) ?? revision;
  const found = commits.filter((each) => each === commit || (commit.length >= 7 && each.startsWith(commit)));
  if (found.length === 1) return found[0] as string;
  const shown = commits.map((each) => each.slice(0, 8)).join(', ') || 'no revision';
  throw notFound(
    `${cached.repository} has no revision ${revision} in ${cached.cacheFolder}, which has ${shown}`,
  );
}

/** Names of the blobs that a snapshot links to. */
async function blobsOf(cached: CachedRepository, commit: string): Promise<Set<string>> {
  const blobs = new Set<string>();
  for (const name of await filesBelow(cached.snapshot(commit))) {
    const target = await readlink(join(cached.snapshot(commit), name)).catch(() => undefined); // a copy has none
    if (target !== undefined && basename(dirname(target)) === 'blobs') blobs.add(basename(target));
  }
  return blobs;
}

/** The refs go first and the blobs last: what is left when this is killed is a part, and no load takes it for a whole. */
async function removeRevision(
  cached: CachedRepository,
  commit: string,
  blobs: readonly string[],
): Promise<void> {
  for (const [ref, pointsTo] of await cached.refs()) {
    if (pointsTo === commit) await rm(join(cached.folder, 'refs', ...ref.split('/')), { force: true });
  }
  await rm(cached.snapshot(commit), { recursive: true, force: true });
  await rm(join(cached.folder, '.no_exist', commit), { recursive: true, force: true });
  await rm(join(cached.folder, 'trees', `${commit}.json`), { force: true });
  for (const blob of blobs) await rm(blob, { force: true });
}

async function removeAll(cached: CachedRepository): Promise<void> {
  await rm(join(cached.folder, 'refs'), { recursive: true, force: true });
  await rm(cached.folder, { recursive: true, force: true });
  await rm(dirname(cached.lock('any')), { recursive: true, force: true });
}

async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await filesBelow(folder)) {
    const entry = await lstat(join(folder, name));
    if (!entry.isSymbolicLink()) bytes += entry.size;
  }
  return bytes;
}

function notFound(message: string): CrossrankError {
  return new CrossrankError('ERR_MODEL_NOT_FOUND', `${message}; \`crossrank models\` lists what is here`);
}
