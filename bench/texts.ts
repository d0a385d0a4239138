import type { Reranker } from '../lib';
import type { TextSet } from '../lib/cli/bench/load';
import { countTokens } from '../lib/cli/bench/token-counts';
import { randomNumbers } from '../lib/random';
import type { Range } from './arguments';
import { WORDS } from './words';

export type { TextSet };

interface PricedWord {
  text: string;
  tokens: number;
}

const QUERY_WORDS = 8;

/**
 * Makes queries and documents of common words; a document has as many tokens as drawn from `length`, evenly. What a word
 * costs is asked of the model's own tokenizer.
 */
export async function makeTexts(
  reranker: Reranker,
  sets: number,
  documents: number,
  length: Range,
): Promise<TextSet[]> {
  const random = randomNumbers(1);
  const words = await priceWords(reranker);
  const cheapest = Math.min(...words.map(({ tokens }) => tokens));
  const cheap = words.filter(({ tokens }) => tokens === cheapest);
  const pick = (from: readonly PricedWord[]) => from[Math.floor(random() * from.length)] as PricedWord;

  const compose = (tokens: number): string => {
    const parts: string[] = [];
    for (let rest = tokens; rest >= cheapest; ) {
      const drawn = pick(words);
      const word = drawn.tokens <= rest ? drawn : pick(cheap);
      parts.push(word.text);
      rest -= word.tokens;
    }
    return parts.join(' ');
  };
  return Array.from({ length: sets }, () => ({
    query: Array.from({ length: QUERY_WORDS }, () => pick(words).text).join(' '),
    documents: Array.from({ length: documents }, () =>
      compose(length.min + Math.floor(random() * (length.max - length.min + 1))),
    ),
  }));
}

async function priceWords(reranker: Reranker): Promise<PricedWord[]> {
  // After another one: what stands first may be cut otherwise.
  const [before = 0, ...counts] = await countTokens(reranker, ['the', ...WORDS.map((word) => `the ${word}`)]);
  const priced = WORDS.map((text, i) => ({ text, tokens: (counts[i] as number) - before }));
  return priced.filter(({ tokens }) => tokens > 0);
}
