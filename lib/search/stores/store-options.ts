import { CrossrankError, invalidArgument } from '../../errors';
import type { EmbeddingSpace } from '../types';

/** What a timer can wait at most, 24.8 days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, naming a misspelt option */
export function checkOptions(options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalidArgument('options', 'an object', options);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    throw new CrossrankError(
      'ERR_INVALID_ARGUMENT',
      `Unknown option ${JSON.stringify(name)}; known are ${known.join(', ')}`,
    );
  }
}

export function checkText(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '')
    throw invalidArgument(name, 'a string that is not empty', value);
}

export function checkFlag(name: string, value: unknown): asserts value is boolean {
  if (typeof value !== 'boolean') throw invalidArgument(name, 'a boolean', value);
}

export function checkTimeout(name: string, value: unknown): asserts value is number {
  if (typeof value !== 'number' || !(value > 0 && value <= LONGEST_TIMER_MS)) {
    throw invalidArgument(name, `milliseconds from 1 to ${LONGEST_TIMER_MS}`, value);
  }
}

export function checkCount(name: string, value: unknown): asserts value is number {
  if (!Number.isSafeInteger(value) || (value as number) < 1) {
    throw invalidArgument(name, 'an integer of at least 1', value);
  }
}

/** A copy, so that changing the argument later changes nothing. */
export function checkSpaceOption(space: unknown): EmbeddingSpace {
  if (typeof space !== 'object' || space === null) {
    throw invalidArgument('space', 'an object with model and dimension', space);
  }
  const { model, dimension } = space as Partial<EmbeddingSpace>;
  checkText('space.model', model);
  checkCount('space.dimension', dimension);
  return { model, dimension };
}
