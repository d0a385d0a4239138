import { createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CrossrankError, invalidArgument } from '../errors';
import { eachLine, invalidLine } from '../files/lines';
import {
  type Entry,
  type Format,
  formatOf,
  type Parsed,
  parseJsonEntry,
  parseJsonQrels,
  parseTrecQrels,
  parseTrecRun,
  parseTsvQrels,
} from './line-formats';
import { Shortlist } from './shortlist';
import { trecOrder } from './trec-order';
import type { Qrels, Run, ScoredDocument } from './types';

/** Options of {@link readRun}. */
export interface ReadRunOptions {
  /** Keep the best so many of each query: then memory grows with queries alone. @defaultValue all */
  topK?: number;
}

/**
 * Reads a run: TREC's `query Q0 document rank score tag`, or, from a `.jsonl`, `{"query-id", "corpus-id", "score"}` a line.
 *
 * Queries come in the order of the file, documents best first as trec_eval ranks them (the rank column is not used).
 * @throws {@link CrossrankError} with `ERR_DATASET_INVALID`, naming file and line: a broken line, a score that is no
 * finite number, a document twice in one query, no line at all
 */
export async function readRun(
  path: string,
  { topK = Number.POSITIVE_INFINITY }: ReadRunOptions = {},
): Promise<Map<string, ScoredDocument[]>> {
  if (topK !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(topK) && topK >= 1)) {
    throw invalidArgument('topK', 'an integer of at least 1', topK);
  }
  const parse = formatOf(path) === 'jsonl' ? parseJsonEntry : parseTrecRun;
  const queries = new Map<string, Shortlist>();
  await eachLine(path, (text, number) => {
    const { query, id, score } = entryOf(parse(text), path, number);
    const found = queries.get(query) ?? new Shortlist(topK);
    queries.set(query, found);
    if (!found.add({ id, score })) throw duplicate(path, number, query, id);
  });
  if (queries.size === 0) throw new CrossrankError('ERR_DATASET_INVALID', `${path} is empty; expected a run`);
  return new Map([...queries].map(([query, found]) => [query, found.best()]));
}

/**
 * Reads judgements: TREC's `query 0 document grade`, BEIR's `.tsv` (three columns with a header), or, from a `.jsonl`,
 * `{"query-id", "corpus-id", "score"}` a line.
 * @throws {@link CrossrankError} with `ERR_DATASET_INVALID`, naming file and line: a broken line, a grade that is no whole
 * number, two judgements of one document for one query, no judgement at all
 */
export async function readQrels(path: string): Promise<Map<string, Map<string, number>>> {
  const format = formatOf(path);
  const parse = { trec: parseTrecQrels, tsv: parseTsvQrels, jsonl: parseJsonQrels }[format];
  const qrels = new Map<string, Map<string, number>>();
  let isFirst = format === 'tsv';
  await eachLine(path, (text, number) => {
    const isHeader = isFirst && /^query-id\t/i.test(text);
    isFirst = false;
    if (isHeader) return;
    const { query, id, score } = entryOf(parse(text), path, number);
    const judged = qrels.get(query) ?? new Map<string, number>();
    if (judged.has(id)) throw duplicate(path, number, query, id);
    qrels.set(query, judged.set(id, score));
  });
  if (qrels.size === 0) throw new CrossrankError('ERR_DATASET_INVALID', `${path} has no judgements`);
  return qrels;
}

/** @throws CrossrankError with `ERR_DATASET_INVALID` where the line was none */
export function entryOf(parsed: Parsed, path: string, number: number): Entry {
  if ('expected' in parsed) throw invalidLine(path, number, parsed.expected, parsed.found);
  return parsed;
}

export function duplicate(path: string, number: number, query: string, id: string): CrossrankError {
  return invalidLine(path, number, 'a document once for each query', `${id} for query ${query} again`);
}

/**
 * Writes a run for trec_eval and other tools, best first: TREC's columns, or JSON where the name ends in `.jsonl`.
 * @param tag - the last column: what made the run
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` where an id has white space, which TREC's columns cannot hold
 */
export async function writeRun(path: string, run: Run, tag = 'crossrank'): Promise<void> {
  const format = formatOf(path) === 'jsonl' ? 'jsonl' : 'trec';
  await writeLines(path, runLines(run, format, columnOf(tag, 'tag')));
}

function* runLines(run: Run, format: 'trec' | 'jsonl', tag: string): Generator<string> {
  for (const [query, found] of run) yield* queryLines(query, found, format, tag);
}

/** The lines of one query in a run. */
export function* queryLines(
  query: string,
  found: readonly ScoredDocument[],
  format: 'trec' | 'jsonl',
  tag: string,
): Generator<string> {
  for (const [i, { id, score }] of trecOrder(found).entries()) {
    if (format === 'jsonl') yield jsonLine(query, id, score);
    else yield `${columnOf(query, 'query')} Q0 ${columnOf(id, 'document')} ${i + 1} ${score} ${tag}\n`;
  }
}

/** Writes judgements: TREC's columns, BEIR's where the name ends in `.tsv`, or JSON where it ends in `.jsonl`. */
export async function writeQrels(path: string, qrels: Qrels): Promise<void> {
  await writeLines(path, qrelsLines(qrels, formatOf(path)));
}

function* qrelsLines(qrels: Qrels, format: Format): Generator<string> {
  if (format === 'tsv') yield 'query-id\tcorpus-id\tscore\n';
  for (const [query, judged] of qrels) {
    for (const [id, grade] of judged) {
      if (format === 'jsonl') yield jsonLine(query, id, grade);
      else if (format === 'tsv') yield `${columnOf(query, 'query')}\t${columnOf(id, 'document')}\t${grade}\n`;
      else yield `${columnOf(query, 'query')} 0 ${columnOf(id, 'document')} ${grade}\n`;
    }
  }
}

function jsonLine(query: string, id: string, score: number): string {
  return `${JSON.stringify({ 'query-id': query, 'corpus-id': id, score })}\n`;
}

/** A column of TREC's formats. */
export function columnOf(text: string, name: string): string {
  if (text !== '' && !/\s/.test(text)) return text;
  throw invalidArgument(name, 'an id without white space (or a file that ends in .jsonl)', text);
}

async function writeLines(path: string, lines: Iterable<string>): Promise<void> {
  await pipeline(Readable.from(lines), createWriteStream(path));
}
