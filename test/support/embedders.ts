import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './models';

export const DEFAULT_EMBEDDER = join(ROOT, 'models/multilingual-e5-small-zh-en');

/** Reference embeddings of length 1, by how they are pooled. */
export interface EmbeddingCase {
  text: string;
  input_ids: number[];
  cls?: number[];
  mean?: number[];
}

export function goldenEmbeddings(folder: string): { cases: EmbeddingCase[]; maxLength: number } {
  const { cases, max_length } = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8'));
  return { cases, maxLength: max_length };
}

type Vector = ArrayLike<number>;

export function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

export function cosine(a: Vector, b: Vector): number {
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** The largest difference between two lists of vectors, value by value; NaN differs from everything. */
export function largestDifference(actual: readonly Vector[], expected: readonly Vector[]): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  actual.forEach((vector, row) => {
    const reference = expected[row] as Vector;
    if (vector.length !== reference.length) largest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < reference.length; i++) {
      const difference = Math.abs((vector[i] as number) - (reference[i] as number));
      if (!(difference <= largest))
        largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    }
  });
  return largest;
}
