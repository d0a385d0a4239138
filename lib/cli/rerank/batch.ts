import { CrossrankError } from '../../errors';
import { parseObject, show } from '../../files/json-lines';
import { invalidLine } from '../../files/lines';
import type { Reranker } from '../../reranker';
import { inOrder } from '../in-order';
import { type InputLine, inputLines } from '../input/input-lines';
import { openSource } from '../input/source';
import { recordOf, type TextRecord } from '../input/texts';
import type { Output } from '../output';
import { type Placed, type RerankTask, resultRecord } from './records';

export interface BatchTask extends RerankTask {
  /** A file, or `-`. */
  path: string;
  /** The first line that is wrong ends it. */
  strict: boolean;
}

/** Calls that are under way at a time, so that reading and writing do not keep the engine waiting. */
const AT_ONCE = 4;
const EXPECTED = 'a JSON object with query and documents';

/** A line of the input that is wrong. */
export class LineError extends Error {
  /** Of a line that tells it. */
  id: unknown;
  readonly expected: string;
  readonly found: string;

  constructor(expected: string, found: string) {
    super(`expected ${expected} but found ${found.length > 80 ? `${found.slice(0, 80)}…` : found}`);
    this.expected = expected;
    this.found = found;
  }
}

/**
 * Answers lines of `{ query, documents }` with a line each, in their order. A line that is wrong is answered with what is
 * wrong with it.
 * @returns exit code 1 where there was one
 */
export async function rerankBatch(
  load: () => Promise<Reranker>,
  task: BatchTask,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  await using reranker = await load();
  let failed = 0;
  let lines = 0;
  for await (const answer of inOrder(inputLines(openSource(task.path, signal)), AT_ONCE, (line) =>
    answerOf(reranker, line, task, signal),
  )) {
    lines++;
    if ('error' in answer) failed++;
    await output.write(`${JSON.stringify(answer)}\n`);
  }
  if (failed === 0) return 0;
  console.error(`${failed} of ${lines} lines were wrong; their answers tell why`);
  return 1;
}

type Answer = Record<string, unknown>;

async function answerOf(
  reranker: Reranker,
  line: InputLine,
  task: BatchTask,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    const { id, query, records } = readBatchQuery(line, task);
    const texts = records.map((record) => record.text);
    const { results } = await reranker.rerank(query, texts, {
      ...task.options,
      returnDocuments: false,
      signal,
    });
    return batchAnswer(line.number, id, results, records, task);
  } catch (error) {
    if (!(error instanceof LineError)) throw error;
    const { number } = line;
    if (task.strict) {
      const name = task.path === '-' ? 'standard input' : task.path;
      throw invalidLine(name, number, error.expected, error.found);
    }
    const { code, message } = new CrossrankError('ERR_DATASET_INVALID', `line ${number}: ${error.message}`);
    return { ...asked(number, error.id), error: { code, message } };
  }
}

/** A query of the input with its documents. */
export interface BatchQuery {
  id: unknown;
  query: string;
  records: TextRecord[];
}

/** @throws LineError */
export function readBatchQuery({ text }: InputLine, task: RerankTask): BatchQuery {
  if (text === undefined) throw new LineError('UTF-8', 'other bytes');
  const object = parseObject(text);
  if (object === undefined) throw new LineError(EXPECTED, text);
  const { id, query, documents } = object;
  try {
    if (typeof query !== 'string') throw new LineError('a string for query', show(query));
    if (!Array.isArray(documents)) throw new LineError('an array for documents', show(documents));
    return { id, query, records: documents.map((document, i) => documentRecord(document, i, task)) };
  } catch (error) {
    if (error instanceof LineError) error.id = id;
    throw error;
  }
}

/** The answer to a line. */
export function batchAnswer(
  line: number,
  id: unknown,
  results: readonly Placed[],
  records: readonly TextRecord[],
  { documents }: RerankTask,
): Answer {
  return {
    ...asked(line, id),
    results: results.map((each) => resultRecord(each, records[each.index] as TextRecord, documents)),
  };
}

function asked(line: number, id: unknown): Answer {
  return { line, ...(id === undefined ? {} : { id }) };
}

function documentRecord(document: unknown, index: number, { text, id }: RerankTask): TextRecord {
  if (typeof document === 'string') return { text: document, given: document };
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new LineError(`a string or an object for documents[${index}]`, show(document));
  }
  const parsed = recordOf(document as Record<string, unknown>, text, id);
  if ('expected' in parsed) throw new LineError(`${parsed.expected} of documents[${index}]`, parsed.found);
  return parsed;
}
