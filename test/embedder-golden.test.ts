import { join } from 'node:path';
import { type ExportOptions, writeExportedModel } from '../bench/exported';
import { Embedder } from '../lib/embedder';
import type { EmbedderLoadOptions } from '../lib/embedding/options';
import {
  cosine,
  DEFAULT_EMBEDDER,
  type EmbeddingCase,
  goldenEmbeddings,
  largestDifference,
} from './support/embedders';
import { copyOf, editJson, fixture, temporaryFolder } from './support/models';
import { LEVELS, PRECISIONS } from './support/precisions';
import { readTensors, writeTensors } from './support/safetensors';

/** Of vectors of length 1, whose references have seven digits. */
const EXACT = 1e-6;
const BERT = fixture('bert-embedder');

const texts = (cases: readonly EmbeddingCase[]) => cases.map(({ text }) => text);

function exported(source: string, options: ExportOptions): string {
  const folder = temporaryFolder();
  writeExportedModel(source, folder, options);
  return folder;
}

describe.each(['cls', 'mean'] as const)('BertModel, pooling %s', (pooling) => {
  const { cases, maxLength } = goldenEmbeddings(BERT);
  const expected = cases.map((each) => each[pooling] as number[]);

  test('fp32 embeddings equal the float64 reference on every case', async () => {
    expect(cases.length).toBeGreaterThan(50);
    await using model = await Embedder.load(BERT, { pooling, precision: 'fp32' });
    expect(largestDifference(await model.embed(texts(cases), { maxLength }), expected)).toBeLessThan(EXACT);
  });

  test('exported to ONNX, they equal it, too', async () => {
    const folder = exported(BERT, { output: 'last_hidden_state' });
    await using model = await Embedder.load(folder, { pooling });
    expect(model.info()).toMatchObject({ packed: false, precision: 'model', pooling });
    expect(largestDifference(await model.embed(texts(cases), { maxLength }), expected)).toBeLessThan(EXACT);
  });

  test.each(PRECISIONS)('embeddings in %s point where the reference does', async (precision) => {
    await using model = await Embedder.load(BERT, { pooling, precision });
    const actual = await model.embed(texts(cases), { maxLength });
    const worst = Math.min(...actual.map((vector, i) => cosine(vector, expected[i] as number[])));
    expect(worst).toBeGreaterThan(0.99);
  });
});

test.each(LEVELS)('kernels of level %s give the reference embeddings', async (cpu) => {
  const { cases, maxLength } = goldenEmbeddings(BERT);
  for (const pooling of ['cls', 'mean'] as const) {
    await using model = await Embedder.load(BERT, { pooling, cpu, precision: 'fp32' });
    expect(model.info().kernels.level).toBe(cpu);
    const expected = cases.map((each) => each[pooling] as number[]);
    expect(largestDifference(await model.embed(texts(cases), { maxLength }), expected)).toBeLessThan(EXACT);
  }
});

describe('the embedded default model', () => {
  const { cases } = goldenEmbeddings(DEFAULT_EMBEDDER);
  const expected = cases.map(({ mean }) => mean as number[]);

  test('fp32 embeddings equal the reference on its dequantised weights', async () => {
    await using model = await Embedder.load(undefined, { precision: 'fp32' });
    expect(model.space).toEqual({ model: 'multilingual-e5-small-zh-en', dimension: 384 });
    expect(model.info()).toMatchObject({
      pooling: 'mean',
      normalize: true,
      prefixes: { query: 'query: ', document: 'passage: ' },
      defaultMaxLength: 512,
    });
    expect(largestDifference(await model.embed(texts(cases)), expected)).toBeLessThan(EXACT);
  });

  test.each(PRECISIONS)('embeddings in %s point where the reference does', async (precision) => {
    await using model = await Embedder.load(undefined, { precision });
    const actual = await model.embed(texts(cases));
    const worst = Math.min(...actual.map((vector, i) => cosine(vector, expected[i] as number[])));
    expect(worst).toBeGreaterThan(0.99);
  });

  test('finds the passage that answers, in Chinese and in English', async () => {
    await using model = await Embedder.load();
    const passages = [
      'RAG是检索增强生成技术，先检索资料再让大模型回答。',
      'Bananas are rich in potassium.',
      '今天天气很好，适合去公园。',
      'Mars, known for its reddish appearance, is often referred to as the Red Planet.',
    ];
    const vectors = await model.embed(passages, { kind: 'document' });
    const queries = ['什么是RAG？', 'Which planet is called the Red Planet?', '公园里今天的天气怎么样？'];
    const found = (await model.embed(queries, { kind: 'query' })).map((query) => {
      const scores = vectors.map((vector) => cosine(query, vector));
      return scores.indexOf(Math.max(...scores));
    });
    expect(found).toEqual([0, 3, 2]);
  });
});

