import { CrossrankError, invalidArgument } from '../errors';
import { trecOrder } from './trec-order';
import type { Qrels, Run, ScoredDocument } from './types';

const KINDS = ['ndcg', 'mrr', 'map', 'recall', 'p'] as const;
/** Of those that trec_eval has with a cutoff alone. */
const NEEDS_CUTOFF: readonly string[] = ['recall', 'p'];

/** What `parseMetric` makes of a name. */
export interface Metric {
  /** In lower case, such as `'ndcg@10'`. */
  name: string;
  kind: (typeof KINDS)[number];
  /** Documents it looks at; infinite without a cutoff. */
  cutoff: number;
}

/**
 * Reads the name of a metric: `ndcg`, `mrr` and `map`, with a cutoff or without, and `recall@k` and `p@k`.
 *
 * They are those of trec_eval: ndcg_cut_k (linear gain; Järvelin and Kekäläinen 2002 with a discount of log2(rank + 1)),
 * recip_rank, map_cut_k, recall_k and P_k. `mrr@k` is 0 where the first relevant document comes after k.
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`
 */
export function parseMetric(text: string): Metric {
  const name = typeof text === 'string' ? text.trim().toLowerCase() : '';
  const [, word = '', cutoff] = /^([a-z]+)(?:@([1-9]\d{0,8}))?$/.exec(name) ?? [];
  const kind = KINDS.find((known) => known === word);
  if (kind === undefined || (cutoff === undefined && NEEDS_CUTOFF.includes(kind))) {
    throw invalidArgument('metric', 'ndcg@k, mrr@k, map@k, recall@k or p@k, such as ndcg@10,', text);
  }
  return { name, kind, cutoff: cutoff === undefined ? Number.POSITIVE_INFINITY : Number(cutoff) };
}

/**
 * One query's value.
 * @param ranking - ids of what was found, best first
 * @param judged - grades of the query's judged documents
 */
export function scoreRanking(
  { kind, cutoff }: Metric,
  ranking: readonly string[],
  judged: ReadonlyMap<string, number>,
): number {
  const grades = ranking.slice(0, cutoff).map((id) => judged.get(id) ?? 0);
  if (kind === 'ndcg') return ndcg(grades, [...judged.values()], cutoff);
  if (kind === 'mrr') return 1 / (grades.findIndex(isRelevant) + 1 || Number.POSITIVE_INFINITY);
  const found = grades.filter(isRelevant).length;
  if (kind === 'p') return found / cutoff;
  const relevant = [...judged.values()].filter(isRelevant).length;
  if (relevant === 0) return 0;
  return (kind === 'recall' ? found : sumOfPrecisions(grades)) / relevant;
}

/** trec_eval's default: relevant from level 1 on. */
function isRelevant(grade: number): boolean {
  return grade >= 1;
}

function ndcg(grades: readonly number[], judged: readonly number[], cutoff: number): number {
  const ideal = discountedGain([...judged].sort((a, b) => b - a).slice(0, cutoff));
  return ideal === 0 ? 0 : discountedGain(grades) / ideal;
}

function discountedGain(grades: readonly number[]): number {
  return grades.reduce((sum, grade, i) => (isRelevant(grade) ? sum + grade / Math.log2(i + 2) : sum), 0);
}

function sumOfPrecisions(grades: readonly number[]): number {
  let found = 0;
  let sum = 0;
  grades.forEach((grade, i) => {
    if (isRelevant(grade)) sum += ++found / (i + 1);
  });
  return sum;
}

/** Options of {@link computeMetrics}. */
export interface MetricOptions {
  /**
   * Whether judged queries that the run does not have count as 0 (trec_eval's option `-c`), or are left out of the mean.
   * @defaultValue `false`: left out, as by trec_eval and pytrec_eval
   */
  complete?: boolean;
}

/** Values by the metric's name, such as `{ 'ndcg@10': 0.71 }`. */
export type MetricValues = Record<string, number>;

/** The answer of {@link computeMetrics}. */
export interface MetricsResult {
  /** The mean over `queries`; NaN where there are none. */
  mean: MetricValues;
  /** Each judged query that was counted, in the order of the judgements. */
  queries: Map<string, MetricValues>;
}

/**
 * Measures a run as trec_eval does, to the last digit that it prints.
 *
 * Documents are ranked by score, compared as float32, equal ones by id from high to low. Queries of the run that are not
 * judged are ignored. A query without relevant documents counts as 0.
 * @param metrics - of `ndcg`, `mrr` and `map`, with a cutoff (`ndcg@10`) or without, `recall@k` and `p@k`
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`: an unknown metric, a score that is NaN, a document twice in
 * a query
 */
export function computeMetrics(
  qrels: Qrels,
  run: Run,
  metrics: readonly string[],
  { complete = false }: MetricOptions = {},
): MetricsResult {
  const parsed = metrics.map(parseMetric);
  const queries = new Map<string, MetricValues>();
  for (const [query, judged] of qrels) {
    const found = run.get(query);
    if (found === undefined && !complete) continue;
    const ranking = rankingOf(query, found ?? []);
    queries.set(
      query,
      Object.fromEntries(parsed.map((metric) => [metric.name, scoreRanking(metric, ranking, judged)])),
    );
  }
  const all = [...queries.values()];
  const mean = Object.fromEntries(
    parsed.map(({ name }) => [
      name,
      all.reduce((sum, values) => sum + (values[name] as number), 0) / all.length,
    ]),
  );
  return { mean, queries };
}

function rankingOf(query: string, found: readonly ScoredDocument[]): string[] {
  const seen = new Set<string>();
  for (const { id, score } of found) {
    const place = `the score of ${JSON.stringify(id)} for query ${JSON.stringify(query)}`;
    if (typeof score !== 'number' || Number.isNaN(score)) throw invalidArgument(place, 'a number', score);
    if (seen.has(id)) {
      throw new CrossrankError(
        'ERR_INVALID_ARGUMENT',
        `the run has document ${JSON.stringify(id)} twice for query ${JSON.stringify(query)}; give each document once`,
      );
    }
    seen.add(id);
  }
  return trecOrder(found).map(({ id }) => id);
}
