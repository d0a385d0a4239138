export const INK = '#1f2933';
export const FAINT = '#dde3ea';
export const MUTED = '#52606d';
/** Okabe and Ito 2008: told apart by everyone. */
const COLORS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];

/** Round numbers from 0 to at least `max`, four to eight of them. */
export function niceScale(max: number): { max: number; ticks: number[] } {
  const rough = Math.max(max, Number.MIN_VALUE) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) as number) * power;
  const count = Math.ceil(max / step);
  return { max: count * step, ticks: Array.from({ length: count + 1 }, (_, i) => i * step) };
}

export function label(
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

export function line(x1: number, y1: number, x2: number, y2: number, color: string, width = 1): string {
  const ends = `x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"`;
  return `<line ${ends} stroke="${color}" stroke-width="${width}"/>`;
}

export function colorOf(i: number): string {
  return COLORS[i % COLORS.length] as string;
}

export function escapeText(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

export function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

export function plain(value: number): string {
  return String(Number(value.toPrecision(6)));
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
