import { idOf, parseObject, show, titledText } from '../files/json-lines';
import { invalidLine, type Lines, readLines } from '../files/lines';
import { checkMetadata } from './checks';
import { isMetadataValue } from './filter';
import type { Metadata, StoredDocument } from './types';

/**
 * Reads documents from a file of JSON lines, a part of it at a time, however long it is.
 *
 * A line is an object with `id` (or `_id`, as in BEIR's corpora) and `text`; where there is a `title`, it stands before
 * the text, with a space between. Metadata are the fields of `metadata`, and all others that hold a string, a finite number
 * or a boolean. Empty lines are left out.
 *
 * @example
 * ```ts
 * await pipeline.index(readDocuments('documents.jsonl'));
 * ```
 * @throws {@link CrossrankError} with `ERR_DATASET_INVALID`, naming file and line: there is no such file, or what a line
 * holds is no document
 */
export function readDocuments(path: string): AsyncGenerator<StoredDocument, void, undefined> {
  return documentsOf(readLines(path), path);
}

/** The same of lines that come from anywhere; `name` is what messages call that. */
export async function* documentsOf(
  lines: AsyncIterable<Lines>,
  name: string,
): AsyncGenerator<StoredDocument, void, undefined> {
  for await (const { first, texts } of lines) {
    for (const [i, line] of texts.entries())
      if (line.trim() !== '') yield parseDocument(line, name, first + i);
  }
}

function parseDocument(line: string, path: string, number: number): StoredDocument {
  const object = parseObject(line);
  if (object === undefined) throw invalidLine(path, number, 'a JSON object with id and text', line);
  const { id: given, _id: beir, text: _text, title: _title, metadata, ...others } = object;
  const id = idOf(given ?? beir);
  if (id === undefined)
    throw invalidLine(path, number, 'a string that is not empty for id', show(given ?? beir));
  const whole = titledText(object, path, number);
  const known = metadataOf(metadata, others, path, number);
  return known === undefined ? { id, text: whole } : { id, text: whole, metadata: known };
}

function metadataOf(
  given: unknown,
  others: Record<string, unknown>,
  path: string,
  number: number,
): Metadata | undefined {
  try {
    if (given !== undefined && given !== null) checkMetadata(given, 'metadata');
  } catch (error) {
    throw invalidLine(path, number, 'flat metadata', (error as Error).message);
  }
  const scalars = Object.entries(others).filter(
    ([name, value]) => !name.startsWith('$') && isMetadataValue(value),
  );
  const all = [...scalars, ...Object.entries((given ?? {}) as Metadata)];
  return all.length === 0 ? undefined : (Object.fromEntries(all) as Metadata);
}
