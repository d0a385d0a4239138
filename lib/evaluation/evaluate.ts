import { CrossrankError, invalidArgument } from '../errors';
import {
  checkBoolean,
  checkChoice,
  checkFunction,
  checkInteger,
  checkNames,
  checkSignal,
} from '../option-checks';
import { type Candidates, gatherCandidates, judgedQueries } from './candidates';
import type { Dataset } from './dataset';
import type { FirstStage } from './first-stage';
import { type Metric, type MetricValues, parseMetric, scoreRanking } from './metrics';
import { type EvaluationReport, type Outcome, summarizeDepth } from './report';

/** What reranks: a `Reranker`, or anything that answers as it does. */
export interface EvaluatedRanker {
  /** Best first; `index` is a document's place in `documents`. Documents left out are not ranked. */
  rerank(
    query: string,
    documents: readonly string[],
    options: { signal?: AbortSignal },
  ): Promise<{
    results: readonly { index: number }[];
    degraded?: boolean;
    usage?: { tokens: number };
  }>;
}

/** How far {@link evaluate} is. */
export interface EvaluationProgress {
  /** `retrieve`: the first stage, in queries; `read`: texts from the corpus; `rerank`: in rankings. */
  step: 'retrieve' | 'read' | 'rerank';
  done: number;
  total: number;
}

/** Options of {@link evaluate}. */
export interface EvaluateOptions {
  /** Candidates of each query that are reranked, at most. @defaultValue `100` */
  initialK?: number;
  /** Other depths to measure as well, so that one can be chosen: at most 32. @defaultValue none */
  sweep?: readonly number[];
  /** Names as {@link parseMetric} takes them. @defaultValue `['ndcg@10', 'mrr@10', 'map', 'recall@10', 'p@10']` */
  metrics?: readonly string[];
  /** Evaluate so many of the judged queries, drawn with `seed`. @defaultValue all */
  queries?: number;
  /** Resamples of the bootstrap. @defaultValue `10_000` */
  resamples?: number;
  /** Of the intervals, between 0 and 1. @defaultValue `0.95` */
  confidence?: number;
  /** From 0 to 2^32 - 1; the same seed gives the same report, latencies apart. @defaultValue `1` */
  seed?: number;
  /**
   * Whether queries that the first stage finds nothing for count as 0 (trec_eval's `-c`), or are left out.
   * @defaultValue `false`: left out, as trec_eval does with queries that a run does not have
   */
  complete?: boolean;
  /** What to do with found documents that the corpus does not have: refuse, or leave them out. @defaultValue `'error'` */
  unknown?: 'error' | 'ignore';
  onProgress?: (progress: EvaluationProgress) => void;
  /** Ends the evaluation; what runs of it is ended. */
  signal?: AbortSignal;
  /**
   * What an abort comes to: `'error'` rejects with the signal's reason; `'partial'` resolves to the report of the queries
   * that are done, and rejects where none is. @defaultValue `'error'`
   */
  onAbort?: 'error' | 'partial';
}

const OPTIONS = [
  'initialK',
  'sweep',
  'metrics',
  'queries',
  'resamples',
  'confidence',
  'seed',
  'complete',
  'unknown',
  'onProgress',
  'signal',
  'onAbort',
];
export const DEFAULT_METRICS: readonly string[] = ['ndcg@10', 'mrr@10', 'map', 'recall@10', 'p@10'];
export const DEFAULT_INITIAL_K = 100;
export const DEFAULT_SEED = 1;
const MAX_INITIAL_K = 1_000_000;
const MAX_SWEEP = 32;
const MAX_SEED = 2 ** 32 - 1;

/**
 * Measures what reranking does to a search: for each judged query the first stage finds `initialK` candidates, the ranker
 * ranks them, and both rankings are measured by the judgements.
 *
 * A ranking is measured in the order that it came in. Queries are ranked one after the other, so that latencies are those
 * of an idle machine; call `warmUp()` before, and load the `Reranker` with `cache: false` where depths are swept.
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_DATASET_INVALID`, or what the ranker or the first stage
 * rejects with
 */
