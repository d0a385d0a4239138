import { CrossrankError, invalidArgument } from './errors';

/** Refuses what is no object, and options that are not known, by name. */
export function checkNames(options: unknown, known: readonly string[], name = 'options'): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgument(name, 'an object', options);
  }
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    throw new CrossrankError(
      'ERR_INVALID_ARGUMENT',
      `Unknown option ${JSON.stringify(key)}; known are ${known.join(', ')}`,
    );
  }
}

export function checkChoice(name: string, value: unknown, choices: readonly string[]): void {
  if (value === undefined || choices.includes(value as string)) return;
  throw invalidArgument(name, `one of ${choices.map((choice) => `'${choice}'`).join(', ')}`, value);
}

export function checkBoolean(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') throw invalidArgument(name, 'a boolean', value);
}

export function checkFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function') throw invalidArgument(name, 'a function', value);
}

export function checkInteger(name: string, value: unknown, min: number, max: number): void {
  if (value === undefined) return;
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw invalidArgument(name, `an integer from ${min} to ${max}`, value);
  }
}

export function checkTimeout(timeoutMs: unknown): void {
  if (timeoutMs !== undefined && !(Number.isFinite(timeoutMs) && (timeoutMs as number) > 0)) {
    throw invalidArgument('timeoutMs', 'a positive number of milliseconds', timeoutMs);
  }
}

export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgument('signal', 'an AbortSignal', signal);
  }
}

export function checkText(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '') {
    throw invalidArgument(name, 'a string that is not empty', value);
  }
}
