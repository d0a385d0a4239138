import { predicateOf } from '../../lib/search/filter';
import type { EmbeddedDocument, Filter, Metadata, MetadataValue, VectorStore } from '../../lib/search/types';

const FIELDS = [
  'a',
  'a.b',
  'a"b',
  "a'b",
  'a`b',
  'a\\b',
  'a b',
  'a-b',
  'a[0]',
  '[]',
  '#a',
  '\\#a',
  '"',
  '.',
  ':',
  '语言',
  'a\nb',
  'id',
  'text',
  'metadata',
  'constructor',
];

const VALUES: MetadataValue[] = [
  ...['', 'x', "x'y", 'x"y', 'x\\', '\n"a":1\n', "' OR true --", '1', 'true', 'null', '%', '_', '中文', '🎉'],
  ...[true, false, 0, 1, -1, 1.5, 2, -2.5, 1e-7, 5e-324, 1e19, 2 ** 53, 1e21, 1.7e308],
];

const ORDERS = ['$gt', '$gte', '$lt', '$lte'] as const;

/** From a seed: the same each time, so that a failure can be seen again. */
class Choices {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  some<T>(list: readonly T[], most: number): T[] {
    return Array.from({ length: this.below(most + 1) }, () => this.of(list));
  }
}

function filterOf(choices: Choices, depth: number): Filter {
  const kind = depth === 0 ? 6 : choices.below(10);
  const parts = () => [0, 1, 2].slice(choices.below(3)).map(() => filterOf(choices, depth - 1));
  if (kind < 2) return { $and: parts() };
  if (kind < 4) return { $or: parts() };
  if (kind < 6) return { $not: filterOf(choices, depth - 1) };
  const field = choices.of(FIELDS);
  const numbers = VALUES.filter((value) => typeof value === 'number');
  const condition = [
    { $eq: choices.of(VALUES) },
    { $ne: choices.of(VALUES) },
    { $in: choices.some(VALUES, 4) },
    { $nin: choices.some(VALUES, 4) },
    { [choices.of(ORDERS)]: choices.of(numbers) },
  ];
  return { [field]: choices.of(condition) };
}

/**
 * Compares a store with {@link predicateOf}: every field is tested with every value once, and 120 filters of all kinds are
 * drawn.
 * @returns the filters by which it does not find what it should
 */
export async function wrongFilters(store: VectorStore): Promise<object[]> {
  const choices = new Choices(7);
  const documents: EmbeddedDocument[] = Array.from({ length: 100 }, (_, i) => {
    const fields = choices.some(FIELDS, 12);
    const metadata: Metadata = Object.fromEntries(fields.map((field) => [field, choices.of(VALUES)]));
    const vector = Float32Array.from({ length: store.space.dimension }, () => choices.below(1000) - 500.5);
    return { id: `${i}`, text: '', metadata, vector };
  });
  await store.add(documents);
  const vector = new Float32Array(store.space.dimension).fill(1);
  const single = FIELDS.map((field, i): Filter => ({ [field]: VALUES[i % VALUES.length] as MetadataValue }));
  const filters = [...single, ...Array.from({ length: 120 }, () => filterOf(choices, 3))];
  const wrong: object[] = [];
  for (const filter of filters) {
    const accepts = predicateOf(filter);
    const expected = documents.filter(({ metadata }) => accepts(metadata)).map(({ id }) => id);
    const hits = await store.query(vector, { topK: documents.length, filter });
    const found = hits.map(({ document }) => document.id).sort();
    const count = await store.count(filter);
    if (found.join() !== expected.sort().join() || count !== expected.length) {
      wrong.push({ filter, expected, found, count });
    }
  }
  return wrong;
}
