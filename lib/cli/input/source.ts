import { readChunks, unreadable } from '../../files/lines';

/** What messages call standard input. */
const STANDARD_INPUT = 'standard input';

/** Bytes of a file, or of standard input. */
export interface Source {
  /** In messages. */
  name: string;
  chunks: AsyncIterable<Buffer>;
}

/**
 * @param path - `-` is standard input
 * @param signal - ends the reading, also while nothing comes; it then rejects with the signal's reason
 */
export function openSource(path: string, signal: AbortSignal): Source {
  if (path === '-') return { name: STANDARD_INPUT, chunks: readStandardInput(signal) };
  return { name: path, chunks: untilAborted(readChunks(path), signal) };
}

async function* untilAborted(chunks: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    yield chunk;
  }
}

async function* readStandardInput(signal: AbortSignal): AsyncGenerator<Buffer> {
  const onAbort = () => process.stdin.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const chunk of process.stdin) {
      signal.throwIfAborted();
      yield chunk as Buffer;
    }
  } catch (cause) {
    signal.throwIfAborted();
    throw unreadable(STANDARD_INPUT, cause);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
  signal.throwIfAborted();
}
