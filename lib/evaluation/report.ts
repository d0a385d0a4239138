import { type Summary, summarize } from '../statistics';
import { type BootstrapOptions, type Estimate, pairedBootstrap } from './bootstrap';
import type { MetricValues } from './metrics';
import type { Plan } from './options';

/** One metric before and after reranking, over all queries. */
export interface MetricReport {
  metric: string;
  before: Estimate;
  after: Estimate;
  /** After less before; reranking helped for certain where `low` is above 0. */
  difference: Estimate;
  /** Queries that reranking made better. */
  wins: number;
  /** Queries that it made worse. */
  losses: number;
  ties: number;
}

/** What it comes to when so many candidates are reranked. */
export interface DepthReport {
  /** Candidates of a query that are reranked, at most. */
  initialK: number;
  metrics: MetricReport[];
  /** Of one query's rerank call, nothing else running beside it: P50, P95 and P99, in milliseconds. */
  latencyMs: Summary;
  /** (query, document) pairs that were ranked. */
  pairs: number;
  /** Tokens computed for them, where the ranker tells. */
  tokens: number;
}

/** One query, at the report's own `initialK`. */
export interface QueryReport {
  id: string;
  /** Documents that were reranked. */
  candidates: number;
  before: MetricValues;
  after: MetricValues;
  latencyMs: number;
  tokens: number;
}

/** The answer of `evaluate`. */
export interface EvaluationReport extends DepthReport {
  /** Name of the data set. */
  dataset: string;
  queries: QueryReport[];
  /** Each depth of the option `sweep`, fewest candidates first. */
  sweep: DepthReport[];
  /** How the intervals were made. */
  bootstrap: BootstrapOptions;
  /** Queries that the first stage found nothing for: left out, or counted as 0 with `complete`. */
  withoutCandidates: number;
  /** Found documents that were left out because the corpus does not have them. */
  unknownCandidates: number;
  /** Queries whose ranking a deadline had cut short. */
  degraded: number;
  /** Whether it was aborted, and covers the queries that were done. */
  aborted: boolean;
}

/** One query at one depth. */
export interface Outcome {
  candidates: number;
  before: MetricValues;
  after: MetricValues;
  latencyMs: number;
  tokens: number;
  degraded: boolean;
}

/** @param outcomes - of all queries; not empty */
export function summarizeDepth(initialK: number, outcomes: readonly Outcome[], plan: Plan): DepthReport {
  const sum = (of: (outcome: Outcome) => number) => outcomes.reduce((total, each) => total + of(each), 0);
  return {
    initialK,
    metrics: plan.metrics.map(({ name }) => summarizeMetric(name, outcomes, plan)),
    latencyMs: summarize(outcomes.map(({ latencyMs }) => latencyMs)),
    pairs: sum(({ candidates }) => candidates),
    tokens: sum(({ tokens }) => tokens),
  };
}

function summarizeMetric(
  metric: string,
  outcomes: readonly Outcome[],
  bootstrap: BootstrapOptions,
): MetricReport {
  const before = outcomes.map((outcome) => outcome.before[metric] as number);
  const after = outcomes.map((outcome) => outcome.after[metric] as number);
  const wins = after.filter((value, i) => value > (before[i] as number)).length;
  const losses = after.filter((value, i) => value < (before[i] as number)).length;
  const ties = outcomes.length - wins - losses;
  return { metric, ...pairedBootstrap(before, after, bootstrap), wins, losses, ties };
}
