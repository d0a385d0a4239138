import { randomNumbers } from '../../lib/random';
import type { StoredDocument } from '../../lib/search/types';
import { syllables } from '../vocabulary';
import { WORDS } from '../words';

/** Distinct words of the made-up language: a few common English ones, then more and more rare made-up ones. */
const VOCABULARY = 30_000;
/** A word of English costs about this many tokens in the embedded models' vocabulary; made-up ones cost more. */
const TOKENS_A_WORD = 1.9;
const QUERY_WORDS = 6;

/**
 * Documents of words that are as frequent as their rank says (Zipf 1949: 1 / rank), as in a natural language: a keyword
 * index has long and short postings, and vectors lie as close together as the model puts them.
 */
export class Corpus {
  readonly #words: string[];
  readonly #cumulated: Float64Array;
  readonly #wordsOfDocument: { min: number; max: number };

  /** @param tokens - Of a document, about */
  constructor(tokens: { min: number; max: number }) {
    const made = Array.from({ length: VOCABULARY - WORDS.length }, (_, i) => syllables(i));
    this.#words = [...WORDS, ...made];
    this.#cumulated = new Float64Array(this.#words.length);
    let sum = 0;
    for (let rank = 0; rank < this.#words.length; rank++) {
      sum += 1 / (rank + 1);
      this.#cumulated[rank] = sum;
    }
    this.#wordsOfDocument = { min: tokens.min / TOKENS_A_WORD, max: tokens.max / TOKENS_A_WORD };
  }

  /** The same number gives the same document. */
  document(number: number): StoredDocument {
    const random = randomNumbers(number + 1);
    const { min, max } = this.#wordsOfDocument;
    const count = Math.max(1, Math.round(min + random() * (max - min)));
    return {
      id: `d${number}`,
      text: Array.from({ length: count }, () => this.#word(random())).join(' '),
      metadata: { shard: number % 10 },
    };
  }

  *documents(count: number): Generator<StoredDocument> {
    for (let i = 0; i < count; i++) yield this.document(i);
  }

  query(number: number): string {
    const random = randomNumbers(0x5eed + number);
    return Array.from({ length: QUERY_WORDS }, () => this.#word(random())).join(' ');
  }

  #word(share: number): string {
    const wanted = share * (this.#cumulated[this.#cumulated.length - 1] as number);
    let [low, high] = [0, this.#cumulated.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#cumulated[middle] as number) < wanted) low = middle + 1;
      else high = middle;
    }
    return this.#words[low] as string;
  }
}
