import { access, constants, type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CrossrankError } from '../../errors';
import { parseObject } from '../../files/json-lines';
import { syncFolderOf } from '../../files/sync-folder';
import { type NativeFileLock, nativeBinding } from '../../native/binding';
import { differencesOf, type MadeWith } from '../made-with';

/** What was done up to a chunk, and how far the files go with it. */
export interface Position {
  /** Chunks that are written. */
  chunks: number;
  /** Items of these, whether they have results or were set aside. */
  items: number;
  setAside: number;
  pairs: number;
  tokens: number;
  outputBytes: number;
  errorBytes: number;
}

/** The first line of a journal. */
interface Beginning {
  /** What the jobs of this submission are called. */
  submission: string;
  madeWith: MadeWith;
}

const START: Position = {
  ...{ chunks: 0, items: 0, setAside: 0, pairs: 0, tokens: 0 },
  ...{ outputBytes: 0, errorBytes: 0 },
};

/**
 * The files of a submission: `OUTPUT.partial` until it is whole, `OUTPUT.errors.jsonl`, and `OUTPUT.journal`, which tells
 * how far both go.
 *
 * In call order: `open` reads the journal of an earlier run, if there is one, and cuts both files off where it ends;
 * `append` makes what a chunk adds to them durable, and then its line of the journal; `finish` gives the output its name,
 * or `close` leaves all for the next time. They are locked meanwhile.
 */
export class DurableOutput {
  readonly path: string;
  readonly submission: string;
  readonly #lock: NativeFileLock;
  readonly #output: FileHandle;
  readonly #errors: FileHandle;
  readonly #journal: FileHandle;
  #position: Position;
  #isClosed = false;

  private constructor(
    path: string,
    submission: string,
    position: Position,
    lock: NativeFileLock,
    files: [FileHandle, FileHandle, FileHandle],
  ) {
    this.path = path;
    this.submission = submission;
    this.#position = position;
    this.#lock = lock;
    [this.#output, this.#errors, this.#journal] = files;
  }

  /**
   * Opens the files before anything is submitted.
   * @param fresh - makes the name of a submission that begins
   * @throws CrossrankError with `ERR_OUTPUT`
   */
  static async open(path: string, madeWith: MadeWith, fresh: () => string): Promise<DurableOutput> {
    const lock = await lockOf(path);
    try {
      const earlier = await readJournal(path);
      const different = earlier && differencesOf(earlier.beginning.madeWith, madeWith);
      if (different !== undefined) {
        throw new CrossrankError(
          'ERR_OUTPUT',
          `${partialOf(path)} was begun with ${different}; make it so again, begin anew with --restart, or name another --output`,
        );
      }
      if (earlier !== undefined) await takeBack(path);
      const submission = earlier?.beginning.submission ?? fresh();
      const position = earlier?.position ?? START;
      const files: FileHandle[] = [];
      try {
        files.push(await openCut(partialOf(path), position.outputBytes));
        files.push(await openCut(errorsOf(path), position.errorBytes));
        files.push(await openCut(journalOf(path), earlier?.bytes ?? 0));
        const output = new DurableOutput(
          path,
          submission,
          position,
          lock,
          files as [FileHandle, FileHandle, FileHandle],
        );
        if (earlier === undefined) await output.#record({ submission, madeWith } satisfies Beginning);
        await syncFolderOf(path);
        return output;
      } catch (error) {
        await Promise.all(files.map((file) => file.close()));
        throw error;
      }
    } catch (error) {
      lock.release();
      throw unwritable(path, error);
    }
  }

  /**
   * Whether it can be written, before anything else is done.
   * @throws CrossrankError with `ERR_OUTPUT`
   */
  static async check(path: string): Promise<void> {
    (await lockOf(path)).release();
  }

  /** The submission of an earlier run whose files {@link DurableOutput.discard} removes; undefined where there is none. */
  static async earlier(path: string): Promise<string | undefined> {
    return (await readJournal(path))?.beginning.submission;
  }

  static async discard(path: string): Promise<void> {
    const lock = await lockOf(path);
    try {
      for (const each of [journalOf(path), partialOf(path), errorsOf(path)]) await rm(each, { force: true });
    } catch (error) {
      throw unwritable(path, error);
    } finally {
      lock.release();
    }
  }

  get position(): Readonly<Position> {
    return this.#position;
  }

  /** What a chunk adds; durable when it resolves. */
  async append(
    output: string | Uint8Array,
    errors: string,
    done: Omit<Position, 'chunks' | 'outputBytes' | 'errorBytes'>,
  ): Promise<void> {
    const before = this.#position;
    try {
      if (output.length > 0) {
        await this.#output.appendFile(output);
        await this.#output.datasync();
      }
      if (errors !== '') {
        await this.#errors.appendFile(errors);
        await this.#errors.datasync();
      }
      const position: Position = {
        chunks: before.chunks + 1,
        items: before.items + done.items,
        setAside: before.setAside + done.setAside,
        pairs: before.pairs + done.pairs,
        tokens: before.tokens + done.tokens,
        outputBytes: before.outputBytes + Buffer.byteLength(output),
        errorBytes: before.errorBytes + Buffer.byteLength(errors),
      };
      await this.#record(position);
      this.#position = position;
    } catch (error) {
      throw unwritable(this.path, error);
    }
  }

  /** @param start - what replaces as many bytes at the start: facts that are known only now */
  async finish(start: Uint8Array = new Uint8Array(0)): Promise<void> {
    try {
      if (start.length > 0) {
        const rewritten = await open(partialOf(this.path), 'r+'); // what is opened to append writes nowhere else
        await rewritten.write(start, 0, start.length, 0);
        await rewritten.close();
      }
      await this.#output.sync();
      await this.#errors.sync();
      await this.#closeFiles();
      await rename(partialOf(this.path), this.path);
      if (this.#position.errorBytes === 0) await rm(errorsOf(this.path), { force: true });
      await syncFolderOf(this.path);
      await rm(journalOf(this.path), { force: true });
    } catch (error) {
      throw unwritable(this.path, error);
    }
  }

  /** What has come is kept for the next time, unless it has been finished. */
  async close(): Promise<void> {
    await this.#closeFiles();
    this.#lock.release();
  }

  async #closeFiles(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await Promise.all([this.#output, this.#errors, this.#journal].map((file) => file.close()));
  }

  async #record(line: Beginning | Position): Promise<void> {
    await this.#journal.appendFile(`${JSON.stringify(line)}\n`);
    await this.#journal.datasync();
  }
}

