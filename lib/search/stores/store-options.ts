import { invalidArgument } from '../../errors';
import { checkInteger, checkNames } from '../../option-checks';
import type { EmbeddingSpace } from '../types';

export function checkText(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '') {
    throw invalidArgument(name, 'a string that is not empty', value);
  }
}

/** A copy, so that changing the argument later changes nothing. */
export function checkSpaceOption(space: unknown): EmbeddingSpace {
  checkNames(space, ['model', 'dimension'], 'space');
  const { model, dimension } = space as Partial<EmbeddingSpace>;
  checkText('space.model', model);
  if (dimension === undefined) throw invalidArgument('space.dimension', 'an integer', dimension);
  checkInteger('space.dimension', dimension, 1, Number.MAX_SAFE_INTEGER);
  return { model, dimension };
}
