import { CrossrankError } from '../../errors';
import { duplicate, entryOf } from '../../evaluation/files';
import { formatOf, parseJsonEntry, parseTrecRun } from '../../evaluation/line-formats';
import { Shortlist } from '../../evaluation/shortlist';
import type { ScoredDocument } from '../../evaluation/types';
import { invalidLine } from '../../files/lines';
import { inputLines } from '../input/input-lines';
import type { Source } from '../input/source';

/** A query of a run with the best of its documents, best first. */
export interface RunGroup {
  query: string;
  found: ScoredDocument[];
  /** Where it begins in the run. */
  line: number;
}

/** A line that says nothing, and why. */
export interface WrongLine {
  line: number;
  error: CrossrankError;
}

/**
 * The queries of a run, one after the other: one of them is in memory, and of it no more than twice `depth`.
 * @throws CrossrankError with `ERR_DATASET_INVALID`, naming file and line
 */
export async function* runGroups(source: Source, depth: number): AsyncGenerator<RunGroup> {
  for await (const entry of runEntries(source, depth)) {
    if ('error' in entry) throw entry.error;
    yield entry;
  }
}

/** The same, with the lines that are wrong in place of an end at the first; each comes before the query it stands in. */
export async function* runEntries(
  source: Source,
  depth: number,
  onRead?: (bytes: number) => void,
): AsyncGenerator<RunGroup | WrongLine> {
  const { name } = source;
  const parse = formatOf(name) === 'jsonl' ? parseJsonEntry : parseTrecRun;
  let group: { query: string; shortlist: Shortlist; line: number } | undefined;
  const asGroup = ({ query, shortlist, line }: NonNullable<typeof group>): RunGroup => {
    return { query, found: shortlist.best(), line };
  };
  for await (const { text, number } of inputLines(source, onRead)) {
    try {
      if (text === undefined) throw invalidLine(name, number, 'UTF-8', 'other bytes');
      const { query, id, score } = entryOf(parse(text), name, number);
      if (group?.query !== query) {
        if (group !== undefined) yield asGroup(group);
        group = { query, shortlist: new Shortlist(depth), line: number };
      }
      if (!group.shortlist.add({ id, score })) throw duplicate(name, number, query, id);
    } catch (error) {
      if (!(error instanceof CrossrankError)) throw error;
      yield { line: number, error };
    }
  }
  if (group !== undefined) yield asGroup(group);
}
