import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { nativeBinding } from '../native/binding';
import { DownloadError } from './failures';

const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 500;

/**
 * Runs while nobody else, in any process or thread, is at work on the same file of the cache: who comes second waits, and
 * then finds what the first has left.
 *
 * The lock is the system's (`flock`; on Windows a file that nobody else may open), on the file that huggingface_hub locks
 * the same way, so that both wait for each other. It ends with its holder, however that ends: a killed download leaves
 * nothing to take over. Where a file system does not honour it (some network ones), two may fetch the same file at once;
 * what comes is checked all the same before it gets its name.
 */
export async function locked<T>(path: string, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  const lock = new (nativeBinding().FileLock)();
  try {
    await mkdir(dirname(path), { recursive: true });
    for (let waitMs = FIRST_WAIT_MS; !lock.acquire(path); waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
      await wait(waitMs * (1 - Math.random() / 4), undefined, { signal });
    }
  } catch (error) {
    signal.throwIfAborted(); // with the reason itself
    throw new DownloadError(`${path} cannot be locked: ${(error as Error).message}`, { cause: error });
  }
  try {
    return await run();
  } finally {
    lock.release();
  }
}
