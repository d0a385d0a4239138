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

/** Kendall 1945: pairs of documents in the same order less those in the other, ties taken out on either side. */
function kendall(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  let apartInA = 0;
  let apartInB = 0;
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < i; j++) {
      const signA = Math.sign((a[i] as number) - (a[j] as number));
      const signB = Math.sign((b[i] as number) - (b[j] as number));
      sum += signA * signB;
      apartInA += Math.abs(signA);
      apartInB += Math.abs(signB);
    }
  }
  return apartInA === 0 || apartInB === 0 ? Number.NaN : sum / Math.sqrt(apartInA * apartInB);
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
