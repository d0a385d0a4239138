import { axisName, gridLine, type Panel, steps, tickBelow, title } from '../lib/plot/panel';
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
  short,
} from '../lib/plot/svg';
import { percentile } from '../lib/statistics';
import type { Profile } from './measure';

const WIDTH = 1080;
/** Of the panels with their axes; the legend adds a line for each concurrency. */
const PANELS_HEIGHT = 476;
const LEGEND_LINE = 24;

const LATENCY: Panel = { left: 84, top: 104, width: 540, height: 310 };
const THROUGHPUT: Panel = { left: 752, top: 104, width: 300, height: 310 };

/** Two panels: how total latency is distributed at each concurrency, and pairs per second. */
export function plotProfile(profile: Profile): string {
  const { machine, model, levels } = profile;
  const height = PANELS_HEIGHT + (levels.length + 1) * LEGEND_LINE;
  const { requests, pairs, tokens } = levels[0] as (typeof levels)[number];
  const subtitle = [
    `${pairs / requests} documents a request, ${(tokens / pairs).toFixed(0)} tokens a pair`,
    `${model.info.precision}, ${model.info.threads} threads, ${model.info.kernels.linear} + ${model.info.kernels.attention}`,
    machine.cpu,
  ].join(' · ');
  const heading = `Reranking with ${model.name}${model.synthetic ? ' (random weights)' : ''}`;
  return chart(WIDTH, height, heading, subtitle, [
    ...latencyPanel(profile),
    ...throughputPanel(profile),
    ...legend(levels),
  ]);
}

function latencyPanel({ levels }: Profile): string[] {
  const slowest = Math.max(...levels.flatMap(({ times }) => times.total));
  const scale = niceScale(slowest);
  const x = (ms: number) => LATENCY.left + (ms / scale.max) * LATENCY.width;
  const y = (share: number) => LATENCY.top + (1 - share) * LATENCY.height;
  const out = [title(LATENCY, 'Latency of a request')];
  for (const share of [0, 0.25, 0.5, 0.75, 1]) out.push(gridLine(LATENCY, y(share), `${share * 100} %`));
  for (const tick of scale.ticks) out.push(tickBelow(LATENCY, x(tick), plain(tick)));
  out.push(axisName(LATENCY, 'total time in ms', 'requests answered by then'));
  for (const [i, { times, concurrency }] of levels.entries()) {
    const color = colorOf(i);
    out.push(
      `<path d="${steps(
        [...times.total].sort((a, b) => a - b),
        x,
        y,
      )}" fill="none" stroke="${color}" stroke-width="2.5"/>`,
    );
    for (const percent of [50, 95, 99]) {
      const value = percentile(times.total, percent);
      const tip = `concurrency ${concurrency}: P${percent} ${value.toFixed(1)} ms`;
      out.push(
        `<circle cx="${round(x(value))}" cy="${round(y(percent / 100))}" r="4.5" fill="#ffffff" stroke="${color}" ` +
          `stroke-width="2"><title>${escapeText(tip)}</title></circle>`,
      );
    }
  }
  return out;
}

/** Below the panels, with the percentiles in figures. */
function legend(levels: Profile['levels']): string[] {
  const columns = [LATENCY.left + 170, LATENCY.left + 280, LATENCY.left + 390, LATENCY.left + 520];
  const row = (y: number, cells: readonly string[], style: object) =>
    cells.map((cell, i) => label(columns[i] as number, y, cell, { anchor: 'end', ...style }));
  const header = label(LATENCY.left, PANELS_HEIGHT + 14, 'circles:', { fill: MUTED, size: 13 });
  const names = ['P50 in ms', 'P95 in ms', 'P99 in ms', 'requests'];
  const out = [header, ...row(PANELS_HEIGHT + 14, names, { fill: MUTED, size: 13 })];
  for (const [i, { concurrency, requests, times }] of levels.entries()) {
    const y = PANELS_HEIGHT + 14 + (i + 1) * LEGEND_LINE;
    const values = [50, 95, 99].map((percent) => short(percentile(times.total, percent)));
    out.push(line(LATENCY.left - 60, y - 5, LATENCY.left - 36, y - 5, colorOf(i), 3));
    out.push(
      label(LATENCY.left - 28, y, `concurrency ${concurrency}`),
      ...row(y, [...values, String(requests)], {}),
    );
  }
  return out;
}

function throughputPanel({ levels }: Profile): string[] {
  const rates = levels.map(({ pairs, tokens, elapsedMs }) => ({
    pairs: (pairs / elapsedMs) * 1000,
    tokens: (tokens / elapsedMs) * 1000,
  }));
  const scale = niceScale(Math.max(...rates.map(({ pairs }) => pairs)) * 1.1);
  const y = (value: number) => THROUGHPUT.top + (1 - value / scale.max) * THROUGHPUT.height;
  const slot = THROUGHPUT.width / levels.length;
  const out = [title(THROUGHPUT, 'Throughput')];
  for (const tick of scale.ticks) out.push(gridLine(THROUGHPUT, y(tick), plain(tick)));
  for (const [i, { pairs, tokens }] of rates.entries()) {
    const width = Math.min(64, slot * 0.6);
    const middle = THROUGHPUT.left + slot * (i + 0.5);
    const height = THROUGHPUT.top + THROUGHPUT.height - y(pairs);
    out.push(
      `<rect x="${round(middle - width / 2)}" y="${round(y(pairs))}" width="${round(width)}" height="${round(height)}" ` +
        `fill="${colorOf(i)}"><title>${tokens.toFixed(0)} tokens/s</title></rect>`,
      label(middle, y(pairs) - 8, short(pairs), { anchor: 'middle', weight: 'bold' }),
      label(middle, THROUGHPUT.top + THROUGHPUT.height + 22, String(levels[i]?.concurrency), {
        anchor: 'middle',
        fill: MUTED,
      }),
    );
  }
  out.push(axisName(THROUGHPUT, 'requests at the same time', 'pairs a second'));
  return out;
}
