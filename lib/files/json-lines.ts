import { isObject } from '../values';
import { invalidLine } from './lines';

/** A JSON object, or undefined for all else. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Ids are strings; whole numbers, as some data sets have them, become strings. */
export function idOf(value: unknown): string | undefined {
  if (typeof value === 'string' && value !== '') return value;
  return Number.isSafeInteger(value) ? String(value) : undefined;
}

/** How a value looks in a message. */
export function show(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}

/**
 * The text of a line's object; where there is a `title`, it stands before it, with a space between, as BEIR has it.
 * @throws {@link CrossrankError} with `ERR_DATASET_INVALID`
 */
export function titledText(
  { text, title = '' }: Record<string, unknown>,
  path: string,
  line: number | string,
): string {
  if (typeof text !== 'string') throw invalidLine(path, line, 'a string for text', show(text));
  if (typeof title !== 'string') throw invalidLine(path, line, 'a string for title', show(title));
  return title === '' ? text : `${title} ${text}`;
}
