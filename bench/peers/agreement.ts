import { kendallTau } from '../../lib/precision/parity';

/** How a contender's scores of one query go with the reference. */
export interface Agreement {
  maxDifference: number;
  /** Kendall's tau-b of the two orders. */
  kendall: number;
  /** Spearman's rho: the correlation of ranks. */
  spearman: number;
}

export function agreementOf(scores: readonly number[], reference: readonly number[]): Agreement {
  if (scores.length !== reference.length || scores.some((score) => !Number.isFinite(score))) {
    throw new RangeError(`${reference.length} finite scores are expected, not ${scores.length}`);
  }
  return {
    maxDifference: Math.max(...scores.map((score, i) => Math.abs(score - (reference[i] as number)))),
    kendall: kendall(scores, reference),
    spearman: correlation(ranks(scores), ranks(reference)),
  };
}

/** Without any order on one side there is none to agree with. */
function kendall(a: readonly number[], b: readonly number[]): number {
  const isFlat = (values: readonly number[]) => values.every((value) => value === values[0]);
  return isFlat(a) || isFlat(b) ? Number.NaN : kendallTau(a, b);
}

/** From 1, the mean of their places for equal values. */
function ranks(values: readonly number[]): number[] {
  const sorted = [...values].sort((x, y) => x - y);
  return values.map((value) => (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2 + 1);
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let product = 0;
  let squareA = 0;
  let squareB = 0;
  for (const [i, value] of a.entries()) {
    const other = (b[i] as number) - meanB;
    product += (value - meanA) * other;
    squareA += (value - meanA) ** 2;
    squareB += other ** 2;
  }
  return squareA === 0 || squareB === 0 ? Number.NaN : product / Math.sqrt(squareA * squareB);
}
