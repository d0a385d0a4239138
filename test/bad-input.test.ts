import { CrossrankError, Reranker } from '../lib';
import { fixture } from './support/models';

let model: Reranker;
beforeAll(async () => {
  model = await Reranker.load(fixture('bert'), { precision: 'fp32' });
});
afterAll(() => model.dispose());

// biome-ignore lint/suspicious/noExplicitAny: these calls are wrong on purpose
type Wrong = any;

const rerank = (...args: Wrong[]) => (model.rerank as Wrong).apply(model, args);
const predict = (...args: Wrong[]) => (model.predict as Wrong).apply(model, args);

async function expectRefused(call: Promise<unknown>, message: string | RegExp): Promise<void> {
  const error = await call.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(CrossrankError);
  expect(error.code).toBe('ERR_INVALID_ARGUMENT');
  expect(error.message).toMatch(message);
  expect((await model.rerank('q', ['d'])).results).toHaveLength(1);
}

const WINDOW = { longDocuments: 'window' };

test.each<[string, Wrong[], string | RegExp]>([
  ['a query that is no string', [42, ['d']], 'Expected a string for query but received 42 of type number'],
  ['no query', [undefined, ['d']], 'Expected a string for query but received undefined'],
  ['no documents', ['q'], 'Expected an array for documents but received undefined'],
  ['documents that are a string', ['q', 'd'], 'Expected an array for documents'],
  [
    'a document that is a number',
    ['q', ['d', 7]],
    'Expected a string or an object for documents[1] but received 7',
  ],
  ['a document that is null', ['q', [null]], 'documents[0]'],
  ['a hole in the documents', ['q', Object.assign(new Array(3), { 0: 'd', 2: 'd' })], 'documents[1]'],
  ['an object without text', ['q', [{ body: 'd' }]], 'documents[0] has no field "text"'],
  [
    'a field that is no string',
    ['q', [{ text: 5 }]],
    'Expected a string for documents[0].text but received 5',
  ],
  ['a text function that returns no string', ['q', [{}], { text: () => 1 }], 'text(documents[0])'],
  ['topK 0', ['q', ['d'], { topK: 0 }], 'Expected a positive integer for topK but received 0 of type number'],
  ['a negative topK', ['q', ['d'], { topK: -1 }], 'topK'],
  ['topK NaN', ['q', ['d'], { topK: Number.NaN }], 'topK'],
  ['topK 1.5', ['q', ['d'], { topK: 1.5 }], 'topK'],
  ['topK as a string', ['q', ['d'], { topK: '3' }], 'topK'],
  ['minScore NaN', ['q', ['d'], { minScore: Number.NaN }], 'minScore'],
  [
    'a maxLength without room',
    ['q', ['d'], { maxLength: 3 }],
    'Expected an integer from 5 to 128 for maxLength',
  ],
  ['a maxLength beyond the model', ['q', ['d'], { maxLength: 129 }], 'maxLength'],
  [
    'an unknown truncation',
    ['q', ['d'], { truncate: 'left' }],
    "one of 'longest_first', 'document' for truncate",
  ],
  ['an unknown scale', ['q', ['d'], { scores: 'softmax' }], 'scores'],
  ['an unknown option', ['q', ['d'], { top_k: 3 }], /Unknown option "top_k"; known are .*topK/],
  ['options that are no object', ['q', ['d'], 5], 'Expected an object for options'],
  ['returnDocuments that is no boolean', ['q', ['d'], { returnDocuments: 'yes' }], 'returnDocuments'],
  [
    'a negative timeoutMs',
    ['q', ['d'], { timeoutMs: -1 }],
    'Expected a positive number of milliseconds for timeoutMs but received -1 of type number',
  ],
  ['timeoutMs 0', ['q', ['d'], { timeoutMs: 0 }], 'timeoutMs'],
  ['timeoutMs NaN', ['q', ['d'], { timeoutMs: Number.NaN }], 'timeoutMs'],
  ['an infinite timeoutMs', ['q', ['d'], { timeoutMs: Number.POSITIVE_INFINITY }], 'timeoutMs'],
  ['timeoutMs as a string', ['q', ['d'], { timeoutMs: '50' }], 'timeoutMs'],
  [
    'a controller for a signal',
    ['q', ['d'], { signal: new AbortController() }],
    'Expected an AbortSignal for signal',
  ],
  ['an unknown onTimeout', ['q', ['d'], { onTimeout: 'ignore' }], "'error', 'partial', 'inputOrder'"],
  ['an unknown priority', ['q', ['d'], { priority: 'high' }], "'interactive', 'bulk'"],
  [
    'an unknown way with long documents',
    ['q', ['d'], { longDocuments: 'windows' }],
    "'truncate', 'window', 'chunk' for longDocuments",
  ],
  [
    'window options without windows',
    ['q', ['d'], { longDocuments: 'chunk', window: { tokens: 50 } }],
    "has no effect with longDocuments: 'chunk'",
  ],
  ['windows that are a number', ['q', ['d'], { ...WINDOW, window: 400 }], 'an object for window'],
  ['an unknown window option', ['q', ['d'], { ...WINDOW, window: { size: 9 } }], 'Unknown option "size"'],
  ['windows of 0 tokens', ['q', ['d'], { ...WINDOW, window: { tokens: 0 } }], 'window.tokens'],
  ['windows beyond the model', ['q', ['d'], { ...WINDOW, window: { tokens: 129 } }], 'from 1 to 128'],
  [
    'a stride that leaves gaps',
    ['q', ['d'], { ...WINDOW, window: { tokens: 50, stride: 51 } }],
    'an integer from 1 to 50 for window.stride',
  ],
  ['no window at all', ['q', ['d'], { ...WINDOW, window: { maxWindows: 0 } }], 'window.maxWindows'],
  [
    'a stopScore that is NaN',
    ['q', ['d'], { ...WINDOW, window: { stopScore: Number.NaN } }],
    'a number for window.stopScore',
  ],
  [
    'cache of a call that is no boolean',
    ['q', ['d'], { cache: { ttlMs: 5 } }],
    'Expected a boolean for cache',
  ],
])('rerank refuses %s', async (_, args, message) => {
  await expectRefused(
    rerank(...args),
    typeof message === 'string' ? new RegExp(message.replace(/[.[\](){}]/g, '\\$&')) : message,
  );
});

