import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { CrossrankError } from '../errors';

/** A line that is longer is none of these formats; the longest string of V8 is not much longer. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;
const READ_BYTES = 256 * 1024;
const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = '\ufeff';

/** Lines that were read together, so that not each of millions waits for a turn. */
export interface Lines {
  /** Number of the first, from 1. */
  first: number;
  /** Without their ends. */
  texts: string[];
}

/**
 * Reads a file as UTF-8, line by line: a part of it is in memory. Lines end with `\n` or `\r\n`, and nothing else (Node's
 * readline also breaks at U+2028, which JSON strings may hold). A byte order mark at the start is left out.
 * @throws {@link CrossrankError} with `ERR_DATASET_INVALID`: no file, no UTF-8, a line of more than 64 MiB
 */
export async function* readLines(path: string): AsyncGenerator<Lines> {
  let first = 1;
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of readChunks(path)) {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      const texts = split(path, first, Buffer.concat([...rest, chunk.subarray(0, end - 1)]));
      yield { first, texts };
      first += texts.length;
      rest = [];
      restBytes = 0;
    }
    rest.push(chunk.subarray(end));
    restBytes += chunk.length - end;
    if (restBytes > MAX_LINE_BYTES) throw invalidLine(path, first, 'at most 64 MiB', 'a longer line');
  }
  if (restBytes > 0) yield { first, texts: split(path, first, Buffer.concat(rest)) };
}

/** The lines of a file that are not blank, each with its number. */
export async function eachLine(path: string, visit: (text: string, number: number) => void): Promise<void> {
  for await (const { first, texts } of readLines(path)) {
    texts.forEach((text, i) => {
      if (text.trim() !== '') visit(text, first + i);
    });
  }
}

async function* readChunks(path: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path, { highWaterMark: READ_BYTES });
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
    const message = reason === 'ENOENT' ? `there is no file ${path}` : `${path} cannot be read (${reason})`;
    throw new CrossrankError('ERR_DATASET_INVALID', message, { cause });
  }
}

function split(path: string, first: number, bytes: Buffer): string[] {
  if (!isUtf8(bytes)) throw invalidLine(path, first + lineOfInvalid(bytes), 'UTF-8', 'other bytes');
  const text = bytes.toString('utf8');
  const start = first === 1 && text.startsWith(BYTE_ORDER_MARK) ? 1 : 0;
  return text
    .slice(start)
    .split('\n')
    .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
}

/** Lines before the first that is not UTF-8. */
function lineOfInvalid(bytes: Buffer): number {
  for (let line = 0, from = 0; ; line++) {
    const newline = bytes.indexOf(NEWLINE, from);
    const end = newline < 0 ? bytes.length : newline;
    if (newline < 0 || !isUtf8(bytes.subarray(from, end))) return line;
    from = newline + 1;
  }
}

/** "corpus.jsonl, line 3: expected X but found Y" */
export function invalidLine(path: string, number: number, expected: string, found: string): CrossrankError {
  const shown = found.length > 80 ? `${found.slice(0, 80)}…` : found;
  return new CrossrankError(
    'ERR_DATASET_INVALID',
    `${path}, line ${number}: expected ${expected} but found ${shown}`,
  );
}
