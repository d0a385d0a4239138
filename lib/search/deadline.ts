import { DeadlinePassed, orAbort, withDeadline } from '../deadline';
import { CrossrankError } from '../errors';

/** The time and the signal that all stages of one search share. */
export class Deadline {
  readonly #started = performance.now();
  readonly #timeoutMs: number | undefined;
  readonly #caller: AbortSignal;

  constructor(timeoutMs: number | undefined, caller: AbortSignal) {
    this.#timeoutMs = timeoutMs;
    this.#caller = caller;
  }

  /** Milliseconds since the search began. */
  elapsed(): number {
    return performance.now() - this.#started;
  }

  /** Milliseconds that are left, or undefined where there is no limit. */
  remaining(): number | undefined {
    return this.#timeoutMs === undefined ? undefined : Math.max(0, this.#timeoutMs - this.elapsed());
  }

  /**
   * Runs a stage with a signal that is aborted with the caller's, or when time is over, and waits no longer than that,
   * also where the stage does not listen.
   * @throws the caller's reason, or {@link CrossrankError} with `ERR_TIMEOUT`
   */
  async run<T>(stage: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await withDeadline(this.#caller, this.remaining(), (signal) => orAbort(work(signal), signal));
    } catch (error) {
      if (!(error instanceof DeadlinePassed)) throw error;
      throw new CrossrankError('ERR_TIMEOUT', `timeoutMs ${this.#timeoutMs} passed during ${stage}`);
    }
  }
}
