import type { Metadata, MetadataValue } from '../types';
import { type FieldTest, type FilterDialect, joined } from './filter-translation';

/**
 * Metadata in one column of text, because the schema of a table is fixed and metadata is not. It is JSON with each entry
 * on a line of its own:
 *
 *     {
 *     "lang":"zh"
 *     ,
 *     "year":2020
 *     }
 *
 * JSON escapes line breaks, so a line starts with `"year":` if and only if that is an entry: LanceDB's string functions
 * find it without parsing. Measured with 100,000 documents on two busy cores: 5 ms for an equality, 36 ms for a
 * comparison, beside 390 ms for the vectors (384 dimensions).
 */
export function metadataToText(metadata: Metadata | undefined): string {
  if (metadata === undefined) return '';
  const entries = Object.entries(metadata).map(([field, value]) => entry(field, value));
  return `{${entries.join(',')}}`;
}

/** Undefined where there is none; what is no JSON comes back as it is. */
export function metadataFromText(text: unknown): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text as string);
  } catch {
    return text;
  }
}

function entry(field: string, value: MetadataValue): string {
  return `\n${JSON.stringify(field)}:${JSON.stringify(value)}\n`;
}

/** Lance's dialect: a backslash is no escape in a literal, a quote is doubled. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function idIn(ids: readonly string[]): string {
  return `id IN (${ids.map(literal).join(', ')})`;
}

const COMPARISON = { $gt: '>', $gte: '>=', $lt: '<', $lte: '<=' } as const;

/** Every test is true or false, never null: `NOT` must find documents without the field. */
export const lanceSql: FilterDialect<string> = {
  field: (test, negated) => (negated ? `NOT (${testSql(test)})` : testSql(test)),
  all: (parts) => `(${parts.join(' AND ')})`,
  any: (parts) => `(${parts.join(' OR ')})`,
};

function testSql(test: FieldTest): string {
  if (test.operator === '$eq') return hasEntry(test.field, test.value);
  if (test.operator === '$in') {
    return joined(
      test.value.map((value) => hasEntry(test.field, value)),
      lanceSql.any,
    );
  }
  // What follows the field on its line; a string in its quotes, true, false and nothing are no numbers.
  const line = `split_part(metadata, ${literal(`\n${JSON.stringify(test.field)}:`)}, 2)`;
  const number = `TRY_CAST(split_part(${line}, ${literal('\n')}, 1) AS DOUBLE)`;
  return `COALESCE(${number} ${COMPARISON[test.operator]} CAST(${literal(`${test.value}`)} AS DOUBLE), false)`;
}

function hasEntry(field: string, value: MetadataValue): string {
  return `contains(metadata, ${literal(entry(field, value))})`;
}
