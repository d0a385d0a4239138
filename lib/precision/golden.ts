import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CrossrankError } from '../errors';
import type { Scorer } from './scorer';

/** What the comparison with `golden.json` came to. */
export interface GoldenReport {
  path: string;
  cases: number;
  /** Largest difference of a logit. */
  maxDifference: number;
  /** Empty when fp32 scores are those of the file, within 1e-4, or 1e-5 of the logit where that is more. */
  broken: string[];
}

interface GoldenCase {
  query: string;
  document: string;
  max_length: number;
  logits: number[];
}

const ABSOLUTE_LIMIT = 1e-4;
const RELATIVE_LIMIT = 1e-5;

/**
 * Compares fp32 scores with the `golden.json` beside the model: `{ "cases": [{ "query", "document", "max_length",
 * "logits" }] }`, logits of a reference in float64.
 *
 * @returns undefined when there is no such file
 * @throws {@link CrossrankError} with `ERR_MODEL_INVALID` for a file of another form
 */
export async function checkGolden(folder: string, scorer: Scorer): Promise<GoldenReport | undefined> {
  const path = join(folder, 'golden.json');
  const cases = await readCases(path);
  if (cases === undefined) return undefined;
  const report: GoldenReport = { path, cases: cases.length, maxDifference: 0, broken: [] };
  for (const [i, { query, document, max_length: maxLength, logits }] of cases.entries()) {
    const scores = await scorer.predict([[query, document]], { maxLength, scores: 'raw', cache: false });
    if (scores.length !== logits.length) {
      throw invalid(path, `case ${i} has ${logits.length} logits and the model gives ${scores.length}`);
    }
    logits.forEach((expected, label) => {
      const actual = scores[label] as number;
      const difference = Math.abs(actual - expected);
      report.maxDifference = Math.max(report.maxDifference, difference);
      if (!(difference <= Math.max(ABSOLUTE_LIMIT, RELATIVE_LIMIT * Math.abs(expected)))) {
        report.broken.push(`case ${i} scores ${actual} and the file says ${expected}`);
      }
    });
  }
  return report;
}

async function readCases(path: string): Promise<GoldenCase[] | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw invalid(path, (error as Error).message);
  }
  const cases = (file as { cases?: unknown } | null)?.cases;
  if (!Array.isArray(cases) || cases.length === 0) throw invalid(path, 'it has no list "cases"');
  cases.forEach((item, i) => {
    if (!isCase(item)) throw invalid(path, `cases[${i}] is not { query, document, max_length, logits }`);
  });
  return cases;
}

function isCase(value: unknown): value is GoldenCase {
  const item = value as Partial<GoldenCase> | null;
  return (
    typeof item?.query === 'string' &&
    typeof item.document === 'string' &&
    Number.isInteger(item.max_length) &&
    Array.isArray(item.logits) &&
    item.logits.length > 0 &&
    item.logits.every((logit) => typeof logit === 'number')
  );
}

function invalid(path: string, reason: string): CrossrankError {
  return new CrossrankError('ERR_MODEL_INVALID', `${path}: ${reason}`);
}
