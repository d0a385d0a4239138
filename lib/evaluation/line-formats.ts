import { idOf, parseObject, show } from '../files/json-lines';
import type { ScoredDocument } from './types';

/** A number of a query and a document: what a run or a judgement comes to. */
export interface Entry extends ScoredDocument {
  query: string;
}

/** What a line says, or what it should have been. */
export type Parsed = Entry | { expected: string; found: string };

export type Format = 'trec' | 'tsv' | 'jsonl';

/** By the end of the name: `.jsonl`, `.tsv`, and TREC's columns for all else. */
export function formatOf(path: string): Format {
  if (/\.(jsonl|ndjson)$/i.test(path)) return 'jsonl';
  return /\.tsv$/i.test(path) ? 'tsv' : 'trec';
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const JSON_LINE = '{"query-id": "…", "corpus-id": "…", "score": …}';

/** `query Q0 document rank score tag`; the rank is not used, as trec_eval does not. */
export function parseTrecRun(text: string): Parsed {
  const fields = text.trim().split(/\s+/);
  const [query, , id, , score] = fields;
  if (fields.length !== 6) return { expected: 'query Q0 document rank score tag', found: columns(fields) };
  return withScore(query, id, score);
}

/** `query 0 document grade` */
export function parseTrecQrels(text: string): Parsed {
  const fields = text.trim().split(/\s+/);
  const [query, , id, grade] = fields;
  if (fields.length !== 4) return { expected: 'query 0 document grade', found: columns(fields) };
  return withGrade(query, id, grade);
}

/** BEIR's `query-id corpus-id score`, with tabs between. */
export function parseTsvQrels(text: string): Parsed {
  const fields = text.split('\t').map((field) => field.trim());
  const [query, id, grade] = fields;
  if (fields.length !== 3)
    return { expected: 'query-id, corpus-id and score with tabs between', found: columns(fields) };
  return withGrade(query, id, grade);
}

/** An object with the names that BEIR gives the columns. */
export function parseJsonEntry(text: string): Parsed {
  const object = parseObject(text);
  if (object === undefined) return { expected: JSON_LINE, found: text };
  const { 'query-id': query, 'corpus-id': id, score } = object;
  if (typeof score !== 'number')
    return { expected: `a number for score, as in ${JSON_LINE},`, found: show(score) };
  return withScore(idOf(query), idOf(id), String(score));
}

export function parseJsonQrels(text: string): Parsed {
  const entry = parseJsonEntry(text);
  return 'expected' in entry ? entry : withGrade(entry.query, entry.id, String(entry.score));
}

function withScore(query: string | undefined, id: string | undefined, text: string | undefined): Parsed {
  if (!query) return { expected: 'the id of a query', found: show(query) };
  if (!id) return { expected: 'the id of a document', found: show(id) };
  const score = NUMBER.test(text ?? '') ? Number(text) : Number.NaN;
  if (!Number.isFinite(score)) return { expected: 'a finite number as score', found: show(text) };
  return { query, id, score };
}

function withGrade(query: string | undefined, id: string | undefined, text: string | undefined): Parsed {
  const entry = withScore(query, id, text);
  if ('expected' in entry || Number.isSafeInteger(entry.score)) return entry;
  return { expected: 'a whole number as grade', found: show(text) };
}

function columns(fields: readonly string[]): string {
  return `${fields.length} ${fields.length === 1 ? 'column' : 'columns'}: ${fields.join(' ')}`;
}
