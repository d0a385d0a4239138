import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeExportedModel } from '../bench/exported';
import { type RankedDocument, Reranker, type RerankOptions, type RerankResponse } from '../lib';
import { fixture, temporaryFolder } from './support/models';

jest.setTimeout(60_000); // a shared machine may be slow; nothing here is about time

const QUERY = 'method for pressure';
const MAX_LENGTH = 128;
const SPECIAL_TOKENS = 3;

/** Words that are one token each, so that tokens can be counted and cut without a tokenizer. */
const WORDS: string[] = (() => {
  const { model } = JSON.parse(readFileSync(join(fixture('bert'), 'tokenizer.json'), 'utf8'));
  return Object.keys(model.vocab).filter((token) => /^[a-z]{4,}$/.test(token));
})();

/** A text of so many tokens; another one for each seed. */
function words(count: number, seed = 1): string {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return WORDS[state % WORDS.length];
  }).join(' ');
}

const tokensOf = (text: string): number => text.split(' ').length;

/** The windows of a document as their definition has them: text by text. */
function windowsOf(text: string, tokens: number, stride: number): string[] {
  const all = text.split(' ');
  if (all.length <= MAX_LENGTH - SPECIAL_TOKENS - tokensOf(QUERY)) return [text];
  const windows: string[] = [];
  for (let first = 0; ; first += stride) {
    const end = Math.min(first + tokens, all.length);
    windows.push(all.slice(end - tokens, end).join(' '));
    if (end === all.length) return windows;
  }
}

let model: Reranker;
beforeAll(async () => {
  model = await Reranker.load(fixture('bert'), { precision: 'fp32', cache: false });
});
afterAll(() => model.dispose());

const inWindows = <T extends string | object>(
  documents: T[],
  window: RerankOptions['window'] = {},
  more: RerankOptions<T> = {},
  reranker = model,
): Promise<RerankResponse<RankedDocument<T>>> =>
  reranker.rerank(QUERY, documents, {
    longDocuments: 'window',
    window: { tokens: 60, stride: 30, ...window },
    ...more,
  });

const byIndex = <T>({ results }: RerankResponse<RankedDocument<T>>) =>
  [...results].sort((a, b) => a.index - b.index);

const scoresOf = (texts: string[]): Promise<Float32Array> =>
  model.predict(texts.map((text) => [QUERY, text] as const));

/** The first of the best, and where it lies. */
async function best(document: string, windows: string[]): Promise<{ score: number; at: number }> {
  const scores = await scoresOf(windows);
  const score = Math.max(...scores);
  return { score, at: document.indexOf(windows[scores.indexOf(score)] as string) };
}

const LENGTHS = [1, 60, 121, 122, 123, 151, 200, 333, 1000];

