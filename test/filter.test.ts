import { CrossrankError } from '../lib';
import { parseFilter, predicateOf } from '../lib/search/filter';
import type { Filter, Metadata, MetadataValue } from '../lib/search/types';

// biome-ignore lint/suspicious/noExplicitAny: these filters are wrong on purpose
type Wrong = any;

/** Which of the documents a filter finds. */
function found(filter: Wrong, documents: readonly (Metadata | undefined)[]): number[] {
  const accepts = predicateOf(filter);
  return documents.flatMap((metadata, i) => (accepts(metadata) ? [i] : []));
}

const DOCUMENTS: (Metadata | undefined)[] = [
  { lang: 'en', year: 2019, draft: false },
  { lang: 'zh', year: 2020, draft: true },
  { lang: 'zh', year: 2021.5 },
  { lang: '2020', year: -3 },
  {},
  undefined,
];

test.each<[string, Filter, number[]]>([
  ['no condition finds all', {}, [0, 1, 2, 3, 4, 5]],
  ['a value is $eq', { lang: 'zh' }, [1, 2]],
  ['$eq', { lang: { $eq: 'zh' } }, [1, 2]],
  ['$eq of a boolean', { draft: false }, [0]],
  ['$eq tells a number from a string', { lang: 2020 }, []],
  ['$eq tells a boolean from a string', { draft: 'false' }, []],
  ['$eq is exact', { lang: 'ZH' }, []],
  ['$ne, which a document without the field meets', { lang: { $ne: 'zh' } }, [0, 3, 4, 5]],
  ['$ne of another type', { year: { $ne: '2020' } }, [0, 1, 2, 3, 4, 5]],
  ['$in', { lang: { $in: ['en', 'fr', 2020] } }, [0]],
  ['$in of several types', { draft: { $in: [true, 'false', 0] } }, [1]],
  ['$in of nothing', { lang: { $in: [] } }, []],
  ['$nin, which a document without the field meets', { lang: { $nin: ['en', 'zh'] } }, [3, 4, 5]],
  ['$nin of nothing', { lang: { $nin: [] } }, [0, 1, 2, 3, 4, 5]],
  ['$gt', { year: { $gt: 2020 } }, [2]],
  ['$gte', { year: { $gte: 2020 } }, [1, 2]],
  ['$lt', { year: { $lt: 2020 } }, [0, 3]],
  ['$lte', { year: { $lte: 2020 } }, [0, 1, 3]],
  ['an order of strings and booleans is never met', { lang: { $gte: -1e9 } }, []],
  ['a range', { year: { $gte: 2019, $lt: 2021 } }, [0, 1]],
  ['several fields', { lang: 'zh', year: { $gt: 2020 } }, [2]],
  ['$and', { $and: [{ lang: 'zh' }, { draft: true }] }, [1]],
  ['$or', { $or: [{ lang: 'en' }, { draft: true }] }, [0, 1]],
  ['$not', { $not: { lang: 'zh' } }, [0, 3, 4, 5]],
  ['$not of an order, which a document without the field meets', { $not: { year: { $gt: 0 } } }, [3, 4, 5]],
  ['$not of everything', { $not: {} }, []],
  ['$and beside fields', { lang: 'zh', $or: [{ draft: true }, { year: 1 }] } as Wrong, [1]],
])('%s', (_, filter, expected) => {
  expect(found(filter, DOCUMENTS)).toEqual(expected);
});

test('no filter finds all', () => {
  expect(found(undefined, DOCUMENTS)).toEqual([0, 1, 2, 3, 4, 5]);
});

test('-0 equals 0 in $eq as in $in', () => {
  expect(found({ n: -0 }, [{ n: 0 }])).toEqual([0]);
  expect(found({ n: { $in: [-0] } }, [{ n: 0 }])).toEqual([0]);
});

describe('fields that every object inherits', () => {
  const names = ['constructor', 'toString', 'hasOwnProperty', 'valueOf', '__proto__', '__defineGetter__'];
  const own = (name: string, value: MetadataValue) =>
    JSON.parse(JSON.stringify([name, value]).replace(/^\["(.*)",(.*)\]$/, '{"$1":$2}')) as Metadata;

  test.each(names)('%s is a field like any other', (name) => {
    const filter = (condition: unknown) => {
      const object = Object.create(null);
      Object.defineProperty(object, name, { value: condition, enumerable: true });
      return object;
    };
    const documents = [{ lang: 'en' }, own(name, 'x'), own(name, 'y'), undefined];
    expect(Object.hasOwn(documents[1] as Metadata, name)).toBe(true);
    expect(found(filter('x'), documents)).toEqual([1]);
    expect(found(filter({ $ne: 'x' }), documents)).toEqual([0, 2, 3]);
    expect(found(filter({ $in: ['x', 'y'] }), documents)).toEqual([1, 2]);
    expect(found(filter({ $nin: ['x'] }), documents)).toEqual([0, 2, 3]);
    expect(found(filter({ $gt: 0 }), documents)).toEqual([]);
  });

  test.each(names)('%s is no operator', (name) => {
    const filter = JSON.parse(`{"year":{"${name}":1}}`);
    expect(() => parseFilter(filter)).toThrow(/Expected operators of .* for filter.year but received/);
  });

  test('a condition in a prototype is none', () => {
    const polluted = Object.assign(Object.create(null), { year: Object.create({ $gt: 3 }) });
    expect(() => parseFilter(polluted)).toThrow('filter.year');
  });
});

