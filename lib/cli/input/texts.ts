import { idOf, parseObject, show } from '../../files/json-lines';
import { invalidLine, type Lines, linesOf } from '../../files/lines';
import { openSource } from './source';

export const TEXT_FORMATS = ['jsonl', 'tsv', 'text'] as const;
export type TextFormat = (typeof TEXT_FORMATS)[number];

/** How texts are read. */
export interface TextsOptions {
  /** @defaultValue by the end of the name; of standard input by its first line */
  format?: TextFormat | undefined;
  /** Field of JSON objects that holds the text. */
  text: string;
  /** Field that holds the id, which is needed then. @defaultValue `id`, or `_id` as in BEIR, or none */
  id?: string | undefined;
}

/** One text of the input. */
export interface TextRecord {
  id?: string;
  text: string;
  /** As it was given: a string, or the object of a JSON line. */
  given: string | Record<string, unknown>;
}

/** What a line holds, or what it should have held. */
export type ParsedText = TextRecord | { expected: string; found: string };

/**
 * The texts of a file or of standard input (`-`), some at a time; blank lines are left out.
 * @throws CrossrankError with `ERR_DATASET_INVALID`, naming file and line
 */
export async function* readTexts(
  path: string,
  options: TextsOptions,
  signal: AbortSignal,
): AsyncGenerator<TextRecord[]> {
  const { name, chunks } = openSource(path, signal);
  let format = options.format ?? formatOfName(path);
  for await (const lines of linesOf(chunks, name)) {
    format ??= formatOfLines(lines);
    if (format !== undefined) yield recordsOf(lines, format, options, name);
  }
}

function recordsOf(
  { first, texts }: Lines,
  format: TextFormat,
  options: TextsOptions,
  name: string,
): TextRecord[] {
  const records: TextRecord[] = [];
  for (const [i, line] of texts.entries()) {
    if (line.trim() === '') continue;
    const parsed = parseTextLine(line, format, options);
    if ('expected' in parsed) throw invalidLine(name, first + i, parsed.expected, parsed.found);
    records.push(parsed);
  }
  return records;
}

export function formatOfName(path: string): TextFormat | undefined {
  if (path === '-') return undefined;
  if (/\.(jsonl|ndjson|json)$/i.test(path)) return 'jsonl';
  return /\.tsv$/i.test(path) ? 'tsv' : 'text';
}

/** JSON where the first line that is not blank is a JSON string or object; undefined where all are blank. */
function formatOfLines({ texts }: Lines): TextFormat | undefined {
  const line = texts.find((text) => text.trim() !== '');
  if (line === undefined) return undefined;
  return parseString(line) !== undefined || parseObject(line) !== undefined ? 'jsonl' : 'text';
}

export function parseTextLine(line: string, format: TextFormat, { text, id }: TextsOptions): ParsedText {
  if (format === 'text') return { text: line, given: line };
  if (format === 'tsv') return parseTsv(line);
  const string = parseString(line);
  if (string !== undefined) return { text: string, given: string };
  const given = parseObject(line);
  if (given === undefined) return { expected: 'a JSON string or object', found: line };
  return recordOf(given, text, id);
}

/** The text and the id of an object. */
export function recordOf(given: Record<string, unknown>, text: string, id: string | undefined): ParsedText {
  const value = given[text];
  if (typeof value !== 'string') return { expected: `a string for ${text}`, found: show(value) };
  const name = id ?? (given.id === undefined ? '_id' : 'id');
  const ownId = given[name];
  if (ownId === undefined && id === undefined) return { text: value, given };
  const known = idOf(ownId);
  if (known === undefined) return { expected: `a string that is not empty for ${name}`, found: show(ownId) };
  return { id: known, text: value, given };
}

/** `id`, a tab, and the text, which may have tabs of its own. */
function parseTsv(line: string): ParsedText {
  const tab = line.indexOf('\t');
  const id = line.slice(0, Math.max(0, tab)).trim();
  if (id === '') return { expected: 'an id, a tab and a text', found: line };
  const text = line.slice(tab + 1);
  return { id, text, given: text };
}

function parseString(line: string): string | undefined {
  if (!line.trimStart().startsWith('"')) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
