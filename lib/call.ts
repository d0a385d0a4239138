import { setImmediate as nextTurn } from 'node:timers/promises';
import { LONGEST_TIMER_MS } from './deadline';
import type { NativeOutcome, NativeRequest } from './native/binding';
import type { ScoringOptions } from './options';

/** UTF-16 units copied to native memory in one turn of the event loop: about 0.2 ms. */
const UNITS_PER_TURN = 256 * 1024;

/**
 * Hands the documents of a call to the engine, turn by turn of the event loop, and waits for the answer, for the
 * deadline, or for an abort, whichever comes first.
 *
 * A deadline that passes while documents are still being copied takes effect once the engine has them all: only then
 * can it tell what the answer is. An abort ends the copying.
 *
 * @param started - `performance.now()` of the call, from which `timeoutMs` counts
 */
export async function answerOf(
  request: NativeRequest,
  documents: readonly string[],
  queryOf: Uint32Array | undefined,
  { timeoutMs, signal }: Pick<ScoringOptions, 'timeoutMs' | 'signal'>,
  started: number,
): Promise<NativeOutcome> {
  let timedOut = false;
  const onTime = () => {
    timedOut = true;
    request.cancel(true);
  };
  const onAbort = () => request.cancel(false);
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(onTime, Math.min(timeoutMs - (performance.now() - started), LONGEST_TIMER_MS));
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    for (let first = 0; first < documents.length; ) {
      const end = endOfTurn(documents, first);
      request.addDocuments(documents, first, end, queryOf);
      first = end;
      if (first < documents.length) await nextTurn();
      signal?.throwIfAborted();
    }
    const answer = request.run();
    if (timedOut) request.cancel(true);
    return await answer;
  } catch (error) {
    // The addon does not know the reason.
    if ((error as { code?: unknown }).code === 'ERR_ABORTED') signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** Whether the call's time is over; throws the signal's reason where it was aborted. */
export function isCallOver(
  { timeoutMs = Number.POSITIVE_INFINITY, signal }: Pick<ScoringOptions, 'timeoutMs' | 'signal'>,
  started: number,
): boolean {
  signal?.throwIfAborted();
  return performance.now() - started >= timeoutMs;
}

function endOfTurn(documents: readonly string[], first: number): number {
  let end = first;
  for (let units = 0; end < documents.length && units < UNITS_PER_TURN; end++) {
    units += 64 + (documents[end] as string).length;
  }
  return end;
}
