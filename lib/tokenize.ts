import { setImmediate as nextTurn } from 'node:timers/promises';
import { invalidArgument } from './errors';
import type { NativeEngine } from './native/binding';

/**
 * The tokens of one text, in its order: `text.slice(starts[i], ends[i])` is what token `i` stands for. Offsets are those
 * of the text as it was given, before any normalization, in UTF-16 code units, and never inside a surrogate pair. Tokens
 * that share a character overlap; one that stands for nothing in the text is empty.
 */
export interface Tokens {
  ids: Uint32Array;
  starts: Uint32Array;
  ends: Uint32Array;
}

/** What cuts texts into tokens: a `Reranker`, an `Embedder`, or a tokenizer of yours. */
export interface Tokenizer {
  /** The tokens of each text, in input order, without special tokens. */
  tokenize(texts: readonly string[]): Promise<Tokens[]>;
}

/** UTF-16 units handed to native memory in one turn of the event loop. */
const UNITS_PER_TURN = 256 * 1024;

/** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, or why the engine cannot */
export async function tokenizeTexts(engine: NativeEngine, texts: readonly string[]): Promise<Tokens[]> {
  if (!Array.isArray(texts)) throw invalidArgument('texts', 'an array of strings', texts);
  texts.forEach((text, i) => {
    if (typeof text !== 'string') throw invalidArgument(`texts[${i}]`, 'a string', text);
  });
  const tokens: Tokens[] = [];
  for (let first = 0; first < texts.length; ) {
    let end = first;
    for (let units = 0; end < texts.length && units < UNITS_PER_TURN; end++) units += 64 + texts[end].length;
    for (const each of await engine.tokenize(texts.slice(first, end))) tokens.push(each);
    first = end;
    if (first < texts.length) await nextTurn();
  }
  return tokens;
}
