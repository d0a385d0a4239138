import type { Profile } from './measure';
import { percentile } from './statistics';

const WIDTH = 1080;
/** Of the panels with their axes; the legend adds a line for each concurrency. */
const PANELS_HEIGHT = 476;
const LEGEND_LINE = 24;
const INK = '#1f2933';
const FAINT = '#dde3ea';
const MUTED = '#52606d';
/** Okabe and Ito 2008: told apart by everyone. */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

interface Panel {
  left: number;
  top: number;
  width: number;
  height: number;
}

const LATENCY: Panel = { left: 84, top: 104, width: 540, height: 310 };
const THROUGHPUT: Panel = { left: 752, top: 104, width: 300, height: 310 };

/** Two panels: how total latency is distributed at each concurrency, and pairs per second. */
export function plotProfile(profile: Profile): string {
  const { machine, model, levels } = profile;
  const height = PANELS_HEIGHT + (levels.length + 1) * LEGEND_LINE;
  const { requests, pairs, tokens } = levels[0] as (typeof levels)[number];
  const subtitle = [
    `${pairs / requests} documents a request, ${(tokens / pairs).toFixed(0)} tokens a pair`,
    `${model.info.precision}, ${model.info.threads} threads, ${model.info.kernels}`,
    machine.cpu,
  ].join(' · ');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ` +
      'font-family="Helvetica, Arial, sans-serif" font-size="14">',
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    label(24, 34, `Reranking with ${model.name}${model.synthetic ? ' (random weights)' : ''}`, {
      size: 20,
      weight: 'bold',
    }),
    label(24, 58, subtitle, { fill: MUTED }),
    ...latencyPanel(profile),
    ...throughputPanel(profile),
    ...legend(levels),
    '</svg>',
    '',
  ].join('\n');
}

function latencyPanel({ levels }: Profile): string[] {
  const slowest = Math.max(...levels.flatMap(({ times }) => times.total));
  const scale = niceScale(slowest);
  const x = (ms: number) => LATENCY.left + (ms / scale.max) * LATENCY.width;
  const y = (share: number) => LATENCY.top + (1 - share) * LATENCY.height;
  const out = [title(LATENCY, 'Latency of a request')];
  for (const share of [0, 0.25, 0.5, 0.75, 1]) out.push(gridLine(LATENCY, y(share), `${share * 100} %`));
  for (const tick of scale.ticks) {
    out.push(line(x(tick), LATENCY.top + LATENCY.height, x(tick), LATENCY.top + LATENCY.height + 5, MUTED));
    out.push(
      label(x(tick), LATENCY.top + LATENCY.height + 22, plain(tick), { anchor: 'middle', fill: MUTED }),
    );
  }
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

/** The empirical distribution as a stair: it rises by one request's share at each request's latency. */
function steps(sorted: readonly number[], x: (ms: number) => number, y: (share: number) => number): string {
  const points = [`M${round(x(sorted[0] as number))} ${round(y(0))}`];
  for (const [i, value] of sorted.entries())
    points.push(`H${round(x(value))}V${round(y((i + 1) / sorted.length))}`);
  return points.join('');
}

/** Round numbers from 0 to at least `max`, four to eight of them. */
function niceScale(max: number): { max: number; ticks: number[] } {
  const rough = Math.max(max, Number.MIN_VALUE) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) as number) * power;
  const count = Math.ceil(max / step);
  return { max: count * step, ticks: Array.from({ length: count + 1 }, (_, i) => i * step) };
}

function title(panel: Panel, text: string): string {
  return label(panel.left, panel.top - 14, text, { size: 16, weight: 'bold' });
}

function gridLine(panel: Panel, y: number, text: string): string {
  return (
    line(panel.left, y, panel.left + panel.width, y, FAINT) +
    label(panel.left - 10, y + 5, text, { anchor: 'end', fill: MUTED })
  );
}

function axisName(panel: Panel, horizontal: string, vertical: string): string {
  const middle = panel.top + panel.height / 2;
  const left = panel.left - 58;
  return (
    label(panel.left + panel.width / 2, panel.top + panel.height + 46, horizontal, { anchor: 'middle' }) +
    `<text x="${left}" y="${middle}" text-anchor="middle" fill="${INK}" transform="rotate(-90 ${left} ${middle})">${vertical}</text>`
  );
}

function label(
  x: number,
  y: number,
  text: string,
  {
    anchor = 'start',
    fill = INK,
    size = 14,
    weight = 'normal',
  }: { anchor?: string; fill?: string; size?: number; weight?: string } = {},
): string {
  return (
    `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="${fill}" font-size="${size}" ` +
    `font-weight="${weight}">${escapeText(text)}</text>`
  );
}

function line(x1: number, y1: number, x2: number, y2: number, color: string, width = 1): string {
  const ends = `x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"`;
  return `<line ${ends} stroke="${color}" stroke-width="${width}"/>`;
}

function colorOf(i: number): string {
  return COLORS[i % COLORS.length] as string;
}

function escapeText(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

function plain(value: number): string {
  return String(Number(value.toPrecision(6)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
