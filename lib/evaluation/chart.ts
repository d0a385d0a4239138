import { axisName, gridLine, type Panel, tickBelow, title } from '../plot/panel';
import {
  chart,
  colorOf,
  escapeText,
  label,
  line,
  MUTED,
  niceScale,
  plain,
  round,
  whisker,
} from '../plot/svg';
import type { DepthReport, EvaluationReport, MetricReport } from './report';

const WIDTH = 1080;
const TOP = 112;
/** Between the title of an upper panel and the panel: values stand above the bars there, or a line of text. */
const UNDER_TITLE = 22;
const METRICS = { left: 84, top: TOP + UNDER_TITLE, width: 600, height: 268 };
const QUERIES = { left: 790, top: TOP + UNDER_TITLE, width: 262, height: 268 };
/** Of the upper panels with their axes and legend. */
const ROW = 392;
const SWEEP = { left: 84, top: TOP + ROW, width: 968, height: 290 };
const SWEEP_ROW = 392;
const [BEFORE, AFTER] = [colorOf(5), colorOf(0)];
const [WORSE, BETTER] = [colorOf(1), colorOf(2)];

/**
 * Metrics before and after with their intervals, the first metric's difference for each query, and, where depths were
 * swept, what each costs and gives.
 */
export function evaluationChart(report: EvaluationReport): string {
  const { dataset, queries, initialK, bootstrap, latencyMs, aborted } = report;
  const interval = `${plain(bootstrap.confidence * 100)} % intervals`;
  const subtitle = [
    `${queries.length} queries${aborted ? ' (aborted)' : ''}`,
    `${initialK} candidates`,
    `P50 ${milliseconds(latencyMs.p50)}, P95 ${milliseconds(latencyMs.p95)} a query`,
    `${interval} (bootstrap)`,
  ].join(' · ');
  const hasSweep = report.sweep.length > 0;
  const height = TOP + ROW + (hasSweep ? SWEEP_ROW : 0) - 20;
  return chart(WIDTH, height, `Before and after reranking: ${dataset}`, subtitle, [
    ...metricsPanel(METRICS, report.metrics),
    ...queriesPanel(QUERIES, report),
    ...(hasSweep ? sweepPanel(SWEEP, report) : []),
  ]);
}

function metricsPanel(panel: Panel, metrics: readonly MetricReport[]): string[] {
  const scale = niceScale(
    Math.max(...metrics.flatMap(({ before, after }) => [before.high, after.high]), 0.1),
  );
  const y = (value: number) => panel.top + (1 - value / scale.max) * panel.height;
  const bottom = panel.top + panel.height;
  const slot = panel.width / metrics.length;
  const width = Math.min(44, slot * 0.36);
  const out = [title(above(panel), 'Mean over queries')];
  for (const tick of scale.ticks) out.push(gridLine(panel, y(tick), plain(tick)));
  for (const [i, { metric, before, after }] of metrics.entries()) {
    const middle = panel.left + slot * (i + 0.5);
    const bars = [
      { estimate: before, color: BEFORE, x: middle - width / 2 - 2 },
      { estimate: after, color: AFTER, x: middle + width / 2 + 2 },
    ];
    for (const { estimate, color, x } of bars) {
      out.push(
        `<rect x="${round(x - width / 2)}" y="${round(y(estimate.mean))}" width="${round(width)}" ` +
          `height="${round(bottom - y(estimate.mean))}" fill="${color}"/>`,
        whisker(x, y(estimate.low), x, y(estimate.high)),
        label(x, y(estimate.high) - 8, estimate.mean.toFixed(3).replace(/^0/, ''), {
          anchor: 'middle',
          size: 12,
          weight: 'bold',
        }),
      );
    }
    out.push(label(middle, bottom + 22, metric, { anchor: 'middle', fill: MUTED }));
  }
  out.push(axisName(panel, '', 'value of the metric (0 to 1)'));
  out.push(
    ...legend(panel.left, bottom + 50, [
      ['before', BEFORE],
      ['after', AFTER],
    ]),
  );
  return out;
}

