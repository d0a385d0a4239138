/** What a timer can wait at most, 24.8 days; a longer time would fire at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The reason of a signal whose time is over. */
export class DeadlinePassed extends Error {}

/**
 * Runs with a signal that aborts when `parent` does, with its reason, or when `timeoutMs` pass, with
 * {@link DeadlinePassed}. Rejects with that reason, whatever `run` makes of it, and leaves neither a timer nor a
 * listener behind. (`AbortSignal.any` is not in Node.js 20.0, and leaked on long-lived parents in several versions.)
 */
export async function withDeadline<R>(
  parent: AbortSignal | undefined,
  timeoutMs: number | undefined,
  run: (signal: AbortSignal) => Promise<R>,
): Promise<R> {
  parent?.throwIfAborted();
  const controller = new AbortController();
  const onAbort = () => controller.abort(parent?.reason);
  parent?.addEventListener('abort', onAbort, { once: true });
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => controller.abort(new DeadlinePassed()), Math.min(timeoutMs, LONGEST_TIMER_MS));
  try {
    return await run(controller.signal);
  } catch (error) {
    controller.signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    parent?.removeEventListener('abort', onAbort);
  }
}

/**
 * The promise, or the signal's reason as soon as it is aborted: for work that cannot be ended, or does not listen. It goes
 * on; what becomes of it is nobody's business then.
 */
export async function orAbort<R>(promise: Promise<R>, signal: AbortSignal | undefined): Promise<R> {
  if (signal === undefined) return promise;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}