describe('a filter that means nothing is refused, and never finds everything', () => {
  let deep: Wrong = { lang: 'en' };
  for (let i = 0; i < 33; i++) deep = { $not: deep };
  const cyclic: Wrong = { $and: [] };
  cyclic.$and.push(cyclic);

  test.each<[string, Wrong, string]>([
    ['null', null, 'for filter but received null'],
    ['a string', 'lang = en', 'for filter but received "lang = en"'],
    ['an array', [{ lang: 'en' }], 'for filter but received an array'],
    ['a function', () => true, 'for filter but received a function'],
    ['a Map', new Map([['lang', 'en']]), 'for filter but received an object'],
    ['a Set', new Set(['en']), 'for filter but received an object'],
    ['a date', new Date(0), 'for filter but received an object'],
    ['a field that is undefined', { lang: undefined }, 'for filter.lang but received undefined'],
    ['a field that is null', { lang: null }, 'for filter.lang but received null'],
    ['a field that is NaN', { year: Number.NaN }, 'for filter.year but received NaN'],
    ['a field that is infinite', { year: Number.POSITIVE_INFINITY }, 'for filter.year'],
    ['a field that is a bigint', { year: 3n }, 'for filter.year but received 3 of type bigint'],
    ['a list without $in', { lang: ['en', 'zh'] }, 'for filter.lang but received an array'],
    ['a date as a value', { day: new Date(0) }, 'for filter.day but received an object'],
    ['a Map as a condition', { year: new Map([['$gt', 3]]) }, 'for filter.year but received an object'],
    ['no condition', { year: {} }, 'Expected at least one of $eq'],
    ['an empty field name', { '': 1 }, 'field names that are not empty'],
    [
      'an operator as a field',
      { $gt: 3 },
      'Expected fields, $and, $or and $not for filter but received "$gt"',
    ],
    ['an unknown operator', { year: { $regex: 'x' } }, 'Expected operators of $eq, $ne'],
    ['an operator without $', { year: { gt: 3 } }, 'but received "gt"'],
    ['a logical operator within a field', { year: { $not: { $gt: 3 } } }, 'but received "$not"'],
    ['$gt of a string', { year: { $gt: '3' } }, 'a finite number for filter.year.$gt'],
    ['$gte of undefined', { year: { $gte: undefined } }, 'a finite number for filter.year.$gte'],
    ['$lt of NaN', { year: { $lt: Number.NaN } }, 'a finite number for filter.year.$lt'],
    ['$lte of infinity', { year: { $lte: Number.POSITIVE_INFINITY } }, 'filter.year.$lte'],
    ['$eq of an object', { lang: { $eq: {} } }, 'for filter.lang.$eq but received an object'],
    ['$ne of undefined', { lang: { $ne: undefined } }, 'for filter.lang.$ne but received undefined'],
    ['$in of a string', { lang: { $in: 'en' } }, 'for filter.lang.$in but received "en"'],
    ['$in of null', { lang: { $in: [null] } }, 'for filter.lang.$in'],
    ['$in with a hole', { lang: { $in: Object.assign(new Array(2), { 0: 'en' }) } }, 'filter.lang.$in'],
    ['$nin of a Set', { lang: { $nin: new Set(['en']) } }, 'for filter.lang.$nin'],
    ['$and of an object', { $and: { lang: 'en' } }, 'for filter.$and but received an object'],
    ['$and of nothing', { $and: [] }, 'not empty'],
    ['$or of nothing', { $or: [] }, 'not empty'],
    ['$and with a hole', { $and: Object.assign(new Array(2), { 0: { lang: 'en' } }) }, 'filter.$and[1]'],
    ['$or with a hole', { $or: new Array(1) }, 'filter.$or[0]'],
    ['$not of an array', { $not: [{ lang: 'en' }] }, 'for filter.$not but received an array'],
    [
      'a place deep inside',
      { $or: [{ a: 1 }, { $not: { $and: [{ b: [] }] } }] },
      'filter.$or[1].$not.$and[0].b',
    ],
    ['33 levels', deep, 'a filter nested at most 32 deep'],
    ['a filter within itself', cyclic, 'a filter nested at most 32 deep'],
  ])('%s', (_, filter, message) => {
    for (const parse of [parseFilter, predicateOf] as Wrong[]) {
      let error: Wrong;
      try {
        parse(filter);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(CrossrankError);
      expect(error.code).toBe('ERR_INVALID_ARGUMENT');
      expect(error.message).toContain(message);
    }
  });

  test('32 levels are taken', () => {
    expect(found(deep.$not, [{ lang: 'en' }, { lang: 'zh' }])).toEqual([0]);
  });
});

test('a filter may come from JSON.parse, from a null prototype, and be frozen', () => {
  const filter = Object.freeze(Object.assign(Object.create(null), { year: JSON.parse('{"$gt":3}') }));
  expect(found(filter, [{ year: 4 }, { year: 3 }])).toEqual([0]);
});

test('a predicate stays what it was when the filter is changed later', () => {
  const lang = ['en'];
  const filter: Wrong = { lang: { $in: lang } };
  const accepts = predicateOf(filter);
  lang.push('zh');
  filter.year = 3;
  expect([{ lang: 'en' }, { lang: 'zh' }].map((metadata) => accepts(metadata))).toEqual([true, false]);
});

describe('parseFilter gives one form', () => {
  test.each<[Filter, unknown]>([
    [{}, { kind: 'all', conditions: [] }],
    [{ a: 1 }, { kind: 'field', field: 'a', operator: '$eq', value: 1 }],
    [
      { a: { $gte: 1, $lt: 2 } },
      {
        kind: 'all',
        conditions: [
          { kind: 'field', field: 'a', operator: '$gte', value: 1 },
          { kind: 'field', field: 'a', operator: '$lt', value: 2 },
        ],
      },
    ],
    [
      { $or: [{ a: 'x' }, { $not: { b: true } }] },
      {
        kind: 'any',
        conditions: [
          { kind: 'field', field: 'a', operator: '$eq', value: 'x' },
          { kind: 'not', condition: { kind: 'field', field: 'b', operator: '$eq', value: true } },
        ],
      },
    ],
  ])('%j', (filter, expected) => {
    expect(parseFilter(filter)).toEqual(expected);
  });
});

/** What a filter says, read off it in the plainest way. */
function naively(filter: Wrong, metadata: Wrong = {}): boolean {
  return Object.keys(filter).every((key) => {
    const value = filter[key];
    if (key === '$and') return value.filter((part: Wrong) => !naively(part, metadata)).length === 0;
    if (key === '$or') return value.filter((part: Wrong) => naively(part, metadata)).length > 0;
    if (key === '$not') return !naively(value, metadata);
    const has = Object.keys(metadata).includes(key);
    const actual = has ? metadata[key] : undefined;
    const condition = typeof value === 'object' ? value : { $eq: value };
    return Object.keys(condition).every((operator) => {
      const operand = condition[operator];
      if (operator === '$eq') return has && actual === operand;
      if (operator === '$ne') return !has || actual !== operand;
      if (operator === '$in') return has && operand.includes(actual);
      if (operator === '$nin') return !has || !operand.includes(actual);
      if (typeof actual !== 'number') return false;
      if (operator === '$gt') return actual > operand;
      if (operator === '$gte') return actual >= operand;
      if (operator === '$lt') return actual < operand;
      return actual <= operand;
    });
  });
}

test('5,000 random filters find what a naive reading of them finds', () => {
  let state = 20_261_126;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0; // Numerical Recipes' LCG
    return Math.floor((state / 2 ** 32) * below);
  };
  const pick = <T>(from: readonly T[]): T => from[random(from.length)] as T;
  const fields = ['a', 'b', 'constructor', 'c d', '年'];
  const values: MetadataValue[] = [0, 1, 2, -1.5, '', '0', '1', 'en', true, false];
  const some = <T>(make: () => T) => Array.from({ length: 1 + random(3) }, make);
  const condition = (): unknown => {
    const operator = pick(['', '$eq', '$ne', '$in', '$nin', '$gt', '$gte', '$lt', '$lte', 'range']);
    if (operator === '') return pick(values);
    if (operator === 'range') return { $gte: random(3) - 1, $lt: random(3), $ne: pick(values) };
    if (operator === '$in' || operator === '$nin')
      return { [operator]: some(() => pick(values)).slice(random(2)) };
    return { [operator]: operator === '$eq' || operator === '$ne' ? pick(values) : random(4) - 1 };
  };
  const filter = (depth: number): Wrong => {
    const kind = depth === 0 ? 3 : random(5);
    if (kind === 0) return { $and: some(() => filter(depth - 1)) };
    if (kind === 1) return { $or: some(() => filter(depth - 1)) };
    if (kind === 2) return { $not: filter(depth - 1) };
    return Object.fromEntries(some(() => [pick(fields), condition()]));
  };
  const metadata = (): Metadata =>
    Object.fromEntries(fields.flatMap((f) => (random(3) === 0 ? [] : [[f, pick(values)]])));

  let hits = 0;
  for (let i = 0; i < 5000; i++) {
    const one = filter(random(5));
    const documents = [undefined, ...Array.from({ length: 12 }, metadata)];
    const expected = documents.flatMap((document, j) => (naively(one, document) ? [j] : []));
    expect({ filter: one, found: found(one, documents) }).toEqual({ filter: one, found: expected });
    hits += expected.length;
  }
  // Neither all nor nothing, or the test says little.
  expect(hits / (5000 * 13)).toBeGreaterThan(0.2);
  expect(hits / (5000 * 13)).toBeLessThan(0.8);
});
