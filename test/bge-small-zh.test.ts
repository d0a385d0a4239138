import { Embedder } from '../lib/embedder';
import { BGE, fetchBge } from './support/bge-small-zh';
import { cosine, goldenEmbeddings, largestDifference } from './support/embedders';
import { REDUCED } from './support/precisions';

const missing = fetchBge();
if (missing !== undefined) console.warn(`bge-small-zh-v1.5 is not tested: ${missing}`);
const whenFetched = missing === undefined ? describe : describe.skip;

whenFetched('bge-small-zh-v1.5, a published model that pools the first token', () => {
  const { cases } = goldenEmbeddings(BGE.packed);
  const texts = cases.map(({ text }) => text);
  const expected = cases.map(({ cls }) => cls as number[]);

  test.each(['exported', 'packed'] as const)('%s, it gives the reference embeddings', async (form) => {
    await using model = await Embedder.load(BGE[form], { precision: form === 'packed' ? 'fp32' : 'auto' });
    expect(model.info()).toMatchObject({
      packed: form === 'packed',
      pooling: 'cls',
      normalize: true,
      dimension: 512,
      prefixes: { query: '为这个句子生成表示以用于检索相关文章：', document: '' },
    });
    expect(largestDifference(await model.embed(texts), expected)).toBeLessThan(1e-6);
  });

  // int8 costs this model more than others: 0.985 on the worst text, without outliers beyond it.
  test.each(REDUCED)('in %s, embeddings point where the reference does', async (precision) => {
    await using model = await Embedder.load(BGE.packed, { precision });
    const actual = await model.embed(texts);
    const cosines = actual.map((vector, i) => cosine(vector, expected[i] as number[]));
    expect(Math.min(...cosines)).toBeGreaterThan(precision === 'int8' ? 0.98 : 0.999);
  });
});