/** A reranker's fixture as the encoder that it was trained from. */
function encoderOf(
  name: string,
  architecture: string,
  edit: (tensor: string) => string = (same) => same,
): string {
  const folder = copyOf(name);
  editJson(folder, 'config.json', (config) => Object.assign(config, { architectures: [architecture] }));
  const file = join(folder, 'model.safetensors');
  writeTensors(file, new Map([...readTensors(file)].map(([tensor, data]) => [edit(tensor), data])));
  return folder;
}

const SAMPLES = [
  '',
  'planet',
  'a red planet and its two small moons',
  '火星是一颗红色的行星',
  'x '.repeat(90),
];

describe.each([
  ['bert', 'BertForMaskedLM', 'bert.'],
  ['roberta', 'RobertaModel', 'roberta.'],
  ['xlm-roberta', 'XLMRobertaModel', 'roberta.'],
  ['distilbert', 'DistilBertModel', 'distilbert.'],
  ['electra', 'ElectraModel', 'electra.'],
])('%s as %s', (name, architecture, prefix) => {
  const plain: EmbedderLoadOptions = { precision: 'fp32', normalize: false };

  // The exported graph is made by the bench and run by ONNX Runtime alone: nothing of it is shared but pooling.
  test.each(['cls', 'mean', 'last'] as const)('pooling %s equals the exported graph', async (pooling) => {
    const folder = encoderOf(name, architecture);
    await using model = await Embedder.load(folder, { ...plain, pooling });
    await using padded = await Embedder.load(exported(folder, { output: 'last_hidden_state' }), {
      normalize: false,
      pooling,
    });
    const vectors = await model.embed(SAMPLES, { maxLength: 128 });
    const expected = await padded.embed(SAMPLES, { maxLength: 128 });
    const size = Math.max(...expected.flatMap((vector) => [...vector].map(Math.abs)));
    expect(largestDifference(vectors, expected)).toBeLessThan(1e-5 * Math.max(1, size));
  });

  test('tensors may be named as AutoModel saves them', async () => {
    const withPrefix = encoderOf(name, architecture);
    const without = encoderOf(name, architecture, (tensor) =>
      tensor.startsWith(prefix) ? tensor.slice(prefix.length) : tensor,
    );
    await using one = await Embedder.load(withPrefix, plain);
    await using other = await Embedder.load(without, plain);
    expect(await other.embed(SAMPLES)).toEqual(await one.embed(SAMPLES));
  });
});

test('an exported graph may give embeddings; then it has pooled, and how is no option', async () => {
  const folder = exported(BERT, { output: 'sentence_embedding' });
  const { cases, maxLength } = goldenEmbeddings(BERT);
  await using model = await Embedder.load(folder);
  expect(model.info()).toMatchObject({ pooling: 'model', dimension: 64 });
  const expected = cases.map(({ cls }) => cls as number[]);
  expect(largestDifference(await model.embed(texts(cases), { maxLength }), expected)).toBeLessThan(EXACT);
  await expect(Embedder.load(folder, { pooling: 'mean' })).rejects.toMatchObject({
    code: 'ERR_MODEL_UNSUPPORTED',
    message: expect.stringContaining('leave out the option pooling'),
  });
});
