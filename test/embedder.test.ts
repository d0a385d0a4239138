import { channel } from 'node:diagnostics_channel';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Reranker } from '../lib';
import { Embedder } from '../lib/embedder';
import type { EmbedderLoadOptions, EmbedTextOptions } from '../lib/embedding/options';
import { cosine, goldenEmbeddings } from './support/embedders';
import { fixture, ROOT } from './support/models';
import { PRECISIONS } from './support/precisions';

const BERT = fixture('bert-embedder');
const texts = goldenEmbeddings(BERT).cases.map(({ text }) => text);
/** Without the cache: every text is computed, each time. */
const fresh = { cache: false } as const;

const POOLINGS = ['cls', 'mean', 'last'] as const;
const CASES = POOLINGS.flatMap((pooling) => PRECISIONS.map((precision) => ({ pooling, precision })));

describe.each(CASES)(
  'pooling $pooling in $precision: an embedding does not depend on its neighbours, bit for bit',
  (options) => {
    test('alone, in one batch, in another order, among other calls', async () => {
      await using model = await Embedder.load(BERT, options);
      const together = await model.embed(texts, fresh);
      for (const [i, text] of texts.entries())
        expect((await model.embed([text], fresh))[0]).toEqual(together[i]);
      expect((await model.embed([...texts].reverse(), fresh)).reverse()).toEqual(together);
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, i) => model.embed(texts.slice(i), fresh)),
      );
      answers.forEach((answer, i) => expect(answer).toEqual(together.slice(i)));
    });

    test('with any number of threads and any size of chunk', async () => {
      await using reference = await Embedder.load(BERT, { ...options, threads: 1 });
      const expected = await reference.embed(texts, fresh);
      for (const [threads, maxTokensPerChunk] of [
        [3, 64],
        [2, 1],
        [2, 100_000],
      ] as const) {
        await using model = await Embedder.load(BERT, { ...options, threads, maxTokensPerChunk });
        expect(await model.embed(texts, fresh)).toEqual(expected);
      }
    });
  },
);

describe('what embed gives', () => {
  test('views of one buffer, in input order, and none for no text', async () => {
    await using model = await Embedder.load(BERT);
    const vectors = await model.embed(texts);
    expect(vectors.map(({ length }) => length)).toEqual(texts.map(() => 64));
    expect(new Set(vectors.map(({ buffer }) => buffer)).size).toBe(1);
    expect(await model.embed([])).toEqual([]);
  });

  test('vectors of length 1, or as they are pooled', async () => {
    await using unit = await Embedder.load(BERT);
    await using plain = await Embedder.load(BERT, { normalize: false });
    const [one, other] = [await unit.embed(texts), await plain.embed(texts)];
    for (const [i, vector] of one.entries()) {
      expect(Math.hypot(...vector)).toBeCloseTo(1, 6);
      expect(Math.hypot(...(other[i] as Float32Array))).toBeGreaterThan(2);
      expect(cosine(vector, other[i] as Float32Array)).toBeCloseTo(1, 6);
    }
  });

  test('an empty text has an embedding', async () => {
    await using model = await Embedder.load();
    const [empty] = await model.embed(['']);
    expect(Math.hypot(...(empty as Float32Array))).toBeCloseTo(1, 6);
  });

  test('a text is cut where maxLength, the file or the model says', async () => {
    await using model = await Embedder.load(BERT, { precision: 'fp32' });
    expect(model.info()).toMatchObject({ maxLength: 128, defaultMaxLength: 128 });
    const words = (count: number) => Array.from({ length: count }, () => 'a').join(' ');
    const [long, longer, whole] = await model.embed([words(500), words(100_000), words(126)]);
    expect(longer).toEqual(long);
    expect(long).toEqual(whole); // 126 tokens and two special ones
    const [cut, short] = [await model.embed([words(500)], { maxLength: 12 }), await model.embed([words(10)])];
    expect(cut).toEqual(short);
  });

  test('embedWithUsage tells of each text what was cut, and what all of it took', async () => {
    await using model = await Embedder.load(BERT);
    const texts = ['planet moon', 'a '.repeat(200), 'planet moon'];
    const { embeddings, tokensLost, usage, timings } = await model.embedWithUsage(texts);
    expect(embeddings).toEqual(await model.embed(texts));
    expect([...tokensLost]).toEqual([0, 74, 0]); // 128, two of them special
    const [words] = await model.tokenize(['planet moon']);
    const short = (words?.ids.length as number) + 2;
    expect(usage).toEqual({ texts: 3, cached: 1, tokens: short + 128, cachedTokens: short });
    expect(timings.totalMs).toBeGreaterThanOrEqual(timings.computeMs);
    const again = { texts: 3, cached: 3, tokens: 0, cachedTokens: 2 * short + 128 };
    expect((await model.embedWithUsage(texts)).usage).toEqual(again);
  });

  test('kind puts the prefix before each text, and the same text is embedded once', async () => {
    await using model = await Embedder.load(BERT, { prefixes: { query: 'query: ', document: 'passage: ' } });
    const { cache } = model.stats();
    expect(await model.embed(['planet'], { kind: 'query' })).toEqual(await model.embed(['query: planet']));
    expect(await model.embed(['planet'], { kind: 'document' })).toEqual(
      await model.embed(['passage: planet']),
    );
    expect(model.stats().cache).toMatchObject({ hits: cache.hits + 2, misses: cache.misses + 2, entries: 2 });
  });

  test('thousands of texts in one call', async () => {
    await using model = await Embedder.load(BERT);
    const many = Array.from({ length: 4000 }, (_, i) => `${texts[i % texts.length]} ${i}`);
    const vectors = await model.embed(many, { priority: 'bulk', maxLength: 24 });
    expect(vectors).toHaveLength(many.length);
    expect((await model.embed([many[3999] as string], { ...fresh, maxLength: 24 }))[0]).toEqual(
      vectors[3999],
    );
    expect(model.stats().scored.pairs).toBe(4001);
  });
});

