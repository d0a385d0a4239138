export const PAPER = '#ffffff';
export const INK = '#1f2933';
export const FAINT = '#dde3ea';
export const MUTED = '#52606d';
/** The same on a dark page; the colors of data stand out on both. */
const DARK: Readonly<Record<string, string>> = {
  [PAPER]: '#0d1117',
  [INK]: '#e6edf3',
  [FAINT]: '#30363d',
  [MUTED]: '#9da7b3',
};
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

/** A whole chart: what it shows above, in two lines, and the body below y = 72. Dark where the reader's page is dark. */
export function chart(
  width: number,
  height: number,
  heading: string,
  subtitle: string,
  body: readonly string[],
): string {
  const dark = Object.entries(DARK)
    .map(([light, color]) => `[fill="${light}"]{fill:${color}}[stroke="${light}"]{stroke:${color}}`)
    .join('');
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
      'font-family="Helvetica, Arial, sans-serif" font-size="14">',
    `<style>@media (prefers-color-scheme: dark) {${dark}}</style>`,
    `<rect width="${width}" height="${height}" fill="${PAPER}"/>`,
    label(24, 34, heading, { size: 20, weight: 'bold' }),
    label(24, 58, subtitle, { fill: MUTED }),
    ...body,
    '</svg>',
    '',
  ].join('\n');
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

const CAP = 5;

/** An error bar from one end to the other, upright or level. */
export function whisker(x1: number, y1: number, x2: number, y2: number, color: string = INK): string {
  const [dx, dy] = x1 === x2 ? [CAP, 0] : [0, CAP];
  return [
    line(x1, y1, x2, y2, color, 1.5),
    line(x1 - dx, y1 - dy, x1 + dx, y1 + dy, color, 1.5),
    line(x2 - dx, y2 - dy, x2 + dx, y2 + dy, color, 1.5),
  ].join('');
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