describe('windows', () => {
  test("a document's score is that of its best window, to the bit, and the span is that window", async () => {
    const documents = LENGTHS.map((length, i) => words(length, i + 1));
    const response = await inWindows(documents);
    expect(response.usage.pairs).toBe(documents.length);
    let windows = 0;
    for (const result of byIndex(response)) {
      const document = documents[result.index] as string;
      const expected = windowsOf(document, 60, 30);
      const { score, at } = await best(document, expected);
      expect(result.score).toBe(score);
      expect(result.windows).toBe(expected.length);
      expect(result.truncated).toBe(false);
      const { start, end } = result.span as { start: number; end: number };
      expect(start).toBe(at);
      expect(expected).toContain(document.slice(start, end));
      windows += expected.length;
    }
    expect(response.usage.windows).toBe(windows);
    const ranked = response.results.map(({ score }) => score);
    expect(ranked).toEqual([...ranked].sort((a, b) => b - a));
  });

  test('a document that fits gets the bits of truncation, also where it is longer than a window', async () => {
    const documents = [words(121, 5), words(61, 6), '', 'a', words(123, 7)];
    const windowed = byIndex(await inWindows(documents));
    const truncated = byIndex(await model.rerank(QUERY, documents));
    for (const i of [0, 1, 2, 3]) {
      expect(windowed[i]?.score).toBe(truncated[i]?.score);
      expect(windowed[i]?.windows).toBe(1);
    }
    expect(windowed[0]?.span).toEqual({ start: 0, end: documents[0]?.length });
    expect(windowed[2]?.span).toEqual({ start: 0, end: 0 });
    expect(windowed[4]?.truncated).toBe(false);
    expect(truncated[4]).toMatchObject({ truncated: true, tokensLost: 1 });
    expect(truncated[4]).not.toHaveProperty('span');
  });

  test('the default is 400 tokens by 200, as far as the query leaves room', async () => {
    const document = words(1000, 3);
    const { results } = await model.rerank(QUERY, [document], { longDocuments: 'window' });
    const windows = windowsOf(document, 122, 61);
    expect(results[0]).toMatchObject({
      windows: windows.length,
      score: (await best(document, windows)).score,
    });
  });

  test('a query that leaves too little is cut, and says so', async () => {
    const query = words(200, 9);
    const long = { longDocuments: 'window' } as const;
    const { results } = await model.rerank(query, [words(300, 2)], long);
    // Of 125 tokens a window gets half, 62, and the query what is left.
    expect(results[0]).toMatchObject({
      truncated: true,
      tokensLost: 200 - 63,
      windows: 1 + Math.ceil(238 / 31),
    });
    await expect(
      model.rerank(query, [words(300, 2)], { ...long, truncate: 'document' }),
    ).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('the query has 200 tokens'),
    });
  });

  test('spans count as JavaScript does, and cut no surrogate pair', async () => {
    const document = `${'👍🏽 𝒜 中文，'.repeat(40)}méthode ${'Ａ𝐁 ½ İ '.repeat(40)}`;
    const tokens = (await model.tokenize([document]))[0];
    const { results } = await inWindows([document]);
    const { start, end } = (results[0] as RankedDocument<string>).span as { start: number; end: number };
    expect(results[0]?.windows).toBeGreaterThan(2);
    expect(Array.from(tokens?.starts ?? [])).toContain(start);
    expect(Array.from(tokens?.ends ?? [])).toContain(end);
    const slice = document.slice(start, end);
    expect(Buffer.from(slice).toString()).toBe(slice); // half a pair would become U+FFFD
  });

  test('neither documents beside it nor threads, chunks or order change what a document gets', async () => {
    const documents = LENGTHS.map((length, i) => words(length, i + 20));
    for (const window of [{}, { stopScore: 0.5 }, { maxWindows: 3 }]) {
      const together = byIndex(await inWindows(documents, window));
      const backwards = byIndex(await inWindows([...documents].reverse(), window)).reverse();
      const other = await Reranker.load(fixture('bert'), {
        ...{ precision: 'fp32', cache: false, threads: 3, maxTokensPerChunk: 100 },
      });
      const elsewhere = byIndex(await inWindows(documents, window, {}, other));
      await other.dispose();
      for (const [i, document] of documents.entries()) {
        const [alone] = (await inWindows([document], window)).results;
        for (const result of [together[i], backwards[i], elsewhere[i]])
          expect({ ...result, index: 0 }).toEqual(alone);
      }
    }
  });

  test('topK, minScore, scores and objects work as they do without', async () => {
    const documents = LENGTHS.map((length, i) => ({ id: i, body: words(length, i + 1) }));
    const all = await inWindows(documents, {}, { text: 'body' });
    const limit = all.results[3]?.score as number;
    const some = await inWindows(documents, {}, { text: 'body', minScore: limit, topK: 3 });
    expect(some.results).toEqual(all.results.slice(0, 3));
    const raw = await inWindows(documents, {}, { text: 'body', scores: 'raw' });
    expect(raw.results.map(({ index, span }) => ({ index, span }))).toEqual(
      all.results.map(({ index, span }) => ({ index, span })),
    );
  });

  test('an exported model scores windows too', async () => {
    const folder = temporaryFolder();
    writeExportedModel(fixture('bert'), folder, {});
    const exported = await Reranker.load(folder, { cache: false });
    const documents = LENGTHS.map((length, i) => words(length, i + 1));
    const expected = byIndex(await inWindows(documents, {}, { scores: 'raw' }));
    const actual = byIndex(await inWindows(documents, {}, { scores: 'raw' }, exported));
    await exported.dispose();
    for (const [i, result] of actual.entries()) {
      expect(result.windows).toBe(expected[i]?.windows);
      expect(result.score).toBeCloseTo(expected[i]?.score as number, 3);
    }
  });
});