describe('what ends a call', () => {
  const long = Array.from({ length: 400 }, (_, i) => `${'a planet and its moons '.repeat(60)}${i}`);

  test('a signal, before it and during it', async () => {
    await using model = await Embedder.load(undefined, { maxQueuedTokens: Number.MAX_SAFE_INTEGER });
    const reason = new Error('not needed any more');
    await expect(model.embed(['x'], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const call = model.embed(long, { signal: controller.signal });
    while (model.stats().running.pairs === 0) await delay(1);
    controller.abort(reason);
    await expect(call).rejects.toBe(reason);
    expect(model.stats().requests).toMatchObject({ aborted: 1 });
  });

  test('its deadline', async () => {
    await using model = await Embedder.load();
    await expect(model.embed(long, { timeoutMs: 1 })).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
      message: expect.stringMatching(/of 400 texts embedded/),
    });
  });

  test('the end of the embedder', async () => {
    const model = await Embedder.load();
    const call = expect(model.embed(long)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await model.dispose();
    await call;
    const closed = { code: 'ERR_CLOSED', message: 'the embedder has been disposed' };
    await expect(model.embed(['x'])).rejects.toMatchObject(closed);
    await expect(model.warmUp()).rejects.toMatchObject(closed);
    expect(model.info().loaded).toBe(false);
  });

  test('a queue that is full', async () => {
    await using model = await Embedder.load(BERT, { maxQueuedTokens: 50, threads: 1 });
    const first = model.embed(texts, fresh);
    await expect(model.embed(texts, fresh)).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' });
    await first;
  });
});

describe('wrong arguments are refused by name', () => {
  test.each<[EmbedderLoadOptions, string]>([
    [{ pooling: 'max' as 'mean' }, "Expected one of 'cls', 'mean', 'last' for pooling"],
    [{ normalize: 1 as unknown as boolean }, 'a boolean for normalize'],
    [{ prefixes: { query: 7 as unknown as string } }, 'a string for prefixes.query'],
    [{ prefixes: { passage: '' } as object }, 'Unknown option "passage"; known are query, document'],
    [{ verify: true } as object, 'Unknown option "verify"'],
    [{ threads: 0 }, 'an integer from 1 to 1024 for threads'],
  ])('load: %j', async (options, message) => {
    await expect(Embedder.load(BERT, options)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    });
  });

  test.each<[unknown, object, string]>([
    ['planet', {}, 'an array of strings for texts'],
    [['planet', undefined], {}, 'a string for texts[1]'],
    [['planet'], { kind: 'passage' }, "one of 'query', 'document' for kind"],
    [['planet'], { maxLength: 129 }, 'an integer from 3 to 128 for maxLength'],
    [['planet'], { timeoutMs: 0 }, 'for timeoutMs'],
    [['planet'], { truncate: 'document' }, 'Unknown option "truncate"'],
  ])('embed: %j, %j', async (argument, options, message) => {
    await using model = await Embedder.load(BERT);
    await expect(model.embed(argument as string[], options as EmbedTextOptions)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    });
  });
});

