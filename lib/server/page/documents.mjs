// @ts-check

/** @typedef {'lines' | 'blocks' | 'jsonl' | 'tsv'} DocumentFormat */

/** Names under which data sets keep a document's text. */
const TEXT_FIELDS = ['text', 'document', 'content', 'contents', 'passage', 'body'];

/** A text that is not in the format it was said to be in. */
export class FormatError extends Error {}

/**
 * The documents of a text; empty ones are left out.
 * @param {string} text
 * @param {DocumentFormat} format
 * @returns {string[]}
 * @throws {FormatError} with the line
 */
export function readDocuments(text, format) {
  const sound = text.replace(/^\uFEFF/, '').replace(/\r\n?/g, '\n');
  if (format === 'blocks') return kept(sound.split(/\n[^\S\n]*\n/));
  const lines = sound.split('\n');
  if (format === 'jsonl')
    return kept(lines.flatMap((line, i) => (line.trim() === '' ? [] : [jsonText(line, i)])));
  return kept(format === 'tsv' ? tsvTexts(lines) : lines);
}

/** @param {string[]} documents */
function kept(documents) {
  return documents.map((document) => document.trim()).filter((document) => document !== '');
}

/**
 * @param {string} line
 * @param {number} i
 */
function jsonText(line, i) {
  let value;
  try {
    value = JSON.parse(line);
  } catch {
    throw new FormatError(`Line ${i + 1} is not JSON.`);
  }
  if (typeof value === 'string') return value;
  for (const field of TEXT_FIELDS) {
    if (typeof value?.[field] === 'string') return withTitle(value.title, value[field]);
  }
  throw new FormatError(`Line ${i + 1} has no string “text”.`);
}

/**
 * @param {unknown} title
 * @param {string} text
 */
function withTitle(title, text) {
  return typeof title === 'string' && title.trim() !== '' ? `${title}\n${text}` : text;
}

/**
 * The column that the first line names, else the last one.
 * @param {string[]} lines
 */
function tsvTexts(lines) {
  const header = (lines[0] ?? '').toLowerCase().split('\t');
  const column = header.findIndex((name) => TEXT_FIELDS.includes(name.trim()));
  const rows = column === -1 ? lines : lines.slice(1);
  return rows.map((line) => line.split('\t').at(column) ?? '');
}

/**
 * The format that a file's name announces.
 * @param {string} name
 * @param {string} text
 * @returns {DocumentFormat}
 */
export function formatOfFile(name, text) {
  const extension = name.toLowerCase().replace(/^.*\./, '');
  if (extension === 'jsonl' || extension === 'ndjson') return 'jsonl';
  if (extension === 'tsv') return 'tsv';
  if (extension === 'md') return 'blocks';
  return /\n[^\S\n]*\r?\n/.test(text.trim()) ? 'blocks' : 'lines';
}
