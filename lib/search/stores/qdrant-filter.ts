import type { MetadataValue } from '../types';
import { type FieldTest, type FilterDialect, joined } from './filter-translation';

/** A condition of Qdrant: one on a field, or a filter, which may stand in its place. */
export type QdrantCondition =
  | { key: string; match: { value: string | boolean } | { any: string[] } }
  | { key: string; range: { gt?: number; gte?: number; lt?: number; lte?: number } }
  | { must: QdrantCondition[] }
  | { should: QdrantCondition[] }
  | { must_not: QdrantCondition[] };

/** Entry of the payload that has a document's metadata. */
export const METADATA = 'metadata';

/** `must_not` finds documents without the field, as we do. */
export const qdrantFilter: FilterDialect<QdrantCondition> = {
  field(test, negated) {
    // A name in quotes may have dots and brackets in it, but Qdrant's paths know no way to say these.
    if (/["\\]/.test(test.field)) return undefined;
    const condition = conditionOf(`${METADATA}."${test.field}"`, test);
    return negated ? { must_not: [condition] } : condition;
  },
  all: (must) => ({ must }),
  any: (should) => ({ should }),
};

function conditionOf(key: string, test: FieldTest): QdrantCondition {
  if (test.operator === '$eq') return equalTo(key, test.value);
  if (test.operator !== '$in') return { key, range: { [test.operator.slice(1)]: test.value } };
  const strings = test.value.filter((value) => typeof value === 'string');
  const others = test.value.filter((value) => typeof value !== 'string');
  const parts = others.map((value) => equalTo(key, value));
  if (strings.length > 0) parts.push({ key, match: { any: strings } });
  return joined(parts, qdrantFilter.any);
}

/** Qdrant's `match` knows integers and no fractions, and not 1 where 1.0 is stored. */
function equalTo(key: string, value: MetadataValue): QdrantCondition {
  return typeof value === 'number' ? { key, range: { gte: value, lte: value } } : { key, match: { value } };
}
