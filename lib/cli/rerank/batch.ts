import { isUtf8 } from 'node:buffer';
import { CrossrankError } from '../../errors';
import { parseObject, show } from '../../files/json-lines';
import { blocksOf, invalidLine, linesOfBlock } from '../../files/lines';
import type { Reranker } from '../../reranker';
import { inOrder } from '../in-order';
import { openSource } from '../input/source';
import { recordOf, type TextRecord } from '../input/texts';
import type { Output } from '../output';
import { type RerankTask, resultRecord } from './records';

export interface BatchTask extends RerankTask {
  /** A file, or `-`. */
  path: string;
  /** The first line that is wrong ends it. */
  strict: boolean;
}

/** Calls that are under way at a time, so that reading and writing do not keep the engine waiting. */
const AT_ONCE = 4;
const BYTE_ORDER_MARK = '\ufeff';
const EXPECTED = 'a JSON object with query and documents';

/** A line of the input; without its text where that is no UTF-8. */
interface InputLine {
  number: number;
  text: string | undefined;
}

/** A line of the input that is wrong. */
class LineError extends Error {
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
  for await (const answer of inOrder(inputLines(task.path, signal), AT_ONCE, (line) =>
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

async function* inputLines(path: string, signal: AbortSignal): AsyncGenerator<InputLine> {
  const { name, chunks } = openSource(path, signal);
  for await (const block of blocksOf(chunks, name)) {
    for (const { number, bytes } of linesOfBlock(block)) {
      const text = isUtf8(bytes) ? bytes.toString('utf8') : undefined;
      const line = number === 1 && text?.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
      if (line?.trim() !== '') yield { number, text: line };
    }
  }
}

type Answer = Record<string, unknown>;

async function answerOf(
  reranker: Reranker,
  { number, text }: InputLine,
  task: BatchTask,
  signal: AbortSignal,
): Promise<Answer> {
  let id: unknown;
  const asked = () => ({ line: number, ...(id === undefined ? {} : { id }) });
  try {
    if (text === undefined) throw new LineError('UTF-8', 'other bytes');
    const object = parseObject(text);
    if (object === undefined) throw new LineError(EXPECTED, text);
    id = object.id;
    const { query, documents } = object;
    if (typeof query !== 'string') throw new LineError('a string for query', show(query));
    if (!Array.isArray(documents)) throw new LineError('an array for documents', show(documents));
    const records = documents.map((document, i) => documentRecord(document, i, task));
    const texts = records.map((record) => record.text);
    const { results } = await reranker.rerank(query, texts, {
      ...task.options,
      returnDocuments: false,
      signal,
    });
    return {
      ...asked(),
      results: results.map((each) => resultRecord(each, records[each.index] as TextRecord, task.documents)),
    };
  } catch (error) {
    if (!(error instanceof LineError)) throw error;
    if (task.strict) {
      const name = task.path === '-' ? 'standard input' : task.path;
      throw invalidLine(name, number, error.expected, error.found);
    }
    const { code, message } = new CrossrankError('ERR_DATASET_INVALID', `line ${number}: ${error.message}`);
    return { ...asked(), error: { code, message } };
  }
}

function documentRecord(document: unknown, index: number, { text, id }: BatchTask): TextRecord {
  if (typeof document === 'string') return { text: document, given: document };
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new LineError(`a string or an object for documents[${index}]`, show(document));
  }
  const parsed = recordOf(document as Record<string, unknown>, text, id);
  if ('expected' in parsed) throw new LineError(`${parsed.expected} of documents[${index}]`, parsed.found);
  return parsed;
}