test.each<[string, Wrong[], RegExp]>([
  ['pairs that are no array', ['q'], /pairs/],
  ['a pair of one', [[['q']]], /pairs\[0\]/],
  [
    'a pair with a number',
    [
      [
        ['q', 'd'],
        ['q', 1],
      ],
    ],
    /pairs\[1\]/,
  ],
  ['an option of rerank', [[['q', 'd']], { topK: 1 }], /Unknown option "topK"/],
  ['onTimeout', [[['q', 'd']], { onTimeout: 'partial' }], /Unknown option "onTimeout"/],
  ['timeoutMs NaN', [[['q', 'd']], { timeoutMs: Number.NaN }], /timeoutMs/],
])('predict refuses %s', async (_, args, message) => {
  await expectRefused(predict(...args), message);
});

test.each<[string, Wrong[], RegExp]>([
  ['a model that is no string', [42], /model/],
  ['an empty model path', [''], /model/],
  ['an unknown option', [undefined, { thread: 2 }], /Unknown option "thread"; known are .*threads/],
  ['threads 0', [undefined, { threads: 0 }], /threads/],
  ['threads 1e9', [undefined, { threads: 1e9 }], /threads/],
  ['an unknown precision', [undefined, { precision: 'fp8' }], /precision/],
  ['maxTokensPerChunk 0', [undefined, { maxTokensPerChunk: 0 }], /maxTokensPerChunk/],
  ['a runtime path that is no string', [undefined, { onnxRuntimePath: 1 }], /onnxRuntimePath/],
  ['verify that is no boolean', [undefined, { verify: 'yes' }], /Expected a boolean for verify/],
  ['profile that is no boolean', [undefined, { profile: 1 }], /Expected a boolean for profile/],
  ['maxQueuedTokens 0', [undefined, { maxQueuedTokens: 0 }], /maxQueuedTokens/],
  ['cache true', [undefined, { cache: true }], /Expected false or an object for cache but received true/],
  [
    'an unknown cache option',
    [undefined, { cache: { ttl: 5 } }],
    /Unknown option "ttl"; known are maxBytes, ttlMs/,
  ],
  ['cache.maxBytes 0', [undefined, { cache: { maxBytes: 0 } }], /cache.maxBytes/],
  ['cache.ttlMs NaN', [undefined, { cache: { ttlMs: Number.NaN } }], /cache.ttlMs/],
  ['an unknown reading of special tokens', [undefined, { specialTokens: 'no' }], /specialTokens/],
])('load refuses %s', async (_, args, message) => {
  await expectRefused((Reranker.load as Wrong)(...args), message);
});

describe('texts as they come', () => {
  test('empty strings are scored as the reference scores them', async () => {
    const scores = await model.predict(
      [
        ['', ''],
        ['', 'only a document'],
      ],
      { scores: 'raw', maxLength: 128 },
    );
    expect(scores[0]).toBeCloseTo(-0.167907452, 4);
    expect(scores[1]).toBeCloseTo(-2.875260212, 4);
  });

  test('a lone surrogate is the replacement character', async () => {
    const scores = await model.predict([
      ['q', 'a \ud800 b'],
      ['q', 'a \ufffd b'],
      ['\udfff', 'd'],
      ['\ufffd', 'd'],
    ]);
    expect(scores[0]).toBe(scores[1]);
    expect(scores[2]).toBe(scores[3]);
  });

  test('NUL, control characters and unassigned code points are text', async () => {
    const scores = await model.predict([
      ['q', 'a\0b'],
      ['\0', '\0\0\0'],
      ['q', '\u0001\u0002\u001f\u007f\u0085'],
      ['q', '\u{10ffff}\u{e0001}\u200b\ufeff'],
    ]);
    for (const score of scores) expect(Number.isFinite(score)).toBe(true);
  });

  test('text behind a NUL counts', async () => {
    const [cut, whole] = await model.predict([
      ['q', 'a'],
      ['q', 'a \0 planet planet planet'],
    ]);
    expect(cut).not.toBe(whole);
  });

  test('a document of a megabyte is cut, and says so', async () => {
    const texts = ['a'.repeat(1e6), '行星 '.repeat(3e5), 'planet '.repeat(150_000), ' '.repeat(1e6)];
    const { results } = await model.rerank('planet', texts);
    expect(results).toHaveLength(4);
    expect(results.find((r) => r.index === 2)?.tokensLost).toBeGreaterThan(100_000);
  });

  test('ten thousand documents in a call', async () => {
    const documents = Array.from({ length: 10_000 }, (_, i) => `document number ${i}`);
    const { results, usage } = await model.rerank('document number 77', documents, { topK: 5 });
    expect(results).toHaveLength(5);
    expect(usage.pairs).toBe(10_000);
  });

  test('documents changed during the call do not change the answer', async () => {
    const documents = ['one planet', 'two planets'];
    const answer = model.rerank('planet', documents);
    documents.length = 0;
    const { results } = await answer;
    expect(results.map((r) => r.document).sort()).toEqual(['one planet', 'two planets']);
  });
});
