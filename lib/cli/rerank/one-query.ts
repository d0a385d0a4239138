import { CrossrankError } from '../../errors';
import type { Reranker } from '../../reranker';
import { readTexts, type TextFormat, type TextRecord } from '../input/texts';
import { oneLine, shorten } from '../one-line';
import type { Output } from '../output';
import { type RerankTask, resultRecord } from './records';

export interface OneQueryTask extends RerankTask {
  query: string;
  /** A file, or `-`. */
  path: string;
  format: TextFormat | undefined;
  json: boolean;
}

/** Ranks the documents of a file for one query, and writes them best first. */
export async function rerankOneQuery(
  load: () => Promise<Reranker>,
  task: OneQueryTask,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  const { query, path, format, text, id, options } = task;
  const records: TextRecord[] = [];
  for await (const some of readTexts(path, { format, text, id }, signal)) {
    for (const record of some) records.push(record);
  }
  if (records.length === 0) {
    const name = path === '-' ? 'standard input' : path;
    throw new CrossrankError('ERR_DATASET_INVALID', `${name} holds no documents`);
  }
  await using reranker = await load();
  const texts = records.map((record) => record.text);
  const { results } = await reranker.rerank(query, texts, { ...options, returnDocuments: false, signal });
  for (const result of results) {
    const record = records[result.index] as TextRecord;
    const line = task.json
      ? JSON.stringify(resultRecord(result, record, task.documents))
      : textLine(result, record, process.stdout);
    await output.write(`${line}\n`);
  }
  return 0;
}

/** Score, id (or place in the input, from 1) and text with tabs between; as wide as a terminal. */
function textLine(
  { index, score, truncated }: { index: number; score: number; truncated: boolean },
  { id, text }: TextRecord,
  { isTTY, columns }: NodeJS.WriteStream,
): string {
  const start = `${score.toFixed(4)}\t${oneLine(id ?? String(index + 1))}\t`;
  const mark = truncated ? ' (cut)' : '';
  if (!isTTY) return `${start}${oneLine(text)}${mark}`;
  const room = (columns || 80) - start.length - TAB_COLUMNS - mark.length;
  return `${start}${shorten(text, Math.max(20, room))}${mark}`;
}

/** What two tabs add to their two characters, at most. */
const TAB_COLUMNS = 14;
