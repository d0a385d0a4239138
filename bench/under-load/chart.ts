import { axisName, gridLine, type Panel, steps, tickBelow, title } from '../../lib/plot/panel';
import { chart, colorOf, INK, label, line, MUTED, niceScale, plain, round, short } from '../../lib/plot/svg';
import { median } from '../../lib/statistics';
import type { Responsive } from './responsive';
import type { UnderLoadResult } from './result';
import type { Soak } from './soak';

const WIDTH = 1080;
const HEAD = 104;
const ROW = 404;
const LATENCY = { left: 84, width: 470, height: 270 };
const THROUGHPUT = { left: 660, width: 392, height: 270 };
const MEMORY = { left: 84, width: 968, height: 200 };

/** What was measured of these: interactive latency and throughput above, memory during the soak below. */
export function underLoadChart(result: UnderLoadResult): string {
  const { model, machine, responsive, throughput, mixed, soak } = result;
  const body: string[] = [];
  let top = HEAD;
  if (responsive !== undefined) body.push(...latencyPanel({ ...LATENCY, top }, responsive));
  if (throughput !== undefined || mixed !== undefined)
    body.push(...throughputPanel({ ...THROUGHPUT, top }, result));
  if (body.length > 0) top += ROW;
  if (soak !== undefined) {
    body.push(...memoryPanel({ ...MEMORY, top }, soak));
    top += MEMORY.height + 64;
  }
  const height = Math.max(top, HEAD);
  const subtitle = [
    `${model.info.precision}, ${model.info.threads} threads`,
    `${machine.cpu}, ${machine.usableProcessors} processors`,
    result.date.slice(0, 10),
  ].join(' · ');
  const heading = `Under load: ${model.name}${model.synthetic ? ' (random weights)' : ''}`;
  return chart(WIDTH, height, heading, subtitle, body);
}

/** The distribution of the same requests on the idle engine and beside bulk work, and of what they are allowed. */
function latencyPanel(panel: Panel, { requests }: Responsive): string[] {
  const curves = [
    { name: 'idle engine', at: 0, color: colorOf(0), dash: '', values: requests.map(({ idleMs }) => idleMs) },
    {
      name: 'queue full of bulk work',
      at: 118,
      color: colorOf(1),
      dash: '',
      values: requests.map(({ besideBulkMs }) => besideBulkMs),
    },
    {
      name: 'allowed: idle + 3 chunks',
      at: 312,
      color: MUTED,
      dash: '5 4',
      values: requests.map(({ limitMs }) => limitMs),
    },
  ];
  const scale = niceScale(Math.max(...curves.flatMap(({ values }) => values)));
  const x = (value: number) => panel.left + (value / scale.max) * panel.width;
  const y = (share: number) => panel.top + (1 - share) * panel.height;
  const out = [title(panel, 'Interactive requests of 10 documents')];
  for (const share of [0, 0.25, 0.5, 0.75, 1]) out.push(gridLine(panel, y(share), `${share * 100} %`));
  for (const tick of scale.ticks) out.push(tickBelow(panel, x(tick), plain(tick)));
  out.push(axisName(panel, 'total time in ms', 'requests answered by then'));
  for (const { name, at, color, dash, values } of curves) {
    const path = steps(
      [...values].sort((a, b) => a - b),
      x,
      y,
    );
    const dashes = dash === '' ? '' : ` stroke-dasharray="${dash}"`;
    out.push(`<path d="${path}" fill="none" stroke="${color}" stroke-width="2.5"${dashes}/>`);
    // Below the axis, where no curve goes.
    const place = { x: panel.left + at, y: panel.top + panel.height + 72 };
    out.push(line(place.x, place.y - 5, place.x + 20, place.y - 5, color, 3));
    out.push(label(place.x + 26, place.y, name, { size: 13 }));
  }
  return out;
}

