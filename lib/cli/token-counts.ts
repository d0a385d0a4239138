import type { Reranker } from '../reranker';

/** Tokens left of a text while its tokens are counted. */
export const KEPT_TOKENS = 4;

/** Tokens of texts that have more than {@link KEPT_TOKENS}: what the model sees of them and what it loses, cut short. */
export async function countTokens(reranker: Reranker, texts: readonly string[]): Promise<number[]> {
  const query = 'a';
  const { usage } = await reranker.rerank(query, [''], { cache: false });
  const { results } = await reranker.rerank(query, texts, {
    maxLength: usage.tokens + KEPT_TOKENS,
    truncate: 'document',
    returnDocuments: false,
    cache: false,
  });
  const counts = new Array<number>(texts.length);
  for (const { index, tokensLost } of results) counts[index] = KEPT_TOKENS + tokensLost;
  return counts;
}
