import {
  chart,
  escapeText,
  FAINT,
  label,
  line,
  MUTED,
  niceScale,
  plain,
  round,
  short,
  whisker,
} from '../../lib/plot/svg';
import { PRECISIONS } from './arguments';
import { PEERS } from './contenders';
import type { Measured, PeersResult } from './result';

const WIDTH = 1080;
const LEFT = 262;
const RIGHT = 1000;
const TOP = 104;
const BAR = 22;
const ROW = 32;
const HEAD = 40;
const GAP = 14;
/** Ours stands out; the others are told apart by their names. */
const OURS = '#0072b2';
const THEIRS = '#9aa5b1';
const OPENVINO = '#e69f00';

/** Pairs per second as bars, grouped by precision, with a whisker from the slowest to the fastest round. */
export function peersChart(result: PeersResult): string {
  const { model, machine, measured } = result;
  const scale = niceScale(Math.max(...measured.map(({ pairsPerSecond }) => pairsPerSecond.max), 1e-9));
  const x = (value: number) => LEFT + (value / scale.max) * (RIGHT - LEFT);
  const body: string[] = [];
  let y = TOP;
  for (const precision of PRECISIONS) {
    const rows = measured.filter((each) => each.precision === precision).sort(byPeer);
    if (rows.length === 0) continue;
    body.push(label(24, y + 24, precision, { size: 16, weight: 'bold' }));
    const ratios = result.ratios.filter((ratio) => ratio.precision === precision);
    const notes = ratios.map(({ of, over, ratio }) => `${of} is ${ratio.median.toFixed(2)} times ${over}`);
    body.push(label(LEFT, y + 24, notes.join(' · '), { fill: MUTED }));
    y += HEAD;
    for (const each of rows) {
      body.push(...bar(each, x, y));
      y += ROW;
    }
    y += GAP;
  }
  const grid = scale.ticks.flatMap((tick) => [
    line(x(tick), TOP, x(tick), y, FAINT),
    label(x(tick), y + 20, plain(tick), { anchor: 'middle', fill: MUTED }),
  ]);
  const height = y + 62;
  const subtitle = [
    `${result.documents} documents a query, ${result.tokensPerPair.toFixed(0)} tokens a pair`,
    `${result.rounds} rounds in turns`,
    `${machine.cpu}, ${machine.usableProcessors} processors`,
    result.date.slice(0, 10),
  ].join(' · ');
  const title = `Reranking with ${model.name}${model.synthetic ? ' (random weights)' : ''}`;
  return chart(WIDTH, height, title, subtitle, [
    ...grid,
    ...body,
    label((LEFT + RIGHT) / 2, y + 46, 'pairs a second: median, and slowest to fastest round', {
      anchor: 'middle',
    }),
  ]);
}

function byPeer(a: Measured, b: Measured): number {
  const place = ({ peer }: Measured) => (PEERS as readonly string[]).indexOf(peer);
  return place(a) - place(b);
}

function bar(
  { name, peer, how, pairsPerSecond }: Measured,
  x: (value: number) => number,
  y: number,
): string[] {
  const { min, median, max } = pairsPerSecond;
  const middle = y + BAR / 2;
  const color = peer === 'crossrank' ? OURS : peer === 'openvino' ? OPENVINO : THEIRS;
  return [
    label(LEFT - 12, middle + 5, name, { anchor: 'end', weight: peer === 'crossrank' ? 'bold' : 'normal' }),
    `<rect x="${LEFT}" y="${y}" width="${round(x(median) - LEFT)}" height="${BAR}" fill="${color}">` +
      `<title>${escapeText(how)}</title></rect>`,
    whisker(x(min), middle, x(max), middle),
    label(x(max) + 8, middle + 5, short(median), { weight: 'bold' }),
  ];
}
