import { copyFile, type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { CrossrankError } from '../../errors';
import { formatOf, parseJsonEntry, parseTrecRun } from '../../evaluation/line-formats';
import { parseObject } from '../../files/json-lines';
import { blocksOf, linesOfBlock, readChunks } from '../../files/lines';
import { syncFolderOf } from '../../files/sync-folder';
import { type NativeFileLock, nativeBinding } from '../../native/binding';
import { differencesOf, type MadeWith } from '../made-with';

export interface RunOutputOptions {
  /** What the ranking depends on: lines that were made with other options are not gone on with. */
  madeWith: MadeWith;
  /** Begins anew, whatever is there. */
  restart: boolean;
}

/**
 * The file of a run that is being made: `PATH.partial` until it is whole, then `PATH`.
 *
 * In call order: `open` cuts off the last query of what is there, which may be half written; `finished` tells the queries
 * that stay; each `append` is durable when it resolves; `finish` gives the file its name, or `close` leaves it for the
 * next time. It is locked meanwhile.
 */
export class RunOutput {
  readonly path: string;
  readonly #lock: NativeFileLock;
  readonly #handle: FileHandle;
  readonly #kept: number;

  private constructor(path: string, lock: NativeFileLock, handle: FileHandle, kept: number) {
    this.path = path;
    this.#lock = lock;
    this.#handle = handle;
    this.#kept = kept;
  }

  /** @throws CrossrankError with `ERR_DATASET_INVALID`: what is there is no run, or was made with other options */
  static async open(path: string, { madeWith, restart }: RunOutputOptions): Promise<RunOutput> {
    const lock = new (nativeBinding().FileLock)();
    if (!lock.acquire(`${path}.lock`)) {
      throw refusal(`another process is writing ${path}; wait for it, or name another --output`);
    }
    try {
      const partial = partialOf(path);
      if (restart) await rm(partial, { force: true });
      else await takeUp(path, madeWith);
      const kept = restart ? 0 : await endOfFinished(partial, true);
      await writeFile(recipeOf(path), JSON.stringify(madeWith));
      const handle = await open(partial, 'a');
      await handle.truncate(kept);
      return new RunOutput(path, lock, handle, kept);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  /** The queries that are in the file already, in its order. */
  async *finished(): AsyncGenerator<string> {
    if (this.#kept === 0) return;
    let last: string | undefined;
    for await (const { query, offset } of entriesOf(partialOf(this.path))) {
      if (offset >= this.#kept) return;
      if (query !== last) yield query as string;
      last = query;
    }
  }

  /** Appends the lines of one query. */
  async append(text: string): Promise<void> {
    await this.#handle.appendFile(text);
    await this.#handle.datasync();
  }

  async finish(): Promise<void> {
    await this.#handle.sync();
    await this.#handle.close();
    await rename(partialOf(this.path), this.path);
    await syncFolderOf(this.path);
    await rm(recipeOf(this.path), { force: true });
    this.#lock.release();
  }

  async close(): Promise<void> {
    await this.#handle.close();
    this.#lock.release();
  }
}

export function partialOf(path: string): string {
  return `${path}.partial`;
}

function recipeOf(path: string): string {
  return `${path}.partial.json`;
}

/** Makes the partial file of an earlier one that is whole, where there is only that. */
async function takeUp(path: string, madeWith: MadeWith): Promise<void> {
  if (await exists(partialOf(path))) {
    const recipe = await readFile(recipeOf(path), 'utf8').catch(() => undefined);
    const different = recipe === undefined ? undefined : differencesOf(parseObject(recipe), madeWith);
    if (different === undefined) return;
    throw refusal(
      `${partialOf(path)} was begun with ${different}; make it so again, begin anew with --restart, or name another --output`,
    );
  }
  if (!(await exists(path))) return;
  await endOfFinished(path, false); // refuses what is no run before it is copied
  await copyFile(path, partialOf(path));
}

async function exists(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw refusal(`${path} is a folder; name a file for --output`);
  return found !== undefined;
}

/**
 * Where the last query begins, in bytes: what comes before it is whole.
 * @param isOurs - so that a single broken line is the first one that was half written
 */
async function endOfFinished(path: string, isOurs: boolean): Promise<number> {
  if (!(await exists(path))) return 0;
  let start = 0;
  let last: string | undefined;
  let broken: number | undefined;
  for await (const { query, offset, number } of entriesOf(path)) {
    if (broken !== undefined) {
      throw refusal(
        `${path}, line ${broken} is no line of a run; begin anew with --restart, or name another --output`,
      );
    }
    if (query === undefined) broken = number;
    else if (query !== last) start = offset;
    last = query ?? last;
  }
  if (broken !== undefined && last === undefined && !isOurs) {
    throw refusal(`${path} is no run; name another --output, or replace it with --restart`);
  }
  return start;
}

/** The query of each line that is not empty; undefined for what is no line of a run. */
async function* entriesOf(
  path: string,
): AsyncGenerator<{ query: string | undefined; offset: number; number: number }> {
  const parse = formatOf(path.replace(/\.partial$/, '')) === 'jsonl' ? parseJsonEntry : parseTrecRun;
  for await (const block of blocksOf(readChunks(path), path)) {
    for (const { number, offset, bytes } of linesOfBlock(block)) {
      if (bytes.length === 0) continue;
      const entry = parse(bytes.toString('utf8'));
      yield { query: 'expected' in entry ? undefined : entry.query, offset, number };
    }
  }
}

function refusal(message: string): CrossrankError {
  return new CrossrankError('ERR_DATASET_INVALID', message);
}
