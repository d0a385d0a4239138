import { isUtf8 } from 'node:buffer';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { CrossrankError } from '../../errors';
import { idOf, parseObject, show, titledText } from '../../files/json-lines';
import {
  blocksOf,
  invalidLine,
  linesOfBlock,
  MAX_LINE_BYTES,
  readChunks,
  unreadable,
} from '../../files/lines';
import { formatOfName, parseTextLine } from '../input/texts';
import { OffsetIndex } from './offset-index';

const FIRST_READ_BYTES = 4096;
const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = '\ufeff';

/** A text that was found, and its own number among all of the file. */
export interface FoundText {
  entry: number;
  text: string;
}

/**
 * Texts of a file by their ids: JSON lines as BEIR has them (`_id`, or `id`, `text`, and a title that stands before it),
 * or `id`, tab, text from a `.tsv`. They stay on the disk; where each begins is in memory, in 8 bytes.
 */
export class TextFile {
  readonly path: string;
  readonly #handle: FileHandle;
  readonly #index: OffsetIndex;

  private constructor(path: string, handle: FileHandle, index: OffsetIndex) {
    this.path = path;
    this.#handle = handle;
    this.#index = index;
  }

  /**
   * Reads the file once.
   * @param onProgress - is told the share that was read
   * @throws CrossrankError with `ERR_DATASET_INVALID`, naming file and line; with the reason of the signal
   */
  static async open(
    path: string,
    signal: AbortSignal,
    onProgress: (share: number) => void,
  ): Promise<TextFile> {
    const index = new OffsetIndex();
    const { size } = await stat(path).catch((cause) => {
      throw unreadable(path, cause);
    });
    for await (const block of blocksOf(readChunks(path), path)) {
      signal.throwIfAborted();
      onProgress(block.offset / size);
      for (const { number, offset, bytes } of linesOfBlock(block)) {
        if (!isUtf8(bytes)) throw invalidLine(path, number, 'UTF-8', 'other bytes');
        const line = lineText(bytes, offset);
        if (line.trim() !== '') index.add(parseLine(line, path, number).id, offset);
      }
    }
    index.seal();
    if (index.size === 0) throw new CrossrankError('ERR_DATASET_INVALID', `${path} holds no texts`);
    const handle = await open(path).catch((cause) => {
      throw unreadable(path, cause);
    });
    return new TextFile(path, handle, index);
  }

  /** How many texts there are. */
  get size(): number {
    return this.#index.size;
  }

  /** @throws CrossrankError with `ERR_DATASET_INVALID`: the id stands there twice, or the file has changed */
  async find(id: string): Promise<FoundText | undefined> {
    let found: FoundText | undefined;
    for (const { entry, offset } of this.#index.candidates(id)) {
      const line = parseLine(await this.#lineAt(offset), this.path, `at byte ${offset}`);
      if (line.id !== id) continue;
      if (found !== undefined) {
        const message = `${this.path} has the id ${JSON.stringify(id)} twice; each text needs an id of its own`;
        throw new CrossrankError('ERR_DATASET_INVALID', message);
      }
      found = { entry, text: line.text };
    }
    return found;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #lineAt(offset: number): Promise<string> {
    for (let size = FIRST_READ_BYTES; ; size *= 4) {
      const { buffer, bytesRead } = await this.#handle.read(Buffer.allocUnsafe(size), 0, size, offset);
      const newline = buffer.subarray(0, bytesRead).indexOf(NEWLINE);
      if (newline < 0 && bytesRead === size && size <= MAX_LINE_BYTES) continue;
      const end = newline < 0 ? bytesRead : newline;
      return lineText(buffer.subarray(0, end), offset);
    }
  }
}

function lineText(bytes: Buffer, offset: number): string {
  const text = bytes.toString('utf8');
  return offset === 0 && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
}

function parseLine(line: string, path: string, place: number | string): { id: string; text: string } {
  if (formatOfName(path) === 'tsv') {
    const parsed = parseTextLine(line.endsWith('\r') ? line.slice(0, -1) : line, 'tsv', { text: 'text' });
    if ('expected' in parsed) throw invalidLine(path, place, parsed.expected, parsed.found);
    return { id: parsed.id as string, text: parsed.text };
  }
  const object = parseObject(line);
  if (object === undefined) throw invalidLine(path, place, 'a JSON object with _id and text', line);
  const id = idOf(object._id ?? object.id);
  if (id === undefined) {
    throw invalidLine(path, place, 'a string that is not empty for _id', show(object._id ?? object.id));
  }
  return { id, text: titledText(object, path, place) };
}
