import { invalidArgument } from '../errors';
import type { FieldCondition, Filter, Metadata, MetadataValue } from './types';

/** How deep `$and`, `$or` and `$not` may be nested: filters come from outside. */
const MAX_DEPTH = 32;

const EQUALITY = ['$eq', '$ne'] as const;
const MEMBERSHIP = ['$in', '$nin'] as const;
const ORDER = ['$gt', '$gte', '$lt', '$lte'] as const;
const OPERATORS = [...EQUALITY, ...MEMBERSHIP, ...ORDER] as const;

type Operator = (typeof OPERATORS)[number];

/** Whether a document with this metadata may be found. */
export type Predicate = (metadata: Metadata | undefined) => boolean;

/** A filter in the one form that stores translate: every condition on its own. */
export type Condition =
  | { kind: 'all' | 'any'; conditions: Condition[] }
  | { kind: 'not'; condition: Condition }
  | { kind: 'field'; field: string; operator: Operator; value: MetadataValue | readonly MetadataValue[] };

/**
 * Checks a filter and brings it into one form.
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, naming the place
 */
export function parseFilter(filter: Filter, name = 'filter', depth = 0): Condition {
  if (!isPlainObject(filter)) {
    throw invalidArgument(name, 'an object such as { lang: "en" }', filter);
  }
  if (depth > MAX_DEPTH) throw invalidArgument(name, `a filter nested at most ${MAX_DEPTH} deep`, filter);
  const entries = Object.entries(filter);
  const conditions = entries.map(([key, value]) => parseEntry(key, value, name, depth));
  return conditions.length === 1 ? (conditions[0] as Condition) : { kind: 'all', conditions };
}

function parseEntry(key: string, value: unknown, name: string, depth: number): Condition {
  const place = `${name}.${key}`;
  if (key === '$and' || key === '$or') {
    if (!Array.isArray(value) || value.length === 0) {
      throw invalidArgument(place, 'an array of filters, not empty,', value);
    }
    // Array.from visits holes, too: they are not conditions that hold.
    const conditions = Array.from(value, (part, i) => parseFilter(part, `${place}[${i}]`, depth + 1));
    return { kind: key === '$and' ? 'all' : 'any', conditions };
  }
  if (key === '$not') return { kind: 'not', condition: parseFilter(value as Filter, place, depth + 1) };
  if (key.startsWith('$')) throw invalidArgument(name, 'fields, $and, $or and $not', key);
  if (key === '') throw invalidArgument(name, 'field names that are not empty', key);
  if (isMetadataValue(value)) return { kind: 'field', field: key, operator: '$eq', value };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument(
      place,
      'a string, a finite number, a boolean or a condition such as { $gte: 3 }',
      value,
    );
  }
  const conditions = Object.entries(value as FieldCondition).map(([operator, operand]) =>
    parseCondition(key, operator, operand, place),
  );
  if (conditions.length === 0) throw invalidArgument(place, `at least one of ${OPERATORS.join(', ')}`, value);
  return conditions.length === 1 ? (conditions[0] as Condition) : { kind: 'all', conditions };
}

function parseCondition(field: string, operator: string, value: unknown, name: string): Condition {
  const place = `${name}.${operator}`;
  if (!(OPERATORS as readonly string[]).includes(operator)) {
    throw invalidArgument(name, `operators of ${OPERATORS.join(', ')}`, operator);
  }
  if ((ORDER as readonly string[]).includes(operator)) {
    if (!Number.isFinite(value)) throw invalidArgument(place, 'a finite number', value);
  } else if ((MEMBERSHIP as readonly string[]).includes(operator)) {
    if (!Array.isArray(value) || !Array.from(value).every(isMetadataValue)) {
      throw invalidArgument(place, 'an array of strings, finite numbers or booleans', value);
    }
  } else if (!isMetadataValue(value)) {
    throw invalidArgument(place, 'a string, a finite number or a boolean', value);
  }
  return { kind: 'field', field, operator: operator as Operator, value: value as MetadataValue };
}

export function isMetadataValue(value: unknown): value is MetadataValue {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value);
}

/** An object literal, or the like: nothing that keeps what it holds elsewhere, as a Map does. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  // The root of any realm: values come from vm contexts, too.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** The filter as a function, for stores that look at each document themselves. No filter: everything. */
export function predicateOf(filter: Filter | undefined): Predicate {
  return filter === undefined ? () => true : compile(parseFilter(filter));
}

function compile(condition: Condition): Predicate {
  if (condition.kind === 'field') return compileField(condition);
  if (condition.kind === 'not') {
    const inner = compile(condition.condition);
    return (metadata) => !inner(metadata);
  }
  const parts = condition.conditions.map(compile);
  if (condition.kind === 'all') return (metadata) => parts.every((part) => part(metadata));
  return (metadata) => parts.some((part) => part(metadata));
}

function compileField({ field, operator, value }: Condition & { kind: 'field' }): Predicate {
  const test = fieldTest(operator, value);
  // Not a bare lookup: a field may be called "constructor".
  return (metadata) =>
    test(metadata !== undefined && Object.hasOwn(metadata, field) ? metadata[field] : undefined);
}

function fieldTest(
  operator: Operator,
  operand: MetadataValue | readonly MetadataValue[],
): (value: MetadataValue | undefined) => boolean {
  if (operator === '$eq') return (value) => value === operand;
  if (operator === '$ne') return (value) => value !== operand;
  if (operator === '$in' || operator === '$nin') {
    const members = new Set<unknown>(operand as readonly MetadataValue[]);
    const wanted = operator === '$in';
    return (value) => members.has(value) === wanted;
  }
  const limit = operand as number;
  const compare = {
    $gt: (value: number) => value > limit,
    $gte: (value: number) => value >= limit,
    $lt: (value: number) => value < limit,
    $lte: (value: number) => value <= limit,
  }[operator];
  return (value) => typeof value === 'number' && compare(value);
}