test('an embedder and a reranker work beside each other', async () => {
  await using embedder = await Embedder.load();
  await using reranker = await Reranker.load();
  await Promise.all([embedder.warmUp(), reranker.warmUp()]);
  const documents = ['Bananas are rich in potassium.', 'Mars is often called the Red Planet.'];
  const query = 'Which planet is red?';
  const ask = async () => {
    const [[asked], vectors, { results }] = await Promise.all([
      embedder.embed([query], { kind: 'query' }),
      embedder.embed(documents, { kind: 'document' }),
      reranker.rerank(query, documents),
    ]);
    const cosines = vectors.map((vector) => cosine(asked as Float32Array, vector));
    expect(cosines[1]).toBeGreaterThan(cosines[0] as number);
    expect(results[0]?.index).toBe(1);
    return cosines;
  };
  expect(await ask()).toEqual(await ask());
});

test('poolings of the same files are models of their own, and the same options share one in all threads', async () => {
  await using mean = await Embedder.load(BERT);
  await using cls = await Embedder.load(BERT, { pooling: 'cls' });
  await using raw = await Embedder.load(BERT, { normalize: false });
  const embedded = async (model: Embedder) => (await model.embed(['a red planet']))[0] as Float32Array;
  const vector = await embedded(mean);
  expect(cosine(vector, await embedded(cls))).toBeLessThan(0.999);
  expect(await embedded(raw)).not.toEqual(vector);

  const script = `
    const { Embedder } = require(${JSON.stringify(join(ROOT, 'dist/lib/embedder.js'))});
    const { parentPort } = require('node:worker_threads');
    (async () => {
      const model = await Embedder.load(${JSON.stringify(BERT)});
      parentPort.postMessage([...(await model.embed(['a red planet']))[0]]);
      await model.dispose();
    })();`;
  const worker = new Worker(script, { eval: true });
  const fromWorker = await new Promise((resolve, reject) =>
    worker.once('message', resolve).once('error', reject),
  );
  expect(fromWorker).toEqual([...vector]);
  // The worker's call was answered from the cache of the engine that this thread has filled.
  expect(mean.stats()).toMatchObject({ scored: { pairs: 1 }, cache: { hits: 1 } });
});

test('a model that was unloaded for its age is loaded again', async () => {
  await using model = await Embedder.load(BERT, { idleUnloadMs: 0 });
  const expected = await model.embed(['planet'], fresh);
  while (model.info().loaded) await delay(1);
  expect(await model.embed(['planet'], fresh)).toEqual(expected);
});

test('calls are traced', async () => {
  const heard: object[] = [];
  const listen = (message: unknown) => heard.push({ ...(message as object) });
  const started = channel('tracing:crossrank:call:start');
  started.subscribe(listen);
  try {
    await using model = await Embedder.load(BERT);
    await model.embed(['planet', 'moon'], { priority: 'bulk' });
  } finally {
    started.unsubscribe(listen);
  }
  expect(heard).toEqual([{ method: 'embed', model: BERT, pairs: 2, priority: 'bulk' }]);
});
