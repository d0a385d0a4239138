import { CrossrankError } from '../lib';
import {
  checkDocuments,
  checkEmbedded,
  checkIds,
  checkQuery,
  checkSpace,
  checkVector,
} from '../lib/search/checks';

// biome-ignore lint/suspicious/noExplicitAny: these calls are wrong on purpose
type Wrong = any;

const SPACE = { model: 'tiny', dimension: 3 };
const VECTOR = Float32Array.of(1, 0, 0);

function expectRefused(check: () => void, message: string, code = 'ERR_INVALID_ARGUMENT'): void {
  let error: unknown;
  try {
    check();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(CrossrankError);
  expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
}

test('sound documents pass, with fields of any name', () => {
  checkDocuments([
    { id: '1', text: '' },
    { id: '__proto__', text: 't', metadata: JSON.parse('{"__proto__":1,"constructor":true,"年":"x"}') },
    { id: 'constructor', text: 't', metadata: Object.create(null) },
    { id: 'toString', text: 't', metadata: undefined },
  ]);
  checkEmbedded([{ id: '1', text: '', vector: VECTOR }], SPACE);
  checkIds(['1', '__proto__']);
  checkQuery(VECTOR, SPACE, { topK: 1, filter: undefined, signal: new AbortController().signal });
  checkSpace('the store', { ...SPACE }, SPACE);
});

test.each<[string, Wrong, string]>([
  ['documents that are no array', { id: '1', text: 't' }, 'an array for documents'],
  [
    'a hole',
    Object.assign(new Array(2), { 0: { id: '1', text: 't' } }),
    'documents[1] but received undefined',
  ],
  ['a string', ['text'], 'an object with id and text for documents[0]'],
  ['no id', [{ text: 't' }], 'documents[0].id but received undefined'],
  ['an empty id', [{ id: '', text: 't' }], 'documents[0].id'],
  [
    'half a character in an id',
    [{ id: 'a\ud83d', text: 't' }],
    'without lone surrogates for documents[0].id',
  ],
  ['a number as id', [{ id: 7, text: 't' }], 'documents[0].id but received 7'],
  ['no text', [{ id: '1' }], 'a string for documents[0].text'],
  [
    'an id twice',
    [
      { id: 'a', text: '' },
      { id: 'b', text: '' },
      { id: 'a', text: '' },
    ],
    'documents[0] and documents[2]',
  ],
  ['metadata null', [{ id: '1', text: 't', metadata: null }], 'a plain object for documents[0].metadata'],
  ['metadata as an array', [{ id: '1', text: 't', metadata: [] }], 'documents[0].metadata'],
  ['metadata as a Map', [{ id: '1', text: 't', metadata: new Map([['a', 1]]) }], 'documents[0].metadata'],
  ['metadata as a date', [{ id: '1', text: 't', metadata: new Date(0) }], 'documents[0].metadata'],
  ['a list in metadata', [{ id: '1', text: 't', metadata: { tags: ['a'] } }], 'documents[0].metadata.tags'],
  ['NaN in metadata', [{ id: '1', text: 't', metadata: { n: Number.NaN } }], 'documents[0].metadata.n'],
  ['null in metadata', [{ id: '1', text: 't', metadata: { n: null } }], 'documents[0].metadata.n'],
  ['a field without name', [{ id: '1', text: 't', metadata: { '': 1 } }], 'field names that are not empty'],
  ['a field like an operator', [{ id: '1', text: 't', metadata: { $gt: 1 } }], 'do not start with $'],
])('%s is refused', (_, documents, message) => {
  expectRefused(() => checkDocuments(documents), message);
});

test.each<[string, Wrong, string]>([
  ['a list', [1, 0, 0], 'a Float32Array for vector'],
  ['doubles', Float64Array.of(1, 0, 0), 'a Float32Array for vector'],
  ['another dimension', Float32Array.of(1, 0), 'vector has 2 values, but vectors of tiny have 3'],
  ['NaN', Float32Array.of(1, Number.NaN, 0), 'a finite number for vector[1]'],
  ['infinity', Float32Array.of(1, 0, -1e39), 'a finite number for vector[2] but received -Infinity'],
])('a vector that is %s is refused', (_, vector, message) => {
  expectRefused(() => checkVector(vector, SPACE), message);
  expectRefused(() => checkQuery(vector, SPACE, { topK: 1 }), message);
  const documents = [
    { id: '1', text: 't', vector: VECTOR },
    { id: '2', text: 't', vector },
  ];
  expectRefused(() => checkEmbedded(documents, SPACE), message.replace('vector', 'documents[1].vector'));
});

test.each<[string, Wrong, string]>([
  ['no options', undefined, 'an object for options but received undefined'],
  ['no topK', {}, 'topK but received undefined'],
  ['topK 0', { topK: 0 }, 'topK but received 0'],
  ['topK 1.5', { topK: 1.5 }, 'topK but received 1.5'],
  [
    'a misspelt filter',
    { topK: 1, filters: { lang: 'en' } },
    'Unknown option "filters"; known are topK, filter, signal',
  ],
  ['a controller for a signal', { topK: 1, signal: new AbortController() }, 'an AbortSignal for signal'],
])('a query with %s is refused', (_, options, message) => {
  expectRefused(() => checkQuery(VECTOR, SPACE, options), message);
});

test('a query whose signal is aborted already throws its reason', () => {
  const reason = new Error('not wanted');
  expect(() => checkQuery(VECTOR, SPACE, { topK: 1, signal: AbortSignal.abort(reason) })).toThrow(reason);
});

test.each<[string, Wrong, string]>([
  ['a string', '1', 'an array of strings for ids'],
  ['an empty id', ['1', ''], 'ids[1]'],
  ['a number', [1], 'ids[0] but received 1'],
  ['a hole', new Array(2), 'ids[0] but received undefined'],
])('ids that are %s are refused', (_, ids, message) => {
  expectRefused(() => checkIds(ids), message);
});

test.each([
  [{ model: 'other', dimension: 3 }, 'the store holds vectors of other (3 dimensions), not of tiny (3)'],
  [{ model: 'tiny', dimension: 4 }, 'the store holds vectors of tiny (4 dimensions), not of tiny (3)'],
])('a store of another space is refused with both names', (found, message) => {
  expectRefused(() => checkSpace('the store', found, SPACE), message, 'ERR_STORE_MISMATCH');
});
