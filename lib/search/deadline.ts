import { CrossrankError } from '../errors';

/** What a timer can wait at most, 24.8 days; a longer time would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The time and the signal that all stages of one search share. */
export class Deadline {
  readonly started = performance.now();
  readonly #timeoutMs: number;
  readonly #caller: AbortSignal | undefined;

  constructor(timeoutMs: number | undefined, caller: AbortSignal | undefined) {
    this.#timeoutMs = timeoutMs ?? Number.POSITIVE_INFINITY;
    this.#caller = caller;
  }

  /** Milliseconds since the search began. */
  elapsed(): number {
    return performance.now() - this.started;
  }

  /** Milliseconds that are left, or undefined where there is no limit. */
  remaining(): number | undefined {
    return this.#timeoutMs === Number.POSITIVE_INFINITY
      ? undefined
      : Math.max(0, this.#timeoutMs - this.elapsed());
  }

  /**
   * Runs a stage with a signal that is aborted with the caller's, or when time is over.
   * @throws the caller's reason, or {@link CrossrankError} with `ERR_TIMEOUT`, also where the stage does not listen
   */
  async run<T>(stage: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const remaining = this.remaining();
    const onAbort = () => controller.abort(this.#caller?.reason);
    const timer =
      remaining === undefined
        ? undefined
        : setTimeout(() => controller.abort(this.#timedOut(stage)), Math.min(remaining, LONGEST_TIMER_MS));
    this.#caller?.addEventListener('abort', onAbort, { once: true });
    if (this.#caller?.aborted) onAbort();
    const ended = new Promise<never>((_, reject) => {
      controller.signal.addEventListener('abort', () => reject(controller.signal.reason), { once: true });
    });
    ended.catch(() => undefined); // it may reject when nobody waits any more
    try {
      controller.signal.throwIfAborted();
      return await Promise.race([work(controller.signal), ended]);
    } finally {
      clearTimeout(timer);
      this.#caller?.removeEventListener('abort', onAbort);
    }
  }

  #timedOut(stage: string): CrossrankError {
    return new CrossrankError('ERR_TIMEOUT', `timeoutMs ${this.#timeoutMs} passed during ${stage}`);
  }
}
