import { CrossrankError } from '../errors';
import type { Precision } from '../options';
import { checkGolden, type GoldenReport } from './golden';
import { PASSAGES, QUERIES } from './pairs';
import {
  brokenLimits,
  compareScores,
  PARITY_LIMITS,
  type Parity,
  type ParityLimits,
  type ScoreMatrix,
  significant,
} from './parity';
import type { Open, RunningPrecision, Scorer } from './scorer';

/** A precision other than fp32, compared with it. */
export interface PrecisionReport {
  precision: keyof typeof PARITY_LIMITS;
  parity: Parity;
  limits: ParityLimits;
  /** What is broken, a phrase each; empty when the precision holds. */
  broken: string[];
}

/** What {@link verifyPrecisions} found. */
export interface VerifyReport {
  model: string;
  /** Absent where no `golden.json` lies beside the model. */
  golden?: GoldenReport;
  precisions: PrecisionReport[];
  /** Precisions that this CPU or model does not run, and why. */
  refused: { precision: Precision; reason: string }[];
  /** Whether `golden.json` and every precision compared hold. */
  holds: boolean;
}

/** Told after every query. */
export type OnProgress = (what: string, done: number) => void;

/** Most exact first: a precision that fails is answered with the next one to the left that holds. */
export const COMPARED_PRECISIONS = ['bf16x3', 'bf16', 'int8'] as const;

/**
 * Compares precisions of a model with its fp32, and fp32 with `golden.json`. One model is loaded at a time.
 *
 * @param open - loads the model; rejects with `ERR_PRECISION` for a precision that this CPU does not run
 */
export async function verifyPrecisions(
  open: Open,
  precisions: readonly Precision[],
  onProgress: OnProgress = () => {},
): Promise<VerifyReport> {
  const reference = await openReference(open);
  let golden: GoldenReport | undefined;
  let scores: ScoreMatrix | undefined;
  const { model, precision: exact } = reference.info();
  const compared = precisions.filter(isCompared);
  try {
    golden = await checkGolden(model, reference);
    if (exact === 'fp32' && compared.length > 0) {
      scores = await scoreBuiltIn(reference, (done) => onProgress('fp32', done / (1 + compared.length)));
    }
  } finally {
    await reference.dispose();
  }
  const holds = golden === undefined || golden.broken.length === 0;
  const report: VerifyReport = { model, precisions: [], refused: [], holds };
  if (golden !== undefined) report.golden = golden;
  if (exact === 'model') {
    const reason = 'an exported graph runs as it was written';
    report.refused = compared.map((precision) => ({ precision, reason }));
  }
  if (scores === undefined) return report;
  for (const [i, precision] of compared.entries()) {
    const found = await compare(open, precision, scores, (done) =>
      onProgress(precision, (1 + i + done) / (1 + compared.length)),
    );
    if ('reason' in found) report.refused.push(found);
    else report.precisions.push(found);
  }
  report.holds &&= report.precisions.every(({ broken }) => broken.length === 0);
  return report;
}

/**
 * The guard of `load(..., { verify: true })`.
 *
 * @param loaded - the model as the caller asked for it; left to the caller to dispose
 * @throws {@link CrossrankError} with `ERR_PRECISION` that says which precision holds
 */
export async function guardPrecision(loaded: Scorer, open: Open): Promise<void> {
  const { model, precision } = loaded.info();
  if (!isCompared(precision)) {
    refuseGolden(await checkGolden(model, loaded), precision);
    return;
  }
  const reference = await openReference(open);
  let scores: ScoreMatrix;
  try {
    refuseGolden(await checkGolden(model, reference), 'fp32');
    scores = await scoreBuiltIn(reference);
  } finally {
    await reference.dispose();
  }
  const broken = brokenLimits(compareScores(scores, await scoreBuiltIn(loaded)), PARITY_LIMITS[precision]);
  if (broken.length === 0) return;
  const moreExact = COMPARED_PRECISIONS.slice(0, COMPARED_PRECISIONS.indexOf(precision)).reverse();
  let holding: Precision = 'fp32';
  for (const candidate of moreExact) {
    const found = await compare(open, candidate, scores);
    if ('reason' in found || found.broken.length > 0) continue;
    holding = candidate;
    break;
  }
  throw new CrossrankError(
    'ERR_PRECISION',
    `${precision} does not hold for the model in ${model}: ${broken.join(', and ')} ` +
      `(${QUERIES.length * PASSAGES.length} built-in pairs against fp32); ${holding} holds: load it with precision: '${holding}'`,
  );
}

function refuseGolden(golden: GoldenReport | undefined, precision: RunningPrecision): void {
  if (golden === undefined || golden.broken.length === 0) return;
  const what = precision === 'model' ? 'the exported graph' : precision;
  throw new CrossrankError(
    'ERR_PRECISION',
    `${what} does not give the scores of ${golden.path}: ${golden.broken[0]}, ${golden.broken.length} of ` +
      `${golden.cases} cases differ, by ${significant(golden.maxDifference)} at most; no precision holds: the file ` +
      'belongs to other weights, or these are damaged',
  );
}

async function compare(
  open: Open,
  precision: (typeof COMPARED_PRECISIONS)[number],
  reference: ScoreMatrix,
  onProgress?: (done: number) => void,
): Promise<PrecisionReport | { precision: Precision; reason: string }> {
  let scorer: Scorer;
  try {
    scorer = await open(precision);
  } catch (error) {
    if (!(error instanceof CrossrankError && error.code === 'ERR_PRECISION')) throw error;
    return { precision, reason: error.message };
  }
  try {
    const parity = compareScores(reference, await scoreBuiltIn(scorer, onProgress));
    const limits = PARITY_LIMITS[precision];
    return { precision, parity, limits, broken: brokenLimits(parity, limits) };
  } finally {
    await scorer.dispose();
  }
}

/** The model in fp32; an exported graph as it was written, which has no other precision. */
async function openReference(open: Open): Promise<Scorer> {
  try {
    return await open('fp32');
  } catch (error) {
    if (!(error instanceof CrossrankError && error.code === 'ERR_PRECISION')) throw error;
    return open('auto');
  }
}

/** Logits of every built-in query with every built-in passage. */
async function scoreBuiltIn(scorer: Scorer, onProgress?: (done: number) => void): Promise<ScoreMatrix> {
  const { labels } = scorer.info();
  const scores = new Float32Array(QUERIES.length * PASSAGES.length * labels);
  for (const [i, query] of QUERIES.entries()) {
    const pairs = PASSAGES.map((passage) => [query, passage] as const);
    scores.set(await scorer.predict(pairs, { scores: 'raw', cache: false }), i * PASSAGES.length * labels);
    onProgress?.((i + 1) / QUERIES.length);
  }
  return { queries: QUERIES.length, documents: PASSAGES.length, labels, scores };
}

function isCompared(
  precision: Precision | RunningPrecision,
): precision is (typeof COMPARED_PRECISIONS)[number] {
  return (COMPARED_PRECISIONS as readonly string[]).includes(precision);
}
