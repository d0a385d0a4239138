import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Block, blocksOf, type Range } from './blocks';
import { cutLong } from './long-sentence';
import { contentLinesOf, sentencesOf, trim } from './sentences';
import type { TokenMap } from './token-map';

/** A heading with those above it, the outermost last. */
export interface Heading extends Range {
  level: number;
  above: Heading | undefined;
}

/** What a chunk is made of: a sentence, a line of code, a heading, or a part of one that is too long. */
export interface Segment extends Range {
  /** What ends before it. */
  border: 'sentence' | 'paragraph' | 'section';
  /** The innermost heading that it stands under; of a heading itself, the one above. */
  under: Heading | undefined;
}

/** Units of text cut in one turn of the event loop: a few milliseconds. */
const UNITS_PER_TURN = 16 * 1024;

/** The segments of a text, in order; all that is not space is in one, and none has more than `maxTokens(under)`. */
export async function segmentsOf(
  text: string,
  tokens: TokenMap,
  maxTokens: (under: Heading | undefined) => number,
): Promise<Segment[]> {
  const segments: Segment[] = [];
  let under: Heading | undefined;
  let turn = 0;
  for (const block of blocksOf(text)) {
    const heading = headingOf(block, text, under);
    if (heading !== undefined) under = heading.above;
    let border: Segment['border'] = heading === undefined ? 'paragraph' : 'section';
    for (const range of partsOf(block, text)) {
      for (const part of cutLong(text, range, tokens, maxTokens(under))) {
        segments.push({ ...part, border, under });
        border = 'sentence';
        if (part.end - turn < UNITS_PER_TURN) continue;
        turn = part.end;
        await nextTurn();
      }
    }
    if (heading !== undefined) under = heading;
  }
  return segments;
}

function headingOf(block: Block, text: string, under: Heading | undefined): Heading | undefined {
  if (block.level === undefined) return undefined;
  let above = under;
  while (above !== undefined && above.level >= block.level) above = above.above;
  return { ...trim(text, block), level: block.level, above };
}

function partsOf(block: Block, text: string): Iterable<Range> {
  if (block.kind === 'prose') return sentencesOf(text, block);
  return block.kind === 'lines' ? contentLinesOf(text, block) : [trim(text, block)];
}
