import { PASSAGES, QUERIES } from '../../precision/pairs';
import type { Reranker } from '../../reranker';
import type { Range } from '../command-line';
import type { TextSet } from './load';
import { countTokens } from './token-counts';

/** What is measured. */
export type Workload = Required<TextSet>;

const QUERY = QUERIES[1] as string;
/** Room for the query and special tokens. */
const QUERY_TOKENS = 64;
/** (sqrt 5 - 1) / 2: multiples of it fill an interval evenly, however many there are. */
const GOLDEN_RATIO = 0.618033988749895;

/** Documents of the built-in passages, joined and cut to about as many of the model's own tokens as `length` asks. */
export async function makeWorkload(reranker: Reranker, documents: number, length: Range): Promise<Workload> {
  const tokens = await countTokens(reranker, PASSAGES);
  return {
    query: QUERY,
    documents: Array.from({ length: documents }, (_, i) => {
      const share = (i * GOLDEN_RATIO) % 1;
      return compose(tokens, i, length.min + Math.floor(share * (length.max - length.min + 1)));
    }),
    maxLength: Math.min(reranker.info().maxLength, Math.max(512, length.max + QUERY_TOKENS)),
  };
}

function compose(tokens: readonly number[], first: number, wanted: number): string {
  const parts: string[] = [];
  for (let i = first, rest = wanted; rest > 0; i++) {
    const passage = PASSAGES[i % PASSAGES.length] as string;
    const cost = tokens[i % PASSAGES.length] as number;
    parts.push(cost <= rest ? passage : passage.slice(0, Math.ceil((passage.length * rest) / cost)));
    rest -= cost;
  }
  return parts.join(' ');
}