export function partialOf(path: string): string {
  return `${path}.partial`;
}

/** Where items are set aside, each with its error. */
export function errorsOf(path: string): string {
  return `${path}.errors.jsonl`;
}

function journalOf(path: string): string {
  return `${path}.journal`;
}

async function lockOf(path: string): Promise<NativeFileLock> {
  const lock = new (nativeBinding().FileLock)();
  let isOurs: boolean;
  try {
    if ((await stat(path).catch(() => undefined))?.isDirectory()) {
      throw Object.assign(new Error(`${path} is a folder`), { code: 'EISDIR' });
    }
    await access(dirname(path), constants.W_OK);
    isOurs = lock.acquire(`${path}.lock`);
  } catch (error) {
    throw unwritable(path, error);
  }
  if (isOurs) return lock;
  throw new CrossrankError(
    'ERR_OUTPUT',
    `another process is writing ${path}; wait for it, or name another --output`,
  );
}

interface Journal {
  beginning: Beginning;
  position: Position;
  /** Where its last whole line ends. */
  bytes: number;
}

/** Undefined where none was begun. A last line that is not whole was not durable, and does not count. */
async function readJournal(path: string): Promise<Journal | undefined> {
  const text = await readFile(journalOf(path), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw unwritable(path, error);
  });
  const lines = text.split('\n').slice(0, -1);
  let bytes = 0;
  let beginning: Beginning | undefined;
  let position = START;
  for (const line of lines) {
    const parsed = parseObject(line);
    if (parsed === undefined) break;
    if (beginning === undefined) beginning = parsed as unknown as Beginning;
    else position = parsed as unknown as Position;
    bytes += Buffer.byteLength(line) + 1;
  }
  return beginning === undefined ? undefined : { beginning, position, bytes };
}

/** An output that got its name while its journal was still there: the last steps are taken again. */
async function takeBack(path: string): Promise<void> {
  const partial = await stat(partialOf(path)).catch(() => undefined);
  if (partial !== undefined && partial.size > 0) return;
  await rename(path, partialOf(path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

/** To be appended to, from where the journal says. */
async function openCut(path: string, bytes: number): Promise<FileHandle> {
  const handle = await open(path, 'a');
  const { size } = await handle.stat();
  if (size < bytes) {
    await handle.close();
    throw new CrossrankError(
      'ERR_OUTPUT',
      `${path} is shorter than its journal says: ${size} bytes of ${bytes}; begin anew with --restart`,
    );
  }
  await handle.truncate(bytes);
  return handle;
}

/** What to do about a file that cannot be written, by the code of the error. */
const ADVICE: Readonly<Record<string, string>> = {
  ENOENT: 'make its folder',
  ENOTDIR: 'name a file in a folder',
  EISDIR: 'name a file',
  ENOSPC: 'make room',
  EDQUOT: 'make room',
  EFBIG: 'raise the limit of file sizes (ulimit -f)',
};

function unwritable(path: string, error: unknown): unknown {
  if (error instanceof CrossrankError) return error;
  const { code = String(error) } = error as NodeJS.ErrnoException;
  const advice = ADVICE[code] ?? 'give this user the right to write there';
  return new CrossrankError(
    'ERR_OUTPUT',
    `${path} cannot be written (${code}); ${advice}, and run the same command again: what was done is kept, and it goes on ` +
      'from there',
    { cause: error },
  );
}