function queriesPanel(panel: Panel, { metrics, queries }: EvaluationReport): string[] {
  const { metric, wins, losses, ties } = metrics[0] as MetricReport;
  const changes = queries.map(({ id, before, after }) => ({
    id,
    change: (after[metric] as number) - (before[metric] as number),
  }));
  changes.sort((a, b) => b.change - a.change);
  const scale = niceScale(Math.max(...changes.map(({ change }) => Math.abs(change)), 0.1));
  const y = (value: number) => panel.top + ((1 - value / scale.max) / 2) * panel.height;
  const out = [
    title(above(panel), 'Each query'),
    label(panel.left, panel.top - 14, `${wins} better, ${losses} worse, ${ties} equal`, { fill: MUTED }),
  ];
  for (const tick of scale.ticks) {
    out.push(gridLine(panel, y(tick), plain(tick)));
    if (tick > 0) out.push(gridLine(panel, y(-tick), `−${plain(tick)}`));
  }
  const slot = panel.width / changes.length;
  for (const [i, { id, change }] of changes.entries()) {
    const [top, end] = [Math.min(y(0), y(change)), Math.max(y(0), y(change))];
    out.push(
      `<rect x="${round(panel.left + slot * i)}" y="${round(top)}" width="${Math.max(0.5, slot * 0.8).toFixed(2)}" ` +
        `height="${round(end - top)}" fill="${change < 0 ? WORSE : BETTER}">` +
        `<title>${escapeText(`${id}: ${change.toFixed(4)}`)}</title></rect>`,
    );
  }
  out.push(line(panel.left, y(0), panel.left + panel.width, y(0), MUTED));
  out.push(axisName(panel, 'queries, from best to worst', `change of ${metric}`));
  return out;
}

/** Quality against what it costs, for each depth: the first metric over the median latency. */
function sweepPanel(panel: Panel, { metrics, sweep }: EvaluationReport): string[] {
  const { metric, before } = metrics[0] as MetricReport;
  const points = sweep.map((depth) => ({ depth, estimate: estimateOf(depth, metric) }));
  const across = niceScale(Math.max(...sweep.map(({ latencyMs }) => latencyMs.p95)));
  const highest = Math.max(before.high, ...points.map(({ estimate }) => estimate.high));
  const scale = niceScale(highest * 1.05);
  const x = (ms: number) => panel.left + (ms / across.max) * panel.width;
  const y = (value: number) => panel.top + (1 - value / scale.max) * panel.height;
  const out = [title(panel, `Choose an initialK: ${metric} against the time of a query`)];
  for (const tick of scale.ticks) out.push(gridLine(panel, y(tick), plain(tick)));
  for (const tick of across.ticks) out.push(tickBelow(panel, x(tick), plain(tick)));
  out.push(line(panel.left, y(before.mean), panel.left + panel.width, y(before.mean), BEFORE, 2));
  const path = points.map(
    ({ depth, estimate }) => `${round(x(depth.latencyMs.p50))} ${round(y(estimate.mean))}`,
  );
  out.push(`<path d="M${path.join('L')}" fill="none" stroke="${AFTER}" stroke-width="2.5"/>`);
  for (const { depth, estimate } of points) {
    const { p50, p95 } = depth.latencyMs;
    out.push(
      whisker(x(p50), y(estimate.low), x(p50), y(estimate.high)),
      whisker(x(p50), y(estimate.mean), x(p95), y(estimate.mean), AFTER),
      `<circle cx="${round(x(p50))}" cy="${round(y(estimate.mean))}" r="5" fill="${AFTER}"/>`,
      label(x(p50), y(estimate.high) - 8, `${depth.initialK}`, { anchor: 'middle', weight: 'bold' }),
    );
  }
  out.push(axisName(panel, 'time of a rerank call in ms: P50, and to the right P95', metric));
  out.push(
    ...legend(panel.left, panel.top + panel.height + 74, [
      ['before reranking', BEFORE],
      ['after, by initialK', AFTER],
    ]),
  );
  return out;
}

function above(panel: Panel): Panel {
  return { ...panel, top: panel.top - UNDER_TITLE };
}

function estimateOf({ metrics }: DepthReport, metric: string) {
  return (metrics.find((each) => each.metric === metric) as MetricReport).after;
}

function legend(left: number, y: number, entries: readonly (readonly [string, string])[]): string[] {
  return entries.flatMap(([name, color], i) => {
    const x = left + i * 160;
    return [line(x, y - 5, x + 20, y - 5, color, 6), label(x + 28, y, name)];
  });
}

function milliseconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
}