describe('limits of windows', () => {
  const document = words(1000, 4);

  test('maxWindows scores the first ones and counts what follows', async () => {
    const [result] = (await inWindows([document], { maxWindows: 5 })).results;
    const first = windowsOf(document, 60, 30).slice(0, 5);
    expect(result).toMatchObject({
      ...{ windows: 5, truncated: true, tokensLost: 1000 - (4 * 30 + 60) },
      score: (await best(document, first)).score,
    });
    const [whole] = (await inWindows([document], { maxWindows: 1000 })).results;
    expect(whole).toMatchObject({ truncated: false, tokensLost: 0 });
  });

  test('the first window that reaches stopScore is the last one scored', async () => {
    const windows = windowsOf(document, 60, 30);
    const scores = await scoresOf(windows);
    const median = [...scores].sort((a, b) => a - b)[scores.length >> 1] as number;
    for (const stopScore of [-1, median, Math.max(...scores), 2]) {
      const found = scores.findIndex((score) => score >= stopScore);
      const last = found === -1 ? scores.length - 1 : found;
      const [result] = (await inWindows([document], { stopScore })).results;
      expect(result).toMatchObject({
        windows: last + 1,
        score: Math.max(...scores.subarray(0, last + 1)),
        tokensLost: last === scores.length - 1 ? 0 : 1000 - (last * 30 + 60),
      });
    }
  });

  test('stopScore is on the scale of the scores', async () => {
    const [raw] = (await inWindows([document], { stopScore: Number.NEGATIVE_INFINITY }, { scores: 'raw' }))
      .results;
    expect(raw?.windows).toBe(1);
    const logit = raw?.score as number;
    const [again] = (await inWindows([document], { stopScore: logit }, { scores: 'raw' })).results;
    expect(again).toEqual(raw);
    const [sigmoid] = (await inWindows([document], { stopScore: 1.1 }, { scores: 'sigmoid' })).results;
    expect(sigmoid?.windows).toBe(windowsOf(document, 60, 30).length);
  });

  test('what stopScore saves is not computed', async () => {
    const { usage } = await inWindows([document], { stopScore: -1 });
    const tokens = 60 + tokensOf(QUERY) + SPECIAL_TOKENS;
    expect(usage).toEqual({ pairs: 1, windows: 1, cached: 0, tokens, cachedTokens: 0 });
  });
});

describe('the cache', () => {
  let cached: Reranker;
  beforeAll(async () => {
    cached = await Reranker.load(fixture('bert'), { precision: 'fp32' });
  });
  afterAll(() => cached.dispose());

  test.each([{}, { stopScore: 0.5 }, { maxWindows: 2 }])(
    'a second call with %j computes nothing and answers the same',
    async (window) => {
      const documents = LENGTHS.map((length, i) => words(length, i + 40));
      const first = await inWindows(documents, window, {}, cached);
      const second = await inWindows(documents, window, {}, cached);
      expect(second.results).toEqual(first.results);
      const { windows, tokens, cachedTokens } = first.usage;
      const all = tokens + cachedTokens;
      expect(second.usage).toEqual({ ...first.usage, cached: windows, tokens: 0, cachedTokens: all });
    },
  );

  test('knows windows that another cut has, and documents that fit, however they are asked for', async () => {
    const [long, short] = [words(500, 70), words(80, 71)];
    await cached.rerank(QUERY, [short, long]);
    const windows = await inWindows([short, long], {}, {}, cached);
    expect(windows.usage.cached).toBe(1);
    const fewer = await inWindows([long], { maxWindows: 3 }, {}, cached);
    expect(fewer.usage).toMatchObject({ windows: 3, cached: 3 });
    const { results, usage } = await cached.rerank(QUERY, [long]);
    expect(usage.cached).toBe(1);
    expect(results[0]).toMatchObject({ truncated: true, tokensLost: 500 - 122 });
  });

  test('a document that is there twice is scored once', async () => {
    const document = words(400, 80);
    const { results, usage } = await inWindows([document, document], { stopScore: 0.9 }, {}, cached);
    expect(usage.cached).toBe(usage.windows / 2);
    expect({ ...results[0], index: 1 }).toEqual(results[1]);
  });

  test('cache: false computes every window for the call itself', async () => {
    const document = words(400, 81);
    const { usage } = await inWindows([document, document], {}, { cache: false }, cached);
    expect(usage.cached).toBe(0);
  });
});

