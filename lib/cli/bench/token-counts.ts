import type { Tokenizer } from '../../tokenize';

/** Tokens of each text, special ones not counted. */
export async function countTokens(tokenizer: Tokenizer, texts: readonly string[]): Promise<number[]> {
  return (await tokenizer.tokenize(texts)).map(({ ids }) => ids.length);
}
