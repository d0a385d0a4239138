import { readFileSync } from 'node:fs';
import { type PairedEstimates, pairedBootstrap } from '../lib/evaluation/bootstrap';
import { computeMetrics, parseMetric } from '../lib/evaluation/metrics';
import type { Qrels, Run } from '../lib/evaluation/types';
import { fixture } from './support/models';

interface MetricCase {
  name: string;
  qrels: Record<string, Record<string, number>>;
  run: Record<string, Record<string, number>>;
  queries: Record<string, Record<string, number>>;
  mean: Record<string, number>;
  meanOfAllJudged: Record<string, number>;
}

interface BootstrapCase {
  name: string;
  confidence: number;
  before: number[];
  after: number[];
  intervals: Record<keyof PairedEstimates, { low: number; high: number }>;
}

function casesOf<Case>(file: string): Case[] {
  return JSON.parse(readFileSync(fixture(`evaluation/${file}`), 'utf8')).cases;
}

function qrelsOf(qrels: MetricCase['qrels']): Qrels {
  return new Map(Object.entries(qrels).map(([query, judged]) => [query, new Map(Object.entries(judged))]));
}

function runOf(run: MetricCase['run']): Run {
  return new Map(
    Object.entries(run).map(([query, found]) => [
      query,
      Object.entries(found).map(([id, score]) => ({ id, score })),
    ]),
  );
}

function expectClose(actual: Record<string, number>, expected: Record<string, number>): void {
  expect(Object.keys(actual).sort()).toEqual(Object.keys(expected).sort());
  for (const [name, value] of Object.entries(expected)) {
    expect({ name, far: Math.abs((actual[name] as number) - value) > 1e-6, value }).toMatchObject({
      far: false,
    });
  }
}

describe.each(casesOf<MetricCase>('metrics.json').map((each) => [each.name, each] as const))(
  'every metric equals that of trec_eval: %s',
  (_, { qrels, run, queries, mean, meanOfAllJudged }) => {
    const metrics = Object.keys(mean);

    test('for each query, with trec_eval leaving out what the run does not have', () => {
      const result = computeMetrics(qrelsOf(qrels), runOf(run), metrics);
      expect([...result.queries.keys()].sort()).toEqual(Object.keys(queries).sort());
      for (const [query, values] of result.queries)
        expectClose(values, queries[query] as Record<string, number>);
      expectClose(result.mean, mean);
    });

    test('and where all judged queries count', () => {
      const result = computeMetrics(qrelsOf(qrels), runOf(run), metrics, { complete: true });
      expect(result.queries.size).toBe(Object.keys(qrels).length);
      expectClose(result.mean, meanOfAllJudged);
    });

    test('whatever order the run is in', () => {
      const reversed = new Map([...runOf(run)].map(([query, found]) => [query, [...found].reverse()]));
      expect(computeMetrics(qrelsOf(qrels), reversed, metrics)).toEqual(
        computeMetrics(qrelsOf(qrels), runOf(run), metrics),
      );
    });
  },
);

test('the reference has every metric, and judged queries that were left out', () => {
  const cases = casesOf<MetricCase>('metrics.json');
  const names = Object.keys(cases[0]?.mean as object);
  expect(new Set(names.map((name) => name.split('@')[0]))).toEqual(
    new Set(['ndcg', 'mrr', 'map', 'recall', 'p']),
  );
  const differs = ({ mean, meanOfAllJudged }: MetricCase) => mean['ndcg@10'] !== meanOfAllJudged['ndcg@10'];
  expect(cases.filter(differs).length).toBeGreaterThan(0);
});

test('names of metrics are read in any case, and others are refused', () => {
  expect(parseMetric('nDCG@10')).toEqual({ name: 'ndcg@10', kind: 'ndcg', cutoff: 10 });
  expect(parseMetric('MRR')).toEqual({ name: 'mrr', kind: 'mrr', cutoff: Number.POSITIVE_INFINITY });
  for (const name of ['ndcg@0', 'ndcg@', 'ndcg@1.5', 'ndcg@-1', 'recall', 'p', 'f1@3', '', 'ndcg@10,map']) {
    expect(() => parseMetric(name)).toThrow(
      expect.objectContaining({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining('for metric but received'),
      }),
    );
  }
});

test('a run with NaN or a document twice is refused by name', () => {
  const qrels = new Map([['q', new Map([['a', 1]])]]);
  const of = (...found: [string, number][]) => new Map([['q', found.map(([id, score]) => ({ id, score }))]]);
  expect(() => computeMetrics(qrels, of(['a', Number.NaN]), ['map'])).toThrow(
    'Expected a number for the score of "a" for query "q" but received NaN',
  );
  expect(() => computeMetrics(qrels, of(['a', 1], ['b', 1], ['a', 2]), ['map'])).toThrow(
    'the run has document "a" twice for query "q"',
  );
});

describe('the bootstrap', () => {
  const resamples = 10_000;
  const cases = casesOf<BootstrapCase>('bootstrap.json');

  /** How far an end of an interval is from another's by chance: Monte-Carlo error of a quantile, four times over. */
  function tolerance(values: readonly number[], confidence: number): number {
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    const standardError = Math.sqrt(variance / values.length);
    const tail = (1 - confidence) / 2;
    const z = confidence === 0.95 ? 1.96 : 1.2816;
    const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI) / standardError;
    return (4 * Math.sqrt((tail * (1 - tail)) / resamples)) / density;
  }

  test.each(cases.map((each) => [each.name, each] as const))(
    'gives the intervals of scipy: %s',
    (_, each) => {
      const { before, after, confidence, intervals } = each;
      const estimates = pairedBootstrap(before, after, { resamples, confidence, seed: 5 });
      const values = { before, after, difference: after.map((value, i) => value - (before[i] as number)) };
      for (const name of ['before', 'after', 'difference'] as const) {
        const allowed = tolerance(values[name], confidence);
        const ends = [estimates[name].low - intervals[name].low, estimates[name].high - intervals[name].high];
        for (const end of ends) expect(Math.abs(end)).toBeLessThan(allowed);
        expect(intervals[name].high - intervals[name].low).toBeGreaterThan(10 * allowed);
      }
    },
  );

  test('is the same for the same seed, and another for another', () => {
    const { before, after } = cases[0] as BootstrapCase;
    const run = (seed: number) => pairedBootstrap(before, after, { resamples: 500, confidence: 0.95, seed });
    expect(run(1)).toEqual(run(1));
    expect(run(1)).not.toEqual(run(2));
  });

  test('of queries that all changed alike has no width', () => {
    const { difference } = pairedBootstrap([0.25, 0.5], [0.5, 0.75], {
      resamples: 100,
      confidence: 0.95,
      seed: 1,
    });
    expect(difference).toEqual({ mean: 0.25, low: 0.25, high: 0.25 });
  });
});
