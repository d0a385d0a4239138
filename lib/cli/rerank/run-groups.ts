import { duplicate, entryOf } from '../../evaluation/files';
import { formatOf, parseJsonEntry, parseTrecRun } from '../../evaluation/line-formats';
import { Shortlist } from '../../evaluation/shortlist';
import type { ScoredDocument } from '../../evaluation/types';
import { type Lines, linesOf } from '../../files/lines';
import type { Source } from '../input/source';

/** A query of a run with the best of its documents, best first. */
export interface RunGroup {
  query: string;
  found: ScoredDocument[];
  /** Where it begins in the run. */
  line: number;
}

/**
 * The queries of a run, one after the other: one of them is in memory, and of it no more than twice `depth`.
 * @throws CrossrankError with `ERR_DATASET_INVALID`, naming file and line
 */
export async function* runGroups({ name, chunks }: Source, depth: number): AsyncGenerator<RunGroup> {
  const parse = formatOf(name) === 'jsonl' ? parseJsonEntry : parseTrecRun;
  let group: { query: string; shortlist: Shortlist; line: number } | undefined;
  const asGroup = ({ query, shortlist, line }: NonNullable<typeof group>): RunGroup => {
    return { query, found: shortlist.best(), line };
  };
  for await (const { text, number } of eachText(linesOf(chunks, name))) {
    const { query, id, score } = entryOf(parse(text), name, number);
    if (group?.query !== query) {
      if (group !== undefined) yield asGroup(group);
      group = { query, shortlist: new Shortlist(depth), line: number };
    }
    if (!group.shortlist.add({ id, score })) throw duplicate(name, number, query, id);
  }
  if (group !== undefined) yield asGroup(group);
}

async function* eachText(lines: AsyncIterable<Lines>): AsyncGenerator<{ text: string; number: number }> {
  for await (const { first, texts } of lines) {
    for (const [i, text] of texts.entries()) if (text.trim() !== '') yield { text, number: first + i };
  }
}