export async function evaluate(
  dataset: Dataset,
  firstStage: FirstStage,
  ranker: EvaluatedRanker,
  options: EvaluateOptions = {},
): Promise<EvaluationReport> {
  checkOptions(options);
  const {
    initialK = DEFAULT_INITIAL_K,
    sweep = [],
    seed = DEFAULT_SEED,
    unknown = 'error',
    signal,
  } = options;
  const { complete = false, onAbort = 'error', resamples = 10_000, confidence = 0.95 } = options;
  const metrics = uniqueMetrics(options.metrics ?? DEFAULT_METRICS);
  const depths = [...new Set([initialK, ...sweep])].sort((a, b) => a - b);
  const onProgress = (step: EvaluationProgress['step'], done: number, total: number) =>
    options.onProgress?.({ step, done, total });

  const queries = judgedQueries(dataset, options.queries, seed);
  const topK = depths.at(-1) as number;
  const gathered = await gatherCandidates(dataset, firstStage, queries, {
    topK,
    unknown,
    signal,
    onProgress,
  });
  const counted = gathered.candidates.filter(({ ids }) => complete || ids.length > 0);
  if (counted.length === 0) {
    throw new CrossrankError(
      'ERR_DATASET_INVALID',
      `the first stage found nothing for any of ${queries.length} judged queries of ${dataset.name}; ` +
        'check that both name queries and documents alike',
    );
  }
  const outcomes: Outcome[][] = [];
  let aborted = false;
  try {
    for (const candidates of counted) {
      outcomes.push(
        await rankAtDepths(dataset, ranker, candidates, depths, metrics, signal, (done) =>
          onProgress('rerank', outcomes.length * depths.length + done, counted.length * depths.length),
        ),
      );
    }
  } catch (error) {
    aborted = signal?.aborted === true;
    if (!aborted || onAbort === 'error' || outcomes.length === 0) throw error;
  }

  const bootstrap = { resamples, confidence, seed };
  const names = metrics.map(({ name }) => name);
  const reports = depths.map((depth, i) =>
    summarizeDepth(
      depth,
      outcomes.map((each) => each[i] as Outcome),
      names,
      bootstrap,
    ),
  );
  const own = depths.indexOf(initialK);
  return {
    dataset: dataset.name,
    ...(reports[own] as (typeof reports)[number]),
    queries: outcomes.map((each, i) => {
      const { degraded: _, ...figures } = each[own] as Outcome;
      return { id: (counted[i] as Candidates).query.id, ...figures };
    }),
    sweep: reports.filter(({ initialK: depth }) => sweep.includes(depth)),
    bootstrap,
    withoutCandidates: gathered.candidates.filter(({ ids }) => ids.length === 0).length,
    unknownCandidates: gathered.unknown,
    degraded: outcomes.filter((each) => each[own]?.degraded).length,
    aborted,
  };
}

/** One query at every depth, so that a machine that slows down for a while slows all depths. */
async function rankAtDepths(
  dataset: Dataset,
  ranker: EvaluatedRanker,
  { query, ids, texts }: Candidates,
  depths: readonly number[],
  metrics: readonly Metric[],
  signal: AbortSignal | undefined,
  onRanked: (done: number) => void,
): Promise<Outcome[]> {
  const judged = dataset.qrels.get(query.id) as ReadonlyMap<string, number>;
  const measure = (ranking: readonly string[]): MetricValues =>
    Object.fromEntries(metrics.map((metric) => [metric.name, scoreRanking(metric, ranking, judged)]));
  const outcomes: Outcome[] = [];
  for (const depth of depths) {
    signal?.throwIfAborted();
    onRanked(outcomes.length);
    const known = ids.slice(0, depth);
    const started = performance.now();
    const answer = await ranker.rerank(
      query.text,
      texts.slice(0, depth),
      signal === undefined ? {} : { signal },
    );
    const latencyMs = performance.now() - started;
    outcomes.push({
      candidates: known.length,
      before: measure(known),
      after: measure(rankedIds(known, answer.results)),
      latencyMs,
      tokens: answer.usage?.tokens ?? 0,
      degraded: answer.degraded === true,
    });
  }
  return outcomes;
}

function rankedIds(ids: readonly string[], results: readonly { index: number }[]): string[] {
  const ranked = results.map(({ index }) => {
    const id = ids[index];
    if (id === undefined)
      throw invalidArgument('an index of the ranker', `an integer below ${ids.length}`, index);
    return id;
  });
  if (new Set(ranked).size === ranked.length) return ranked;
  throw new CrossrankError(
    'ERR_INVALID_ARGUMENT',
    'the ranker gave a document twice; each may stand once in a ranking',
  );
}

function uniqueMetrics(names: readonly string[]): Metric[] {
  return [...new Map(names.map(parseMetric).map((metric) => [metric.name, metric])).values()];
}

function checkOptions(options: EvaluateOptions): void {
  checkNames(options, OPTIONS);
  checkInteger('initialK', options.initialK, 1, MAX_INITIAL_K);
  const { sweep, metrics, confidence } = options;
  if (sweep !== undefined && !(Array.isArray(sweep) && sweep.length <= MAX_SWEEP)) {
    throw invalidArgument('sweep', `an array of at most ${MAX_SWEEP} depths`, sweep);
  }
  sweep?.forEach((depth, i) => {
    checkInteger(`sweep[${i}]`, depth, 1, MAX_INITIAL_K);
  });
  if (metrics !== undefined && !(Array.isArray(metrics) && metrics.length > 0)) {
    throw invalidArgument('metrics', "an array such as ['ndcg@10']", metrics);
  }
  checkInteger('queries', options.queries, 1, Number.MAX_SAFE_INTEGER);
  checkInteger('resamples', options.resamples, 100, 1_000_000);
  if (confidence !== undefined && !(confidence > 0 && confidence < 1)) {
    throw invalidArgument('confidence', 'a number between 0 and 1', confidence);
  }
  checkInteger('seed', options.seed, 0, MAX_SEED);
  checkBoolean('complete', options.complete);
  checkChoice('unknown', options.unknown, ['error', 'ignore']);
  checkFunction('onProgress', options.onProgress);
  checkSignal(options.signal);
  checkChoice('onAbort', options.onAbort, ['error', 'partial']);
}
