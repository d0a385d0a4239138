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
 */
export const chromaWhere: FilterDialect<ChromaWhere> = {
  field: whereOf,
  all: ($and) => ({ $and }),
  any: ($or) => ({ $or }),
};

function whereOf(test: FieldTest, negated: boolean): ChromaWhere | undefined {
  const field = toChromaField(test.field);
  if (test.operator === '$eq') {
    return isSayable(test.value) ? { [field]: { [negated ? '$ne' : '$eq']: test.value } } : undefined;
  }
  if (test.operator === '$in') {
    if (!test.value.every(isSayable)) return undefined;
    const parts = byType(test.value).map((values) => ({ [field]: { [negated ? '$nin' : '$in']: values } }));
    return joined<ChromaWhere>(parts, negated ? chromaWhere.all : chromaWhere.any);
  }
  return negated || !isSayable(test.value) ? undefined : { [field]: { [test.operator]: test.value } };
}

/** JSON of numbers from 2^63 to 1e21 is digits alone, which Chroma reads as a 64-bit integer and refuses. */
function isSayable(value: MetadataValue): boolean {
  return typeof value !== 'number' || Math.abs(value) < 2 ** 63 || Math.abs(value) >= 1e21;
}

/** Chroma takes lists of one type. */
function byType(values: readonly MetadataValue[]): MetadataValue[][] {
  const groups = new Map<string, MetadataValue[]>();
  for (const value of values) {
    const group = groups.get(typeof value);
    if (group) group.push(value);
    else groups.set(typeof value, [value]);
  }
  return [...groups.values()];
}
