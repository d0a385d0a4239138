import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { CrossrankError } from '../errors';

/** A line that is longer is none of these formats; the longest string of V8 is not much longer. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;
const READ_BYTES = 256 * 1024;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const BYTE_ORDER_MARK = '\ufeff';

/** Lines that were read together, so that not each of millions waits for a turn. */
export interface Lines {
  /** Number of the first, from 1. */
  first: number;
  /** Without their ends. */
  texts: string[];
}

/** Whole lines as bytes, in which the last one's end is left out. */
export interface LineBlock {
  /** Number of the first line, from 1. */
  first: number;
  /** Where it begins in the file, in bytes. */
  offset: number;
  bytes: Buffer;
}

/**
 * Reads a file as UTF-8, line by line: a part of it is in memory. Lines end with `\n` or `\r\n`, and nothing else (Node's
 * readline also breaks at U+2028, which JSON strings may hold). A byte order mark at the start is left out.
 * @throws {@link CrossrankError} with `ERR_DATASET_INVALID`: no file, no UTF-8, a line of more than 64 MiB
 */
export function readLines(path: string): AsyncGenerator<Lines> {
  return linesOf(readChunks(path), path);
}

/**
 * The same of bytes that come from anywhere.
 * @param name - what messages call them
 */
export async function* linesOf(chunks: AsyncIterable<Buffer>, name: string): AsyncGenerator<Lines> {
  for await (const { first, bytes } of blocksOf(chunks, name))
    yield { first, texts: split(name, first, bytes) };
}

/** Lines as they lie in the file, a block at a time. @throws as {@link readLines}, but bytes need not be UTF-8 */
export async function* blocksOf(chunks: AsyncIterable<Buffer>, name: string): AsyncGenerator<LineBlock> {
  let first = 1;
  let offset = 0;
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      const bytes = Buffer.concat([...rest, chunk.subarray(0, end - 1)]);
      yield { first, offset, bytes };
      first += countLines(bytes);
      offset += bytes.length + 1;
      rest = [];
      restBytes = 0;
    }
    rest.push(chunk.subarray(end));
    restBytes += chunk.length - end;
    if (restBytes > MAX_LINE_BYTES) throw invalidLine(name, first, 'at most 64 MiB', 'a longer line');
  }
  if (restBytes > 0) yield { first, offset, bytes: Buffer.concat(rest) };
}

/** The lines of a block, where each begins in the file, and its bytes without `\r`. */
export function* linesOfBlock({ first, offset, bytes }: LineBlock): Generator<{
  number: number;
  offset: number;
  bytes: Buffer;
}> {
  for (let number = first, from = 0; ; number++) {
    const newline = bytes.indexOf(NEWLINE, from);
    const end = newline < 0 ? bytes.length : newline;
    const isReturn = end > from && bytes[end - 1] === RETURN;
    yield { number, offset: offset + from, bytes: bytes.subarray(from, isReturn ? end - 1 : end) };
    if (newline < 0) return;
    from = newline + 1;
  }
}

function countLines(bytes: Buffer): number {
  let lines = 1;
  for (let from = bytes.indexOf(NEWLINE); from >= 0; from = bytes.indexOf(NEWLINE, from + 1)) lines++;
  return lines;
}

/** The lines of a file that are not blank, each with its number. */
export async function eachLine(path: string, visit: (text: string, number: number) => void): Promise<void> {
  for await (const { first, texts } of readLines(path)) {
    texts.forEach((text, i) => {
      if (text.trim() !== '') visit(text, first + i);
    });
  }
}

/**
 * The bytes of a file.
 * @throws {@link CrossrankError} with `ERR_DATASET_INVALID`: it cannot be read
 */
export async function* readChunks(path: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path, { highWaterMark: READ_BYTES });
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** @throws {@link CrossrankError} with `ERR_DATASET_INVALID`, as {@link readChunks} would */
export async function checkReadable(path: string): Promise<void> {
  try {
    const handle = await open(path);
    const isFolder = (await handle.stat()).isDirectory();
    await handle.close();
    if (isFolder) throw Object.assign(new Error(), { code: 'EISDIR' });
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** "there is no file corpus.jsonl" */
export function unreadable(path: string, cause: unknown): CrossrankError {
  const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
  const known: Record<string, string> = {
    ENOENT: `there is no file ${path}`,
    EISDIR: `${path} is a folder, and a file is needed`,
  };
  const message = known[reason] ?? `${path} cannot be read (${reason})`;
  return new CrossrankError('ERR_DATASET_INVALID', message, { cause });
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

/**
 * "corpus.jsonl, line 3: expected X but found Y"
 * @param place - number of the line, or another place in the file
 */
export function invalidLine(
  path: string,
  place: number | string,
  expected: string,
  found: string,
): CrossrankError {
  const shown = found.length > 80 ? `${found.slice(0, 80)}…` : found;
  const where = typeof place === 'number' ? `line ${place}` : place;
  return new CrossrankError(
    'ERR_DATASET_INVALID',
    `${path}, ${where}: expected ${expected} but found ${shown}`,
  );
}
