import { Reranker } from '../../lib';
import { countTokens } from '../../lib/cli/bench/token-counts';
import { makeTexts, type TextSet } from '../texts';
import type { PeersOptions } from './arguments';

/** Queries that the rounds go through, so that none repeats the one before. */
const SETS = 4;

export interface PeerTexts {
  sets: readonly TextSet[];
  /** Tokens of each pair, special ones included, padding not. */
  tokens: number[][];
  parameters: number;
}

/** The same texts for everyone, in the words of the model's vocabulary. */
export async function peerTexts(model: string, options: PeersOptions): Promise<PeerTexts> {
  await using reranker = await Reranker.load(model, { precision: 'fp32', cache: false });
  const { documents, length } = options;
  const made = await makeTexts(reranker, SETS, documents, length);
  const tokens: number[][] = [];
  for (const { query, documents: texts } of made) {
    const { usage } = await reranker.rerank(query, ['']);
    tokens.push((await countTokens(reranker, texts)).map((count) => usage.tokens + count));
  }
  return { sets: made, tokens, parameters: reranker.info().parameters };
}
