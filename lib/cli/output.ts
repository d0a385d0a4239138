import { INTERRUPTED, untilInterrupted } from './interrupt';

/** Whoever read our standard output has closed it, as `head` does: the work ends, and that is no error. */
const READER_GONE = new Error('the reader of standard output has closed it');
const GONE_CODES: readonly unknown[] = ['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED'];

/** Standard output of a command that writes while it works. */
export class Output {
  readonly #gone = new AbortController();
  readonly #stream: NodeJS.WriteStream;

  constructor(stream: NodeJS.WriteStream = process.stdout) {
    this.#stream = stream;
  }

  /** Aborted when nobody reads any more. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Resolves when there is room for more. */
  write(chunk: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.write(chunk, (error) => {
        if (!error) return resolve();
        const isGone = GONE_CODES.includes((error as NodeJS.ErrnoException).code);
        if (isGone) this.#gone.abort(READER_GONE);
        reject(isGone ? READER_GONE : error);
      });
    });
  }
}

/**
 * Runs a command that writes while it works, until it is done, Ctrl-C or SIGTERM ends it, or nobody reads what it writes:
 * the signal is aborted by any of these, and the last is exit code 0.
 * @param whenInterrupted - what is said then; a function, as it may tell what was done
 */
export async function whileRead(
  run: (output: Output, signal: AbortSignal) => Promise<number>,
  whenInterrupted: () => string,
): Promise<number> {
  const output = new Output();
  return untilInterrupted(async (interrupted) => {
    try {
      return await run(output, AbortSignal.any([interrupted, output.gone]));
    } catch (error) {
      if (interrupted.aborted && error === interrupted.reason) {
        console.error(whenInterrupted());
        return INTERRUPTED;
      }
      if (error === READER_GONE) return 0;
      throw error;
    }
  }, 'interrupted');
}
