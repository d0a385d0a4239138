import type { Metadata, MetadataValue } from '../types';
import { type FieldTest, type FilterDialect, joined } from './filter-translation';

/** A `where` of Chroma. */
export type ChromaWhere =
  | { [field: string]: Record<string, unknown> }
  | { $and: ChromaWhere[] }
  | { $or: ChromaWhere[] };

/** Chroma keeps names that start with # for itself. */
function toChromaField(field: string): string {
  return /^[#\\]/.test(field) ? `\\${field}` : field;
}

/**
 * Null where there is none: Chroma does not take an empty object.
 * @param stored the fields that the document has there: Chroma keeps those that are not named, and null removes one
 */
export function toChromaMetadata(
  metadata: Metadata | undefined,
  stored: readonly string[] = [],
): Record<string, MetadataValue | null> | null {
  const entries = [
    ...stored.map((field) => [field, null] as const),
    ...Object.entries(metadata ?? {}).map(([field, value]) => [toChromaField(field), value] as const),
  ];
  return entries.length === 0 ? null : Object.fromEntries(entries);
}

/** Undefined where there is none; what is no metadata comes back as it is. */
export function fromChromaMetadata(metadata: unknown): unknown {
  if (metadata === null) return undefined;
  if (typeof metadata !== 'object') return metadata;
  const entries = Object.entries(metadata);
  return Object.fromEntries(entries.map(([field, value]) => [field.replace(/^\\/, ''), value]));
}

/**
 * Chroma finds documents without the field by `$ne` and `$nin`, as we do. It cannot say that a field is absent, so not
 * the negation of an order either.
 *
 * Numbers without a fraction are stored as integers, and Chroma (1.5) compares those with the operand without *its*
 * fraction: `$eq: 1.5` finds 1, and `$lt: 1.5` does not. So the integer that is taken for a fraction is let in or kept
 * out by name; in a server without that fault, this changes nothing.
 */
export const chromaWhere: FilterDialect<ChromaWhere> = {
  field: whereOf,
  all: ($and) => ({ $and }),
  any: ($or) => ({ $or }),
};

function whereOf(test: FieldTest, negated: boolean): ChromaWhere | undefined {
  const { operator, value } = test;
  if (operator === '$eq') return memberOf(test.field, [value], negated);
  if (operator === '$in') return memberOf(test.field, value, negated);
  if (negated || !isSayable(value)) return undefined;
  const field = toChromaField(test.field);
  const where = { [field]: { [operator]: value } };
  const integer = Math.trunc(value);
  const isFound = operator === '$gte' || operator === '$lte';
  const isMeant = {
    $gt: integer > value,
    $gte: integer >= value,
    $lt: integer < value,
    $lte: integer <= value,
  }[operator];
  return isFound === isMeant ? where : corrected(where, field, [integer], isMeant);
}

function memberOf(name: string, values: readonly MetadataValue[], negated: boolean): ChromaWhere | undefined {
  if (!values.every(isSayable)) return undefined;
  const field = toChromaField(name);
  const parts = byType(values).map((list) =>
    corrected({ [field]: { [negated ? '$nin' : '$in']: list } }, field, integersOfFractions(list), negated),
  );
  return joined<ChromaWhere>(parts, negated ? chromaWhere.all : chromaWhere.any);
}

/** @param areMeant whether these integers are to be found, or not to be */
function corrected(
  where: ChromaWhere,
  field: string,
  integers: readonly number[],
  areMeant: boolean,
): ChromaWhere {
  if (integers.length === 0) return where;
  if (areMeant) return chromaWhere.any([where, { [field]: { $in: integers } }]);
  return chromaWhere.all([where, { [field]: { $nin: integers } }]);
}

function integersOfFractions(values: readonly MetadataValue[]): number[] {
  return values.flatMap((value) =>
    typeof value === 'number' && !Number.isInteger(value) ? [Math.trunc(value)] : [],
  );
}

/** JSON of numbers from 2^63 to 1e21 is digits alone, which Chroma reads as a 64-bit integer and refuses. */
function isSayable(value: MetadataValue): boolean {
  return typeof value !== 'number' || Math.abs(value) < 2 ** 63 || Math.abs(value) >= 1e21;
}

/** Chroma takes lists of one type, and to it 1 and 1.5 are of two. */
function byType(values: readonly MetadataValue[]): MetadataValue[][] {
  const groups = new Map<string, MetadataValue[]>();
  for (const value of values) {
    const type = /^-?\d+$/.test(JSON.stringify(value)) ? 'integer' : typeof value;
    groups.set(type, [...(groups.get(type) ?? []), value]);
  }
  return [...groups.values()];
}