describe('time', () => {
  const documents = Array.from({ length: 80 }, (_, i) => words(300 + 10 * (i % 20), i + 1));
  /** So slow that cutting and tokenizing are no matter beside scoring: a document takes a small part of the whole. */
  const options = { precision: 'fp32', cache: false, threads: 1 } as const;
  let slow: Reranker;
  beforeAll(async () => {
    slow = await Reranker.load(undefined, options);
  });
  afterAll(() => slow.dispose());

  /** With more and more time, until some documents were scored in it. */
  async function degraded(more: RerankOptions<string>): Promise<RerankResponse<RankedDocument<string>>> {
    for (let timeoutMs = 100; ; timeoutMs *= 1.5) {
      const response = await slow.rerank(QUERY, documents, { timeoutMs, onTimeout: 'partial', ...more });
      expect(response.degraded).toBe(true);
      if (response.scored > 0) return response;
    }
  }

  test.each(['window', 'chunk'] as const)(
    'a document counts as scored in a partial answer when all of it was: %s',
    async (longDocuments) => {
      const { results, scored } = await degraded({ longDocuments });
      expect(results).toHaveLength(documents.length);
      const done = results.slice(0, scored);
      const whole = await slow.rerank(
        QUERY,
        done.map(({ document }) => document),
        { longDocuments },
      );
      expect(done.map(({ score, windows, span }) => ({ score, windows, span }))).toEqual(
        whole.results.map(({ score, windows, span }) => ({ score, windows, span })),
      );
      for (const [i, { score, index, span }] of results.slice(scored).entries()) {
        expect(score).toBeNaN();
        expect(span).toBeUndefined();
        if (i > 0) expect(index).toBeGreaterThan((results[scored + i - 1] as { index: number }).index);
      }
    },
  );

  test.each(['window', 'chunk'] as const)(
    'inputOrder keeps the order of the documents: %s',
    async (longDocuments) => {
      const { results } = await degraded({ longDocuments, onTimeout: 'inputOrder' });
      expect(results.map(({ index }) => index)).toEqual(documents.map((_, i) => i));
    },
  );

  test.each(['window', 'chunk'] as const)(
    'a time-out, an abort and dispose end a call: %s',
    async (longDocuments) => {
      await expect(slow.rerank(QUERY, documents, { longDocuments, timeoutMs: 5 })).rejects.toMatchObject({
        code: 'ERR_TIMEOUT',
      });
      const controller = new AbortController();
      const aborted = slow.rerank(QUERY, documents, { longDocuments, signal: controller.signal });
      setImmediate(() => controller.abort(new Error('gone')));
      await expect(aborted).rejects.toThrow('gone');
      const other = await Reranker.load(undefined, options);
      const closed = expect(other.rerank(QUERY, documents, { longDocuments })).rejects.toMatchObject({
        code: 'ERR_CLOSED',
      });
      await other.dispose();
      await closed;
      expect((await slow.rerank(QUERY, ['pressure'], { longDocuments })).results).toHaveLength(1);
    },
  );

  test('stopScore works with interactive and bulk calls at once', async () => {
    const some = documents.slice(0, 8);
    const calls = (['interactive', 'bulk'] as const).flatMap((priority) =>
      [0.4, 0.5, 0.6].map((stopScore) => inWindows(some, { stopScore }, { priority })),
    );
    const answers = await Promise.all(calls);
    for (const i of [0, 1, 2]) expect(answers[i]?.results).toEqual(answers[i + 3]?.results);
    expect(model.stats().queue).toMatchObject({ requests: 0, tokens: 0 });
  });
});

describe('admission', () => {
  test('counts all windows of a document', async () => {
    const small = await Reranker.load(fixture('bert'), {
      precision: 'fp32',
      cache: false,
      maxQueuedTokens: 20_000,
    });
    const document = words(5000, 2);
    const first = inWindows([document], { stride: 15 }, {}, small);
    await expect(inWindows([document], { stride: 15 }, {}, small)).rejects.toMatchObject({
      code: 'ERR_QUEUE_FULL',
    });
    await first;
    expect(small.stats().queue).toMatchObject({ requests: 0, tokens: 0 });
    await small.dispose();
  });
});

describe('chunks', () => {
  const sentences = Array.from({ length: 60 }, (_, i) =>
    `${words(20, i + 1)}.`.replace(/^./, (c) => c.toUpperCase()),
  );
  const document = `${sentences.slice(0, 30).join(' ')}\n\n${sentences.slice(30).join(' ')}`;

  test("a document's score is that of its best chunk, which ends with a sentence", async () => {
    const short = words(100, 5);
    const response = await model.rerank(QUERY, [document, short], { longDocuments: 'chunk' });
    const [long, whole] = byIndex(response);
    const { start, end } = (long as RankedDocument<string>).span as { start: number; end: number };
    const text = document.slice(start, end);
    expect(text.endsWith('.')).toBe(true);
    expect(text.split(/(?<=\.)\s+/).every((sentence) => sentences.includes(sentence))).toBe(true);
    expect(long?.score).toBe((await scoresOf([text]))[0]);
    expect(long).toMatchObject({ truncated: false, tokensLost: 0, windows: 12 });
    expect(whole).toMatchObject({ windows: 1, score: (await scoresOf([short]))[0] });
    expect(response.usage).toMatchObject({ pairs: 2, windows: 13 });
    // No other chunk of sentences is better: what was scored covers the document.
    const chunks = Array.from({ length: 12 }, (_, i) => sentences.slice(i * 5, i * 5 + 5).join(' '));
    expect(long?.score).toBe(Math.max(...(await scoresOf(chunks))));
  });

  test('topK and minScore choose documents', async () => {
    const documents = [document, words(50, 3), words(300, 4), ''];
    const all = await model.rerank(QUERY, documents, { longDocuments: 'chunk' });
    const minScore = all.results[2]?.score as number;
    const some = await model.rerank(QUERY, documents, { longDocuments: 'chunk', topK: 2, minScore });
    expect(some.results).toEqual(all.results.slice(0, 2));
  });
});
