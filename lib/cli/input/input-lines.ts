import { isUtf8 } from 'node:buffer';
import { blocksOf, linesOfBlock } from '../../files/lines';
import type { Source } from './source';

const BYTE_ORDER_MARK = '\ufeff';

/** A line of the input; without its text where that is no UTF-8. */
export interface InputLine {
  number: number;
  text: string | undefined;
}

/**
 * The lines of a source that are not blank. One that is no UTF-8 costs that line alone.
 * @param onRead - Is told how many bytes have been read
 */
export async function* inputLines(
  { name, chunks }: Source,
  onRead: (bytes: number) => void = () => undefined,
): AsyncGenerator<InputLine> {
  for await (const block of blocksOf(chunks, name)) {
    for (const { number, offset, bytes } of linesOfBlock(block)) {
      const text = isUtf8(bytes) ? bytes.toString('utf8') : undefined;
      const line = number === 1 && text?.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
      if (line?.trim() === '') continue;
      onRead(offset + bytes.length);
      yield { number, text: line };
    }
  }
}
