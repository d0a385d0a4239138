// How a worker answers a chunk: an item that the model refuses has its error beside the results of the others, what is wrong
// with all of them is told once, and what may be gone at the next try is left to it.

import { type ChunkWork, embedWork, rerankWork } from '../lib/bulk/chunk-work';
import { stampOf } from '../lib/bulk/identity';
import { type Chunk, type ChunkAnswer, PROTOCOL } from '../lib/bulk/protocol';
import { Embedder } from '../lib/embedder';
import { Reranker } from '../lib/reranker';
import { MODEL } from './support/bulk';
import { fixture } from './support/models';

let reranker: Reranker;
let embedder: Embedder;
let reranks: ChunkWork;
let embeds: ChunkWork;

beforeAll(async () => {
  const options = { precision: 'fp32' } as const;
  reranker = await Reranker.load(MODEL, { ...options, cache: false, profile: false });
  embedder = await Embedder.load(fixture('bert-embedder'), options);
  reranks = await rerankWork(reranker);
  embeds = await embedWork(embedder);
});

afterAll(async () => {
  await reranker.dispose();
  await embedder.dispose();
});

/** As it comes out of Redis, whatever wrote it. */
function chunk(work: ChunkWork, kind: Chunk['kind'], items: unknown[], options: object = {}): Chunk {
  return { protocol: PROTOCOL, model: stampOf(work.identity), kind, options, items } as Chunk;
}

function answersOf(answer: ChunkAnswer) {
  if ('refused' in answer) throw new Error(answer.refused.message);
  return answer.answers;
}

test('a question that the model refuses leaves the others their results', async () => {
  const good = { query: 'mars', documents: ['a red planet', 'bread'] };
  const bad = { query: 'mars', documents: ['a red planet', 7] };
  const [first, refused, last] = answersOf(await reranks.answer(chunk(reranks, 'rerank', [good, bad, good])));
  const [alone] = answersOf(await reranks.answer(chunk(reranks, 'rerank', [good])));
  expect(first).toEqual(alone);
  expect(last).toEqual(alone);
  expect(alone).toMatchObject({ index: [expect.any(Number), expect.any(Number)], truncated: [] });
  expect(refused).toEqual({
    error: { code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('documents[1]') },
  });
});

test('a text that the model refuses leaves the others their vectors', async () => {
  const [first, refused] = answersOf(await embeds.answer(chunk(embeds, 'embed', ['mars', { text: 'mars' }])));
  expect(first).toEqual({ vector: expect.any(String) });
  expect(refused).toEqual({
    error: { code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('texts[0]') },
  });
});

test('options that the model refuses are told once, for all items', async () => {
  const items = [{ query: 'mars', documents: ['a'] }];
  for (const options of [{ topK: -1 }, { maxLength: 1_000_000 }, { longDocuments: 'shred' }]) {
    expect(await reranks.answer(chunk(reranks, 'rerank', items, options))).toEqual({
      refused: {
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringContaining(Object.keys(options)[0] as string),
      },
    });
  }
  expect(await embeds.answer(chunk(embeds, 'embed', ['mars'], { kind: 'title' }))).toEqual({
    refused: { code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('kind') },
  });
});

test('a chunk of the other kind is refused as one', async () => {
  expect(await reranks.answer(chunk(reranks, 'embed', ['mars']))).toEqual({
    refused: { code: 'ERR_QUEUE_MISMATCH', message: expect.stringContaining('does not embed') },
  });
  expect(await embeds.answer(chunk(embeds, 'rerank', [{ query: 'mars', documents: ['a'] }]))).toEqual({
    refused: { code: 'ERR_QUEUE_MISMATCH', message: expect.stringContaining('does not rerank') },
  });
});

test('what is no fault of the chunk rejects, so that it is tried again', async () => {
  const small = await Reranker.load(MODEL, {
    ...{ precision: 'fp32', cache: false, profile: false },
    maxQueuedTokens: 1,
  });
  const work = await rerankWork(small);
  const items = Array.from({ length: 4 }, () => ({
    query: 'mars',
    documents: Array(50).fill('a red planet'),
  }));
  await expect(work.answer(chunk(work, 'rerank', items))).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' });
  await small.dispose();
  await expect(work.answer(chunk(work, 'rerank', items))).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});
