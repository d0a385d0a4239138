import type { Estimate } from '../../evaluation/bootstrap';
import type { Dataset } from '../../evaluation/dataset';
import type { EvaluationReport, MetricReport } from '../../evaluation/report';
import { formatTable } from '../table';

/** Of the queries that changed most, so many on either side. */
const SHOWN_QUERIES = 3;
const SHOWN_CHARACTERS = 60;

/** What was measured, with what. */
export interface EvaluationResult extends EvaluationReport {
  firstStage: string;
  ranker: { model: string; precision: string; threads: number };
}

export function describeEvaluation(result: EvaluationResult, { queries }: Pick<Dataset, 'queries'>): string {
  const { dataset, firstStage, initialK, ranker, bootstrap, latencyMs, pairs, tokens } = result;
  const count = result.queries.length;
  const lines = [
    `${dataset}: ${count} ${count === 1 ? 'query' : 'queries'}, first stage ${firstStage}, up to ${initialK} candidates ` +
      `reranked with ${ranker.model} (${ranker.precision}, ${ranker.threads} threads)`,
    ...notes(result),
    '',
    formatTable(
      ['metric', 'before', 'after', 'change', 'wins', 'losses', 'ties', ''],
      result.metrics.map(metricRow),
    ),
    `in brackets: ${bootstrap.confidence * 100} % intervals of the paired bootstrap, ${bootstrap.resamples} resamples`,
    '',
    `${pairs} pairs, ${tokens} tokens; a rerank call: ${milliseconds(latencyMs.p50)} ms P50, ` +
      `${milliseconds(latencyMs.p95)} P95, ${milliseconds(latencyMs.p99)} P99`,
    '',
    ...changedMost(result, queries),
  ];
  if (result.sweep.length > 0) lines.push(sweepTable(result), '');
  return lines.join('\n');
}

function notes({ aborted, withoutCandidates, unknownCandidates, degraded }: EvaluationResult): string[] {
  const lines: string[] = [];
  if (aborted) lines.push('interrupted: these are the queries that were done');
  if (withoutCandidates > 0)
    lines.push(`judged queries that the first stage found nothing for: ${withoutCandidates}`);
  if (unknownCandidates > 0)
    lines.push(`${unknownCandidates} candidates left out: the corpus does not have them`);
  if (degraded > 0) lines.push(`${degraded} rankings were cut short by a deadline`);
  return lines;
}

function metricRow({ metric, before, after, difference, wins, losses, ties }: MetricReport): string[] {
  return [
    metric,
    estimateText(before),
    estimateText(after),
    estimateText(difference, signed),
    String(wins),
    String(losses),
    String(ties),
  ];
}

function estimateText({ mean, low, high }: Estimate, text = (value: number) => value.toFixed(4)): string {
  return `${text(mean)} [${text(low)}, ${text(high)}]`;
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(4)}`;
}

function changedMost({ metrics, queries }: EvaluationResult, texts: Dataset['queries']): string[] {
  const { metric } = metrics[0] as MetricReport;
  const changes = queries
    .map(({ id, before, after }) => ({ id, change: (after[metric] as number) - (before[metric] as number) }))
    .sort((a, b) => b.change - a.change);
  const best = changes.filter(({ change }) => change > 0).slice(0, SHOWN_QUERIES);
  const worst = changes.filter(({ change }) => change < 0).slice(-SHOWN_QUERIES);
  const rows = [...best, ...worst].map(({ id, change }) => [signed(change), short(texts.get(id) ?? id)]);
  if (rows.length === 0) return [];
  return [formatTable([metric, 'queries that changed most'], rows), ''];
}

/** One line, whatever the query holds. */
function short(text: string): string {
  const line = [...text.replace(/\p{Cc}+/gu, ' ')];
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS).join('')}…` : line.join('');
}

function sweepTable({ sweep, metrics }: EvaluationResult): string {
  const { metric } = metrics[0] as MetricReport;
  const rows = sweep.map(({ initialK, metrics: each, latencyMs, pairs }) => [
    String(initialK),
    estimateText((each.find((report) => report.metric === metric) as MetricReport).after),
    milliseconds(latencyMs.p50),
    milliseconds(latencyMs.p95),
    String(pairs),
  ]);
  return formatTable(['initialK', `${metric} after`, 'P50 ms', 'P95 ms', 'pairs', ''], rows);
}

function milliseconds(value: number): string {
  return value.toFixed(value < 10 ? 1 : 0);
}