function throughputPanel(panel: Panel, { throughput, mixed }: UnderLoadResult): string[] {
  const groups = [
    throughput && {
      note: ratioNote(throughput.ratio.median),
      name: '60-130 tokens',
      bars: [
        { name: `${throughput.callers} callers`, rate: throughput.callersPerSecond, color: colorOf(0) },
        { name: 'one call', rate: throughput.oneCallPerSecond, color: colorOf(5) },
      ],
    },
    mixed && {
      note: ratioNote(mixed.ratio.median),
      name: '10-400 tokens, fp32',
      bars: [
        { name: `${mixed.callers} callers`, rate: mixed.packedPerSecond, color: colorOf(0) },
        { name: 'first come, padded', rate: mixed.paddedPerSecond, color: '#9aa5b1' },
      ],
    },
  ].filter((group) => group !== undefined);
  const highest = Math.max(...groups.flatMap(({ bars }) => bars.map(({ rate }) => rate.max)));
  const scale = niceScale(highest * 1.15);
  const y = (value: number) => panel.top + (1 - value / scale.max) * panel.height;
  const slot = panel.width / groups.length;
  const bottom = panel.top + panel.height;
  const out = [title(panel, 'Throughput')];
  for (const tick of scale.ticks) out.push(gridLine(panel, y(tick), plain(tick)));
  for (const [i, { name, note, bars }] of groups.entries()) {
    const left = panel.left + slot * i;
    for (const [j, bar] of bars.entries()) {
      const middle = left + slot * (j === 0 ? 0.25 : 0.75);
      const { min, median: value, max } = bar.rate;
      out.push(
        `<rect x="${round(middle - 30)}" y="${round(y(value))}" width="60" height="${round(bottom - y(value))}" fill="${bar.color}"/>`,
        line(middle, y(min), middle, y(max), INK, 1.5),
        label(middle, y(max) - 8, short(value), { anchor: 'middle', weight: 'bold' }),
        label(middle, bottom + 18, bar.name, { anchor: 'middle', size: 11 }),
      );
    }
    out.push(label(left + slot / 2, bottom + 38, name, { anchor: 'middle', fill: MUTED, size: 13 }));
    out.push(label(left + slot / 2, bottom + 58, note, { anchor: 'middle', weight: 'bold', size: 13 }));
  }
  out.push(axisName(panel, '', 'pairs a second'));
  return out;
}

function ratioNote(ratio: number): string {
  return `${ratio.toFixed(2)} times`;
}

function memoryPanel(panel: Panel, { memory, requests, early, counts }: Soak): string[] {
  const megabytes = memory.map(({ residentBytes }) => residentBytes / 1e6);
  const scale = niceScale(Math.max(...megabytes) * 1.1);
  const x = (settled: number) => panel.left + (settled / requests) * panel.width;
  const y = (value: number) => panel.top + (1 - value / scale.max) * panel.height;
  const across = niceScale(requests);
  const counted = `${counts.complete} complete, ${counts.degraded} degraded, ${counts.timedOut} timed out, ${counts.aborted} aborted`;
  const out = [title(panel, `Resident memory during the soak (${counted})`)];
  for (const tick of scale.ticks) out.push(gridLine(panel, y(tick), plain(tick)));
  for (const tick of across.ticks.filter((tick) => tick <= requests))
    out.push(tickBelow(panel, x(tick), plain(tick)));
  out.push(axisName(panel, 'requests settled', 'MB'));
  const low = y((early.residentBytes / 1e6) * 0.95);
  const high = y((early.residentBytes / 1e6) * 1.05);
  const left = x(early.settled);
  out.push(
    `<rect x="${round(left)}" y="${round(high)}" width="${round(panel.left + panel.width - left)}" ` +
      `height="${round(low - high)}" fill="${colorOf(5)}" opacity="0.25"/>`,
    label(panel.left + panel.width, low + 16, 'within 5 % of that after a tenth', {
      anchor: 'end',
      fill: MUTED,
      size: 12,
    }),
  );
  const points = memory.map(({ settled }, i) => `${round(x(settled))} ${round(y(megabytes[i] as number))}`);
  out.push(
    `<path d="M${points.join('L')}" fill="none" stroke="${colorOf(0)}" stroke-width="2"><title>median ${median(megabytes).toFixed(0)} MB</title></path>`,
  );
  return out;
}
