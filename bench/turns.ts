/**
 * Runs two sides in turns, one while the other rests; who goes first changes each round, so that a machine that slows
 * down or is shared hurts both alike.
 */
export async function inTurns<First, Second>(
  rounds: number,
  first: (round: number) => Promise<First>,
  second: (round: number) => Promise<Second>,
  onRound: (round: number) => void,
): Promise<[First, Second][]> {
  const results: [First, Second][] = [];
  for (let round = 0; round < rounds; round++) {
    onRound(round);
    if (round % 2 === 0) {
      results.push([await first(round), await second(round)]);
    } else {
      const later = await second(round);
      results.push([await first(round), later]);
    }
  }
  return results;
}
