import { FAINT, INK, label, line, MUTED, round } from './svg';

/** Where one diagram of a chart stands, without its axes. */
export interface Panel {
  left: number;
  top: number;
  width: number;
  height: number;
}

/** The empirical distribution as a stair: it rises by one request's share at each request's latency. */
export function steps(
  sorted: readonly number[],
  x: (ms: number) => number,
  y: (share: number) => number,
): string {
  const points = [`M${round(x(sorted[0] as number))} ${round(y(0))}`];
  for (const [i, value] of sorted.entries())
    points.push(`H${round(x(value))}V${round(y((i + 1) / sorted.length))}`);
  return points.join('');
}

export function title(panel: Panel, text: string): string {
  return label(panel.left, panel.top - 14, text, { size: 16, weight: 'bold' });
}

export function gridLine(panel: Panel, y: number, text: string): string {
  return (
    line(panel.left, y, panel.left + panel.width, y, FAINT) +
    label(panel.left - 10, y + 5, text, { anchor: 'end', fill: MUTED })
  );
}

export function tickBelow(panel: Panel, x: number, text: string): string {
  const bottom = panel.top + panel.height;
  return (
    line(x, bottom, x, bottom + 5, MUTED) + label(x, bottom + 22, text, { anchor: 'middle', fill: MUTED })
  );
}

export function axisName(panel: Panel, horizontal: string, vertical: string): string {
  const middle = panel.top + panel.height / 2;
  const left = panel.left - 58;
  return (
    label(panel.left + panel.width / 2, panel.top + panel.height + 46, horizontal, { anchor: 'middle' }) +
    `<text x="${left}" y="${middle}" text-anchor="middle" fill="${INK}" transform="rotate(-90 ${left} ${middle})">${vertical}</text>`
  );
}
