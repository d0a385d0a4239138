import { invalidArgument } from '../errors';
import {
  checkBoolean,
  checkChoice,
  checkFunction,
  checkInteger,
  checkNames,
  checkSignal,
} from '../option-checks';
import { type Metric, parseMetric } from './metrics';

/** How far `evaluate` is. */
export interface EvaluationProgress {
  /** `retrieve`: the first stage, in queries; `read`: texts from the corpus; `rerank`: in rankings. */
  step: 'retrieve' | 'read' | 'rerank';
  done: number;
  total: number;
}

/** Options of `evaluate`. */
export interface EvaluateOptions {
  /** Candidates of each query that are reranked, at most. @defaultValue `100` */
  initialK?: number;
  /** Other depths to measure as well, so that one can be chosen: at most 32. @defaultValue none */
  sweep?: readonly number[];
  /** Of `ndcg`, `mrr` and `map`, with a cutoff (`ndcg@10`) or without, `recall@k` and `p@k`. @defaultValue `['ndcg@10', 'mrr@10', 'map', 'recall@10', 'p@10']` */
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

/** The options with their defaults, checked. */
export interface Plan
  extends Required<Omit<EvaluateOptions, 'metrics' | 'queries' | 'signal' | 'onProgress'>> {
  metrics: readonly Metric[];
  /** `initialK` and those of the sweep, each once, the smallest first. */
  depths: readonly number[];
  queries: number | undefined;
  signal: AbortSignal | undefined;
  onProgress(step: EvaluationProgress['step'], done: number, total: number): void;
}

/** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` */
export function planOf(options: EvaluateOptions): Plan {
  checkOptions(options);
  const { initialK = DEFAULT_INITIAL_K, sweep = [], metrics = DEFAULT_METRICS, onProgress } = options;
  const { resamples = 10_000, confidence = 0.95, seed = DEFAULT_SEED, queries, signal } = options;
  const { complete = false, unknown = 'error', onAbort = 'error' } = options;
  return {
    ...{ initialK, sweep, queries, resamples, confidence, seed, complete, unknown, signal, onAbort },
    metrics: [...new Map(metrics.map(parseMetric).map((metric) => [metric.name, metric])).values()],
    depths: [...new Set([initialK, ...sweep])].sort((a, b) => a - b),
    onProgress: (step, done, total) => onProgress?.({ step, done, total }),
  };
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
