import { join } from 'node:path';
import { CachedRepository } from './cache';
import { bytesHere, type Download, downloadFile, isWhole, requireSpace } from './download';
import { DownloadError, fileSystemError } from './failures';
import { HubClient } from './hub-client';
import type { DownloadProgress } from './options';
import type { RepoInfo } from './repo-info';
import { absentFiles, decidingFiles, readDeciding, selectFiles } from './select-files';
import type { HubSettings } from './settings';
import { userAgent } from './user-agent';

/** Files that are fetched side by side. */
const PARALLEL = 4;

export interface FetchOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Files to fetch beside those that a load reads. */
  include?: ((name: string) => boolean) | undefined;
}

/** A model that is in the cache as a whole. */
export interface FetchedModel {
  folder: string;
  commit: string;
  /** Names of its files that a load reads. */
  files: string[];
  /** Bytes that came over the network. */
  fetchedBytes: number;
}

/**
 * Brings what a load reads of a model into the cache; what is there is not fetched again.
 * @throws {@link CrossrankError} with `ERR_DOWNLOAD`, `ERR_MODEL_NOT_FOUND` or `ERR_MODEL_INVALID`; with the reason of
 * the signal
 */
export async function fetchModel(
  repository: string,
  revision: string,
  settings: HubSettings,
  options: FetchOptions = {},
): Promise<FetchedModel> {
  const failed = new AbortController(); // one file that fails ends the others
  const signal = AbortSignal.any([failed.signal, ...(options.signal === undefined ? [] : [options.signal])]);
  const client = new HubClient(settings, userAgent(), signal);
  try {
    const info = await client.info(repository, revision);
    const task = new Fetch(
      client,
      new CachedRepository(settings.cacheFolder, repository),
      info,
      settings,
      signal,
      failed,
    );
    const fetched = await task.run(options);
    if (await task.repository.isWritable()) await task.repository.noteRef(revision, info.commit);
    return fetched;
  } catch (error) {
    options.signal?.throwIfAborted();
    throw inWords(error, settings.cacheFolder);
  } finally {
    failed.abort();
    await client.close();
  }
}

class Fetch {
  readonly repository: CachedRepository;
  readonly #client: HubClient;
  readonly #info: RepoInfo;
  readonly #settings: HubSettings;
  readonly #signal: AbortSignal;
  readonly #failed: AbortController;
  #fetchedBytes = 0;

  constructor(
    client: HubClient,
    repository: CachedRepository,
    info: RepoInfo,
    settings: HubSettings,
    signal: AbortSignal,
    failed: AbortController,
  ) {
    this.#client = client;
    this.repository = repository;
    this.#info = info;
    this.#settings = settings;
    this.#signal = signal;
    this.#failed = failed;
  }

  async run({ onProgress, include }: FetchOptions): Promise<FetchedModel> {
    const { commit, files } = this.#info;
    const names = new Set(files.keys());
    const deciding = decidingFiles(names);
    await this.#fetch(deciding, undefined);
    const folder = this.repository.snapshot(commit);
    const read = await readDeciding(folder, deciding);
    const chosen = selectFiles(this.repository.repository, names, read);
    const others = include === undefined ? [] : [...names].filter(include);
    await this.#fetch([...new Set([...chosen, ...others])], onProgress);
    // Both notes help later, and a cache that is shared may be one that we only read.
    if (await this.repository.isWritable()) await this.repository.noteAbsent(commit, absentFiles(names));
    await this.repository.files(commit); // none leads out of the cache
    return { folder, commit, files: chosen, fetchedBytes: this.#fetchedBytes };
  }

  async #fetch(names: readonly string[], onProgress: FetchOptions['onProgress']): Promise<void> {
    const downloads = await this.#missing(names);
    if (downloads.length === 0) return;
    await this.repository.prepare(this.#info.commit);
    const here = new Map(
      await Promise.all(downloads.map(async (file) => [file.name, await bytesHere(file)] as const)),
    );
    const totalBytes = sum(downloads.map(({ bytes }) => bytes));
    await requireSpace(this.repository.folder, totalBytes - sum([...here.values()]));
    const note = (file: Download, bytes: number) => {
      here.set(file.name, bytes);
      try {
        onProgress?.({ file: file.name, bytes: sum([...here.values()]), totalBytes });
      } catch (error) {
        this.#failed.abort(error); // the caller's own, which no retry helps
      }
    };
    const { symlinks } = this.#settings;
    await this.#inParallel(downloads, async (file) => {
      const onBytes = (bytes: number) => note(file, bytes);
      const received = await downloadFile(this.#client, file, symlinks, this.#signal, onBytes);
      this.#fetchedBytes += received;
    });
  }

  /** Files that the snapshot has not, with what the hub says of them. */
  async #missing(names: readonly string[]): Promise<Download[]> {
    const { repository } = this;
    const { commit, files } = this.#info;
    const missing: Download[] = [];
    await this.#inParallel(names, async (name) => {
      const stored = files.get(name) ?? (await this.#client.fileInfo(repository.repository, commit, name));
      if (await isWhole(join(repository.snapshot(commit), name), stored.bytes)) return;
      missing.push({ repository, commit, name, ...stored });
    });
    return missing;
  }

  /** The first failure ends the others; it is thrown when all have ended, so that none goes on behind the caller. */
  async #inParallel<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
    const queue = items.values();
    const work = async () => {
      for (const item of queue) {
        if (this.#signal.aborted) return;
        await run(item).catch((error) => this.#failed.abort(error));
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    this.#signal.throwIfAborted();
  }
}

/** An error of the file system as one of ours; all else as it is. */
function inWords(error: unknown, cacheFolder: string): unknown {
  const failure = fileSystemError(error);
  if (failure === undefined) return error;
  return new DownloadError(`the cache ${cacheFolder} cannot be used: ${failure.message}`, { cause: error });
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
