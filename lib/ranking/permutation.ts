/** A permutation that a model answered, as positions from 0, or why it is none. */
export type Permutation = { order: number[] } | { malformed: string };

/**
 * Reads `[2] > [1] > [3]` strictly: every identifier from 1 to `count` once and nothing else, but for white space around
 * identifiers and `>`. Anything else is malformed: prose before or after, a Markdown fence, a final full stop, commas,
 * a number that no passage has, one that comes twice or is missing. Nothing is repaired: an order that was half
 * guessed cannot be told from a good one.
 */
export function parsePermutation(answer: string, count: number): Permutation {
  if (answer.trim() === '') return { malformed: 'the answer is empty' };
  // One more than fits, so that an endless answer costs no more than a good one.
  const parts = answer.split('>', count + 1);
  const order: number[] = [];
  const seen = new Set<number>();
  for (const part of parts) {
    const digits = /^\[([1-9][0-9]{0,5})\]$/.exec(part.trim())?.[1];
    if (digits === undefined)
      return { malformed: 'the answer is more or less than identifiers with > between' };
    const identifier = Number(digits);
    if (identifier > count) return { malformed: `the answer names [${identifier}] of ${count} passages` };
    if (seen.has(identifier)) return { malformed: `the answer names [${identifier}] twice` };
    seen.add(identifier);
    order.push(identifier - 1);
  }
  if (order.length < count) return { malformed: `the answer names ${order.length} of ${count} passages` };
  return { order };
}
