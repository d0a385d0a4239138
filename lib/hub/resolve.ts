import { CrossrankError } from '../errors';
import { CachedRepository } from './cache';
import { DownloadError } from './failures';
import { folderOrModel, isCommit, type ModelId } from './model-id';
import type { HubOptions } from './options';
import { absentFiles, decidingFiles, readDeciding, selectFiles } from './select-files';
import { type HubSettings, readSettings } from './settings';

const DEFAULT_REVISION = 'main';

/**
 * The folder of a model: one on disk, or one of the hub, which is downloaded where it is not in the cache.
 *
 * The hub is asked what the revision is now, and a model that has changed is fetched. It is not asked for a full commit
 * that is here. Where it cannot be reached, or refuses, what the revision was last time is used if that is here as a
 * whole, with a warning (`CROSSRANK_HUB_CACHE`); so does offline mode, without one.
 *
 * @param model - path of a folder, or `ORGANISATION/NAME[@REVISION]`
 * @throws {@link CrossrankError} with `ERR_MODEL_NOT_FOUND`, `ERR_MODEL_INVALID`, `ERR_DOWNLOAD` or
 * `ERR_INVALID_ARGUMENT`; with the reason of the signal
 */
export async function resolveModel(model: string, options: HubOptions = {}): Promise<string> {
  const found = folderOrModel(model);
  if ('folder' in found) return found.folder;
  options.signal?.throwIfAborted();
  return resolveId(found.id, options, await readSettings(options));
}

/** As {@link resolveModel}, of what is no folder. */
export async function resolveId(
  id: ModelId,
  options: Pick<HubOptions, 'revision' | 'signal' | 'onProgress'>,
  settings: HubSettings,
): Promise<string> {
  const revision = revisionOf(id, options.revision);
  const cached = new CachedRepository(settings.cacheFolder, id.repository);
  if (settings.offline) return offlineFolder(cached, revision);
  if (isCommit(revision)) {
    const here = await wholeSnapshot(cached, revision);
    if (here?.isCertain === true) return here.folder;
  }
  // Loaded where it is needed: the HTTP client takes a tenth of a second.
  const { fetchModel } = require('./fetch-model') as typeof import('./fetch-model');
  try {
    const { folder } = await fetchModel(id.repository, revision, settings, options);
    return folder;
  } catch (error) {
    if (!(error instanceof DownloadError) || !error.cacheMayStandIn) throw error;
    const here = await wholeSnapshot(cached, revision);
    if (here === undefined) throw error;
    process.emitWarning(`${error.message}. ${id.repository} is taken from the cache: ${here.folder}`, {
      code: 'CROSSRANK_HUB_CACHE',
    });
    return here.folder;
  }
}

/** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` where the name and the option say different things */
export function revisionOf({ repository, revision }: ModelId, asked: string | undefined): string {
  if (revision !== undefined && asked !== undefined && revision !== asked) {
    throw new CrossrankError(
      'ERR_INVALID_ARGUMENT',
      `${repository}@${revision} and hub.revision ${JSON.stringify(asked)} name different revisions; leave one out`,
    );
  }
  return revision ?? asked ?? DEFAULT_REVISION;
}

async function offlineFolder(cached: CachedRepository, revision: string): Promise<string> {
  const here = await wholeSnapshot(cached, revision);
  if (here !== undefined) return here.folder;
  const commit = await cached.commitOf(revision);
  const isPart = commit !== undefined && (await cached.files(commit)).length > 0;
  throw new DownloadError(
    `${cached.repository} at ${revision} is ${isPart ? 'only in part' : 'not'} in ${cached.cacheFolder}, and offline ` +
      'mode asks for no download; fetch it with `crossrank pull`, or unset HF_HUB_OFFLINE and the option offline',
  );
}

interface Snapshot {
  folder: string;
  /** Whether it is known that no file that a load would read is missing, those that few models have included. */
  isCertain: boolean;
}

/** The snapshot of a revision, where all that a load cannot do without is there. */
export async function wholeSnapshot(
  cached: CachedRepository,
  revision: string,
): Promise<Snapshot | undefined> {
  const commit = await cached.commitOf(revision);
  if (commit === undefined) return undefined;
  const names = new Set(await cached.files(commit));
  const folder = cached.snapshot(commit);
  const read = await readDeciding(folder, decidingFiles(names));
  try {
    selectFiles(cached.repository, names, read);
  } catch (error) {
    if (error instanceof CrossrankError) return undefined;
    throw error;
  }
  const known = await Promise.all(absentFiles(names).map((name) => cached.isAbsent(commit, name)));
  return { folder, isCertain: known.every(Boolean) };
}
