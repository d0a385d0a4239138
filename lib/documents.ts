import { CrossrankError, invalidArgument } from './errors';

/** The text of each document, where documents are strings or objects. */
export function textsOf<T>(
  documents: readonly T[],
  text: string | ((document: T) => string) = 'text',
): string[] {
  if (!Array.isArray(documents)) throw invalidArgument('documents', 'an array', documents);
  const texts = new Array<string>(documents.length);
  for (let i = 0; i < documents.length; i++) texts[i] = textOf(documents[i] as T, i, text);
  return texts;
}

function textOf<T>(document: T, index: number, text: string | ((document: T) => string)): string {
  if (typeof document === 'string') return document;
  if (typeof document !== 'object' || document === null) {
    throw invalidArgument(`documents[${index}]`, 'a string or an object', document);
  }
  if (typeof text === 'function') {
    const value: unknown = text(document);
    if (typeof value !== 'string') throw invalidArgument(`text(documents[${index}])`, 'a string', value);
    return value;
  }
  const value = (document as Record<string, unknown>)[text];
  if (value === undefined) {
    throw new CrossrankError(
      'ERR_INVALID_ARGUMENT',
      `documents[${index}] has no field ${JSON.stringify(text)}; name the field that holds its text with the option text`,
    );
  }
  if (typeof value !== 'string') throw invalidArgument(`documents[${index}].${text}`, 'a string', value);
  return value;
}
