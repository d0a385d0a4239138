/** Pairs scored, and the time they took. */
export interface Rate {
  pairs: number;
  seconds: number;
}

/**
 * Keeps `callers` requests under way for some seconds; those under way at the end are waited for and count.
 * @param request - Makes request `number` and resolves to its pairs
 */
export async function runFor(
  seconds: number,
  callers: number,
  request: (number: number) => Promise<number>,
): Promise<Rate> {
  const started = performance.now();
  const until = started + seconds * 1000;
  let next = 0;
  let pairs = 0;
  const caller = async () => {
    while (performance.now() < until) {
      const scored = await request(next++); // added only then: other callers add meanwhile
      pairs += scored;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { pairs, seconds: (performance.now() - started) / 1000 };
}
