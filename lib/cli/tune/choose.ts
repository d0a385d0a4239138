import type { RunningPrecision } from '../../precision/scorer';
import type { Setting } from '../../profile';
import type { Combination, Measured } from './measure';

/** Two medians that are closer than this share count as equal. */
export const NOISE = 0.03;

type Choice = Pick<Combination, 'threads' | 'maxTokensPerChunk'>;

/**
 * The combination to run a precision with: the fastest, but a small lead decides nothing.
 *
 * - The earlier choice stays while its best round comes within the noise of the fastest's median: a second run confirms.
 * - Else, of those whose medians are within the noise of the fastest, the default; without it fewest threads, then the
 *   smallest chunk.
 */
export function chooseSetting(measured: readonly Measured[], byDefault: Choice, earlier?: Choice): Measured {
  const fastest = fastestOf(measured);
  const limit = (1 - NOISE) * fastest.pairsPerSecond.median;
  const kept = measured.find((each) => isSame(each, earlier) && each.pairsPerSecond.max >= limit);
  if (kept !== undefined) return kept;
  const tied = measured.filter((each) => each.pairsPerSecond.median >= limit);
  tied.sort((a, b) => a.threads - b.threads || a.maxTokensPerChunk - b.maxTokensPerChunk);
  return tied.find((each) => isSame(each, byDefault)) ?? (tied[0] as Measured);
}

const MOST_EXACT_FIRST: readonly RunningPrecision[] = ['model', 'fp32', 'bf16x3', 'bf16'];

/**
 * The precision that `auto` takes among those that hold: the fastest, by the same rules; of equal ones the most exact.
 * int8 is never among them: it is asked for.
 */
export function chooseAuto(
  chosen: readonly Measured[],
  holding: ReadonlySet<RunningPrecision>,
  earlier?: RunningPrecision,
): RunningPrecision | undefined {
  const candidates = chosen.filter(
    ({ precision }) => MOST_EXACT_FIRST.includes(precision) && holding.has(precision),
  );
  if (candidates.length === 0) return undefined;
  const limit = (1 - NOISE) * fastestOf(candidates).pairsPerSecond.median;
  const kept = candidates.find((each) => each.precision === earlier && each.pairsPerSecond.max >= limit);
  const tied = candidates
    .filter((each) => each.pairsPerSecond.median >= limit)
    .map(({ precision }) => precision);
  return kept?.precision ?? MOST_EXACT_FIRST.find((precision) => tied.includes(precision));
}

export function isSame(a: Choice | Setting, b: Choice | Setting | undefined): boolean {
  return a.threads === b?.threads && a.maxTokensPerChunk === b.maxTokensPerChunk;
}

function fastestOf(measured: readonly Measured[]): Measured {
  return measured.reduce((best, each) =>
    each.pairsPerSecond.median > best.pairsPerSecond.median ? each : best,
  );
}
