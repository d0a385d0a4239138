/** Queries x passages, row by row; several values a pair where the model has several labels. */
export interface ScoreMatrix {
  readonly queries: number;
  readonly documents: number;
  readonly labels: number;
  readonly scores: Float32Array;
}

/** How far the scores of a precision are from those of fp32, as logits. */
export interface Parity {
  pairs: number;
  maxDifference: number;
  meanDifference: number;
  /** Largest less smallest score in fp32: the scale that differences are seen on. */
  spread: number;
  /** Kendall's tau-b of the two rankings, the mean over queries; null where the model has several labels. */
  tau: number | null;
  /** Documents of fp32's top 10 that are not in the other's; null where the model has several labels. */
  top10: { meanChanged: number; mostChanged: number } | null;
}

/** What a precision has to keep. */
export interface ParityLimits {
  /** The least tau. */
  tau: number;
  /** The largest difference, as a share of the spread of fp32's scores. */
  difference: number;
  /** Whether `difference` holds for rerankers too; else it stands in for tau where a model has several labels. */
  differenceAlways: boolean;
}

/**
 * - bf16x3 adds three products of halves of the operands, which leaves about 16 bits of each: it is meant to stand in for
 *   fp32, so neither order nor scores may change visibly.
 * - bf16 keeps 8 bits of a number and int8 7 with a scale for each row: scores move, and what counts is the order. Two
 *   normal variables with tau 0.98 (0.95) correlate at sin(tau pi/2) = 0.9995 (0.9969), that is a noise of 3 % (8 %) of
 *   the scores' deviation. Three times that noise is 2.5 % (6 %) of a spread of four deviations: the limits on
 *   differences for models that do not rank.
 */
export const PARITY_LIMITS: Readonly<Record<'bf16x3' | 'bf16' | 'int8', ParityLimits>> = {
  bf16x3: { tau: 0.999, difference: 1e-3, differenceAlways: true },
  bf16: { tau: 0.98, difference: 0.025, differenceAlways: false },
  int8: { tau: 0.95, difference: 0.06, differenceAlways: false },
};

const TOP = 10;

/** Compares the scores of a precision with those of fp32 on the same pairs. */
export function compareScores(reference: ScoreMatrix, other: ScoreMatrix): Parity {
  const { queries, documents, labels } = reference;
  let maxDifference = 0;
  let sum = 0;
  let smallest = Number.POSITIVE_INFINITY;
  let largest = Number.NEGATIVE_INFINITY;
  reference.scores.forEach((score, i) => {
    const difference = Math.abs(score - (other.scores[i] as number));
    maxDifference = Math.max(maxDifference, difference); // NaN stays NaN, and then no limit holds
    sum += difference;
    smallest = Math.min(smallest, score);
    largest = Math.max(largest, score);
  });
  const parity: Parity = {
    pairs: queries * documents,
    maxDifference,
    meanDifference: sum / reference.scores.length,
    spread: largest - smallest,
    tau: null,
    top10: null,
  };
  if (labels !== 1) return parity;
  let tau = 0;
  let changed = 0;
  let mostChanged = 0;
  for (let query = 0; query < queries; query++) {
    const a = reference.scores.subarray(query * documents, (query + 1) * documents);
    const b = other.scores.subarray(query * documents, (query + 1) * documents);
    tau += kendallTau(a, b);
    const kept = new Set(top(b));
    const lost = top(a).filter((index) => !kept.has(index)).length;
    changed += lost;
    mostChanged = Math.max(mostChanged, lost);
  }
  return { ...parity, tau: tau / queries, top10: { meanChanged: changed / queries, mostChanged } };
}

/** What a precision breaks of its limits, a phrase each; nothing when it holds. */
export function brokenLimits(parity: Parity, limits: ParityLimits): string[] {
  const broken: string[] = [];
  if (parity.tau !== null && !(parity.tau >= limits.tau)) {
    broken.push(`Kendall tau ${parity.tau.toFixed(4)} where at least ${limits.tau} is needed`);
  }
  const largest = limits.difference * parity.spread;
  if ((limits.differenceAlways || parity.tau === null) && !(parity.maxDifference <= largest)) {
    broken.push(
      `a score differs by ${significant(parity.maxDifference)} where at most ${significant(largest)} may be`,
    );
  }
  if (!Number.isFinite(parity.maxDifference) && broken.length === 0) broken.push('a score is not a number');
  return broken;
}

/**
 * Kendall's tau-b, which allows for ties: (concordant - discordant) / sqrt((n - ties in a) (n - ties in b)) over all n
 * pairs of items. M. G. Kendall, "The treatment of ties in ranking problems", Biometrika 33 (1945).
 *
 * Two lists without any order agree fully (1); one without and one with do not correlate (0).
 */
export function kendallTau(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let concordance = 0;
  let orderedInA = 0;
  let orderedInB = 0;
  for (let i = 1; i < a.length; i++) {
    for (let j = 0; j < i; j++) {
      const signA = Math.sign((a[i] as number) - (a[j] as number));
      const signB = Math.sign((b[i] as number) - (b[j] as number));
      concordance += signA * signB;
      orderedInA += Math.abs(signA);
      orderedInB += Math.abs(signB);
    }
  }
  if (orderedInA === 0 && orderedInB === 0) return 1;
  if (orderedInA === 0 || orderedInB === 0) return 0;
  return concordance / Math.sqrt(orderedInA * orderedInB);
}

/** Indexes of the best ten, best first; equal scores keep their order, as in `rerank`. */
function top(scores: Float32Array): number[] {
  const indexes = Array.from(scores, (_, i) => i);
  return indexes.sort((i, j) => (scores[j] as number) - (scores[i] as number) || i - j).slice(0, TOP);
}

export function significant(value: number): string {
  return value === 0 ? '0' : value.toPrecision(2).replace(/e([+-])/, 'e$1');
}
