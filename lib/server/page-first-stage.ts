import type { Embedder } from '../embedder';
import { KeywordIndex } from '../search/keyword-index';
import { allTokens } from './run';

/** Which order the documents have before they are reranked. */
export const FIRST_STAGES = ['given', 'keywords', 'embedder'] as const;
export type FirstStageKind = (typeof FIRST_STAGES)[number];

/** Documents in the order of a first stage. */
export interface FirstStageOrder {
  /** Best first; each document once. */
  order: number[];
  /** Of the documents in that order; null where the order is that of the request. */
  scores: number[] | null;
}

/** As they came. */
export function givenOrder(documents: readonly string[]): FirstStageOrder {
  return { order: documents.map((_, i) => i), scores: null };
}

/** By BM25 among these documents alone; those without a word of the query follow with 0, as they came. */
export async function keywordOrder(
  query: string,
  documents: readonly string[],
  signal: AbortSignal,
): Promise<FirstStageOrder> {
  const index = new KeywordIndex();
  const digits = String(documents.length).length; // equal scores go by id, which is compared as text
  await index.add(documents.map((text, i) => ({ id: String(i).padStart(digits, '0'), text })));
  signal.throwIfAborted();
  const hits = await index.query(query, { topK: Math.max(1, documents.length), signal });
  const scores = new Array<number>(documents.length).fill(0);
  for (const { document, score } of hits) scores[Number(document.id)] = score;
  return byScore(scores);
}

/** By the cosine of query and document. */
export async function embedderOrder(
  query: string,
  documents: readonly string[],
  embedder: Embedder,
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<FirstStageOrder & { tokens: number }> {
  const [asked, found] = await Promise.all([
    embedder.embedWithUsage([query], { kind: 'query', ...options }),
    embedder.embedWithUsage(documents, { kind: 'document', ...options }),
  ]);
  const [vector] = asked.embeddings;
  const scores = found.embeddings.map((each) => cosine(vector as Float32Array, each));
  return { ...byScore(scores), tokens: allTokens(asked.usage) + allTokens(found.usage) };
}

function byScore(scores: readonly number[]): FirstStageOrder {
  const order = scores
    .map((_, i) => i)
    .sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
  return { order, scores: order.map((i) => scores[i] as number) };
}

/** Served embedders give vectors of any length. */
function cosine(a: Float32Array, b: Float32Array): number {
  let dot = 0;
  let squaresA = 0;
  let squaresB = 0;
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, b[i] as number];
    dot += x * y;
    squaresA += x * x;
    squaresB += y * y;
  }
  return squaresA === 0 || squaresB === 0 ? 0 : dot / Math.sqrt(squaresA * squaresB);
}
