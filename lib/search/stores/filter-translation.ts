import { type Condition, parseFilter } from '../filter';
import type { Filter, MetadataValue } from '../types';

/** A test that only a document with the field can pass. `$ne` and `$nin` are negations of these. */
export type FieldTest = { field: string } & (
  | { operator: '$eq'; value: MetadataValue }
  | { operator: '$in'; value: readonly MetadataValue[] }
  | { operator: '$gt' | '$gte' | '$lt' | '$lte'; value: number }
);

/** How a store's own filters are written. */
export interface FilterDialect<T> {
  /**
   * The test, or what holds exactly where the test does not: for documents without the field too.
   * Undefined where the store's filters cannot say it.
   */
  field(test: FieldTest, negated: boolean): T | undefined;
  /** Two or more. */
  all(parts: T[]): T;
  /** Two or more. */
  any(parts: T[]): T;
}

export interface Translation<T> {
  /** A filter of the store, all documents, or none. */
  matches: T | 'all' | 'none';
  /** Whether it finds exactly what was asked for; else it finds that and more. */
  exact: boolean;
}

/**
 * A filter as a store writes it. Negations are pushed down to the fields (De Morgan), for two reasons: not every store
 * can negate, and only then is a part that cannot be said safe to leave out: without negations above it, that finds
 * more and never less.
 * @throws `CrossrankError` with `ERR_INVALID_ARGUMENT`
 */
export function translateFilter<T>(filter: Filter | undefined, dialect: FilterDialect<T>): Translation<T> {
  if (filter === undefined) return { matches: 'all', exact: true };
  return translate(parseFilter(filter), false, dialect);
}

function translate<T>(condition: Condition, negated: boolean, dialect: FilterDialect<T>): Translation<T> {
  if (condition.kind === 'not') return translate(condition.condition, !negated, dialect);
  if (condition.kind === 'field') return translateField(condition, negated, dialect);
  const parts = condition.conditions.map((part) => translate(part, negated, dialect));
  return (condition.kind === 'all') === negated ? anyOf(parts, dialect) : allOf(parts, dialect);
}

function translateField<T>(
  { field, operator, value }: Condition & { kind: 'field' },
  negated: boolean,
  dialect: FilterDialect<T>,
): Translation<T> {
  if (operator === '$ne')
    return translateTest({ field, operator: '$eq', value } as FieldTest, !negated, dialect);
  if (operator === '$nin')
    return translateTest({ field, operator: '$in', value } as FieldTest, !negated, dialect);
  return translateTest({ field, operator, value } as FieldTest, negated, dialect);
}

function translateTest<T>(test: FieldTest, negated: boolean, dialect: FilterDialect<T>): Translation<T> {
  if (test.operator === '$in' && test.value.length === 0) {
    return { matches: negated ? 'all' : 'none', exact: true };
  }
  const matches = dialect.field(test, negated);
  return matches === undefined ? { matches: 'all', exact: false } : { matches, exact: true };
}

function allOf<T>(parts: readonly Translation<T>[], dialect: FilterDialect<T>): Translation<T> {
  if (parts.some(({ matches }) => matches === 'none')) return { matches: 'none', exact: true };
  const filters = ownFilters(parts);
  const matches = filters.length === 0 ? 'all' : joined(filters, dialect.all);
  return { matches, exact: parts.every(({ exact }) => exact) };
}

function anyOf<T>(parts: readonly Translation<T>[], dialect: FilterDialect<T>): Translation<T> {
  const everything = parts.filter(({ matches }) => matches === 'all');
  if (everything.length > 0) return { matches: 'all', exact: everything.some(({ exact }) => exact) };
  const filters = ownFilters(parts);
  const matches = filters.length === 0 ? 'none' : joined(filters, dialect.any);
  return { matches, exact: parts.every(({ exact }) => exact) };
}

function ownFilters<T>(parts: readonly Translation<T>[]): T[] {
  return parts.flatMap(({ matches }) => (matches === 'all' || matches === 'none' ? [] : [matches]));
}

/** Stores refuse a list of one. */
export function joined<T>(parts: readonly T[], join: (parts: T[]) => T): T {
  return parts.length === 1 ? (parts[0] as T) : join([...parts]);
}
