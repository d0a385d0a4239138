import { decodeFloats } from '../../base64-floats';
import { type ItemAnswer, type ItemError, itemError, type QueryItem, type Ranked } from '../../bulk/protocol';
import { CrossrankError } from '../../errors';
import { columnOf, queryLines } from '../../evaluation/files';
import { formatOf } from '../../evaluation/line-formats';
import { encodeVectors, type VectorFormat } from '../embed/vector-writer';
import { inputLines } from '../input/input-lines';
import { openSource } from '../input/source';
import { formatOfName, parseTextLine, type TextsOptions } from '../input/texts';
import { batchAnswer, LineError, readBatchQuery } from '../rerank/batch';
import type { Placed, RerankTask } from '../rerank/records';
import { runEntries } from '../rerank/run-groups';
import type { RunTexts } from '../rerank/run-texts';

/** One item of the input: it gets one result, or one error. */
export type BulkItem<Sent> = {
  /** Where it begins in the input. */
  line: number;
  id?: unknown;
  /** What it adds to the output; of one that was set aside, what stands in its place. */
  write: (answer: ItemAnswer) => string | Uint8Array;
} & (
  | { sent: Sent; pairs: number; units: number }
  /** It is not sent to any worker. */
  | { error: ItemError }
);

/** How an input is read. */
export interface Reading {
  path: string;
  signal: AbortSignal;
  /** Items to leave out at the start: they are written already. */
  skip: number;
  /** Is told how many bytes have been read. */
  onRead: (bytes: number) => void;
}

/** Lines of `{ query, documents }`, answered as `crossrank rerank --batch` answers them. */
export async function* batchItems(
  { path, signal, skip, onRead }: Reading,
  task: RerankTask,
): AsyncGenerator<BulkItem<QueryItem>> {
  let left = skip;
  for await (const input of inputLines(openSource(path, signal), onRead)) {
    if (left-- > 0) continue;
    const line = input.number;
    try {
      const { id, query, records } = readBatchQuery(input, task);
      const documents = records.map(({ text }) => text);
      const write = (answer: ItemAnswer) => {
        if (!('index' in answer)) return '';
        return `${JSON.stringify(batchAnswer(line, id, placesOf(answer), records, task))}\n`;
      };
      yield { line, id, ...sizeOf({ query, documents }), write };
    } catch (error) {
      if (!(error instanceof LineError)) throw error;
      yield wrongItem(line, error.id, `line ${line}: ${error.message}`);
    }
  }
}

/** Queries of a run, written as a run. */
export async function* runItems(
  { path, signal, skip, onRead }: Reading,
  texts: RunTexts,
  { output, initialK, tag }: { output: string; initialK: number; tag: string },
): AsyncGenerator<BulkItem<QueryItem>> {
  let left = skip;
  const format = formatOf(output) === 'jsonl' ? 'jsonl' : 'trec';
  const column = columnOf(tag, 'tag');
  for await (const entry of runEntries(openSource(path, signal), initialK, onRead)) {
    const { line } = entry;
    if ('error' in entry) {
      if (left-- <= 0) yield wrongItem(line, undefined, entry.error.message);
      continue;
    }
    const { query: id } = entry;
    try {
      const query = await texts.queryText(entry);
      if (query === undefined || left-- > 0) continue;
      const { ids, texts: documents } = await texts.textsOf(entry);
      const write = (answer: ItemAnswer) => {
        if (!('index' in answer)) return '';
        const found = placesOf(answer).map(({ index, score }) => ({ id: ids[index] as string, score }));
        return [...queryLines(id, found, format, column)].join('');
      };
      yield { line, id, ...sizeOf({ query, documents }), write };
    } catch (error) {
      if (!(error instanceof CrossrankError && error.code === 'ERR_DATASET_INVALID')) throw error;
      yield wrongItem(line, id, error.message);
    }
  }
}

/** Texts, written as vectors. */
export async function* textItems(
  { path, signal, skip, onRead }: Reading,
  options: TextsOptions,
  { format, dimension }: { format: VectorFormat; dimension: number },
): AsyncGenerator<BulkItem<string>> {
  let left = skip;
  const parsedAs = options.format ?? formatOfName(path) ?? 'text';
  // Values alone have no ids: so that each row stays at its place, one without a vector is not a number.
  const missing =
    format === 'jsonl' ? '' : new Uint8Array(new Float32Array(dimension).fill(Number.NaN).buffer);
  for await (const { number: line, text } of inputLines(openSource(path, signal), onRead)) {
    if (left-- > 0) continue;
    const parsed =
      text === undefined
        ? { expected: 'UTF-8', found: 'other bytes' }
        : parseTextLine(text, parsedAs, options);
    if ('expected' in parsed) {
      const { message } = new LineError(parsed.expected, parsed.found);
      yield { ...wrongItem(line, undefined, `line ${line}: ${message}`), write: () => missing };
      continue;
    }
    const { id } = parsed;
    const write = (answer: ItemAnswer) =>
      'vector' in answer ? encodeVectors([{ id, vector: decodeFloats(answer.vector) }], format) : missing;
    yield { line, id, sent: parsed.text, pairs: 1, units: parsed.text.length, write };
  }
}

function sizeOf(sent: QueryItem): { sent: QueryItem; pairs: number; units: number } {
  const { query, documents } = sent;
  const units = documents.reduce((sum, { length }) => sum + length, query.length);
  return { sent, pairs: documents.length, units };
}

function wrongItem(line: number, id: unknown, message: string): BulkItem<never> {
  const error = itemError(new CrossrankError('ERR_DATASET_INVALID', message));
  return { line, ...(id === undefined ? {} : { id }), error, write: () => '' };
}

function placesOf({ index, scores, truncated, spans }: Ranked): Placed[] {
  const values = decodeFloats(scores);
  const cut = new Set(truncated);
  return index.map((each, place) => {
    const span = spans?.[place];
    const where = span ? { span: { start: span[0], end: span[1] } } : {};
    return { index: each, score: values[place] as number, truncated: cut.has(place), ...where };
  });
}
