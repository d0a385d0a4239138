/** `problem`: something needed is broken; `warning`: it works, but not as well as it might. */
export type Status = 'ok' | 'warning' | 'problem';

/** One line of the report. */
export interface Check {
  name: string;
  status: Status;
  message: string;
  /** What to do. */
  advice?: string;
}

export function ok(name: string, message: string): Check {
  return { name, status: 'ok', message };
}

export function warning(name: string, message: string, advice: string): Check {
  return { name, status: 'warning', message, advice };
}

export function problem(name: string, message: string, advice: string): Check {
  return { name, status: 'problem', message, advice };
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

export function sizeText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${UNITS[unit]}`;
}
