import { CrossrankError, invalidArgument } from '../errors';
import { type Candidates, gatherCandidates, judgedQueries } from './candidates';
import type { Dataset } from './dataset';
import type { FirstStage } from './first-stage';
import { type MetricValues, scoreRanking } from './metrics';
import { type EvaluateOptions, type Plan, planOf } from './options';
import { type DepthReport, type EvaluationReport, type Outcome, summarizeDepth } from './report';

/** What reranks: every `Ranker` (a `Reranker`, a `Cascade`, a `ListwiseReranker`), or what answers as much as this. */
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
  const plan = planOf(options);
  const queries = judgedQueries(dataset, plan.queries, plan.seed);
  const gathered = await gatherCandidates(dataset, firstStage, queries, plan);
  const counted = gathered.candidates.filter(({ ids }) => plan.complete || ids.length > 0);
  if (counted.length === 0) {
    throw new CrossrankError(
      'ERR_DATASET_INVALID',
      `the first stage found nothing for any of ${queries.length} judged queries of ${dataset.name}; ` +
        'check that both name queries and documents alike',
    );
  }
  const { outcomes, aborted } = await rankAll(dataset, ranker, counted, plan);
  const own = plan.depths.indexOf(plan.initialK);
  const reports = plan.depths.map((depth, i) =>
    summarizeDepth(
      depth,
      outcomes.map((each) => each[i] as Outcome),
      plan,
    ),
  );
  const { resamples, confidence, seed } = plan;
  return {
    dataset: dataset.name,
    ...(reports[own] as DepthReport),
    queries: outcomes.map((each, i) => {
      const { degraded: _, ...figures } = each[own] as Outcome;
      return { id: (counted[i] as Candidates).query.id, ...figures };
    }),
    sweep: reports.filter(({ initialK }) => plan.sweep.includes(initialK)),
    bootstrap: { resamples, confidence, seed },
    withoutCandidates: gathered.candidates.filter(({ ids }) => ids.length === 0).length,
    unknownCandidates: gathered.unknown,
    degraded: outcomes.filter((each) => each[own]?.degraded).length,
    aborted,
  };
}

/** The outcomes of each query, one for each depth. */
async function rankAll(
  { qrels }: Dataset,
  ranker: EvaluatedRanker,
  candidates: readonly Candidates[],
  plan: Plan,
): Promise<{ outcomes: Outcome[][]; aborted: boolean }> {
  const { depths, signal, onAbort, onProgress } = plan;
  const outcomes: Outcome[][] = [];
  const total = candidates.length * depths.length;
  try {
    for (const each of candidates) {
      const judged = qrels.get(each.query.id) as ReadonlyMap<string, number>;
      const before = outcomes.length * depths.length;
      outcomes.push(
        await rankAtDepths(ranker, each, judged, plan, (done) => onProgress('rerank', before + done, total)),
      );
    }
  } catch (error) {
    if (signal?.aborted !== true || onAbort === 'error' || outcomes.length === 0) throw error;
    return { outcomes, aborted: true };
  }
  return { outcomes, aborted: false };
}

/** One query at every depth, so that a machine that slows down for a while slows all depths. */
async function rankAtDepths(
  ranker: EvaluatedRanker,
  { query, ids, texts }: Candidates,
  judged: ReadonlyMap<string, number>,
  { depths, metrics, signal }: Plan,
  onRanked: (done: number) => void,
): Promise<Outcome[]> {
  const measure = (ranking: readonly string[]): MetricValues =>
    Object.fromEntries(metrics.map((metric) => [metric.name, scoreRanking(metric, ranking, judged)]));
  const outcomes: Outcome[] = [];
  for (const depth of depths) {
    signal?.throwIfAborted();
    onRanked(outcomes.length);
    const found = ids.slice(0, depth);
    const started = performance.now();
    const answer = await ranker.rerank(
      query.text,
      texts.slice(0, depth),
      signal === undefined ? {} : { signal },
    );
    const latencyMs = performance.now() - started;
    outcomes.push({
      candidates: found.length,
      before: measure(found),
      after: measure(rankedIds(found, answer.results)),
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
