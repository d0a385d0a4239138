/** As shells count a process that SIGINT ended. */
export const INTERRUPTED = 130;

/**
 * Runs a command that Ctrl-C or SIGTERM ends: the first one aborts the signal, so that what was done can be written, a
 * second one ends the process at once.
 * @param nothingDone - Said where the command rejects with the signal's reason; the exit code is {@link INTERRUPTED}
 */
export async function untilInterrupted(
  run: (signal: AbortSignal) => Promise<number>,
  nothingDone: string,
): Promise<number> {
  const interrupt = new AbortController();
  const onInterrupt = () => interrupt.abort();
  process.once('SIGINT', onInterrupt);
  process.once('SIGTERM', onInterrupt);
  try {
    return await run(interrupt.signal);
  } catch (error) {
    if (!interrupt.signal.aborted || error !== interrupt.signal.reason) throw error;
    console.error(nothingDone);
    return INTERRUPTED;
  } finally {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onInterrupt);
  }
}
