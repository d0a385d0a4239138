import { randomNumbers } from '../../lib/random';
import type { TextSet } from '../texts';

/** Requests at the same time on both sides of throughput, and documents of each. */
export const CALLERS = 16;
export const DOCUMENTS = 20;
/** Tokens a document, as in `npm run bench`. */
export const LENGTH = { min: 60, max: 130 };
export const SMALL_LENGTH = { min: 20, max: 30 };
export const SETS = 64;

/**
 * The same work for both sides: request `number` of a round. Its number stands in front of every document, so that no
 * score is in the cache.
 */
export function requestOf(sets: readonly TextSet[], round: number, number: number): TextSet {
  const { query, documents } = sets[number % sets.length] as TextSet;
  return { query, documents: documents.map((document) => `${round} ${number} ${document}`) };
}

/** Request sizes of held connections: most are small, one in ten is large. */
export function mixedSize(random: () => number): number {
  const draw = random();
  const [min, max] = draw < 0.6 ? [1, 10] : draw < 0.9 ? [20, 50] : [100, 100];
  return min + Math.floor(random() * (max - min + 1));
}

/** Documents for a request of any size, from all sets. */
export function mixedRequest(sets: readonly TextSet[], seed: number): TextSet {
  const random = randomNumbers(seed + 1);
  const size = mixedSize(random);
  const { query } = sets[seed % sets.length] as TextSet;
  const documents = Array.from({ length: size }, (_, i) => {
    const set = sets[Math.floor(random() * sets.length)] as TextSet;
    return `${seed} ${i} ${set.documents[i % set.documents.length]}`;
  });
  return { query, documents };
}
