import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeExportedModel } from '../bench/exported';
import { Reranker } from '../lib';
import { Embedder } from '../lib/embedder';
import { DEFAULT_EMBEDDER } from './support/embedders';
import { copyOf, DEFAULT_MODEL, editJson, fixture, temporaryFolder } from './support/models';
import { fromFloats, readTensors, writeTensors } from './support/safetensors';

const TYPES = 'sentence_transformers.models';

interface Files {
  [name: string]: unknown;
}

const TRANSFORMER = { idx: 0, name: '0', path: '', type: `${TYPES}.Transformer` };
const POOLING = { idx: 1, name: '1', path: '1_Pooling', type: `${TYPES}.Pooling` };
const NORMALIZE = { idx: 2, name: '2', path: '2_Normalize', type: `${TYPES}.Normalize` };

/** The tiny BertModel with files of sentence-transformers beside it; text is written as it is. */
function folderWith(files: Files, name?: string): string {
  let folder = copyOf('bert-embedder');
  if (name !== undefined) {
    const named = join(temporaryFolder(), name);
    mkdirSync(join(named, '..'), { recursive: true });
    renameSync(folder, named);
    folder = named;
  }
  for (const [file, content] of Object.entries(files)) {
    const path = join(folder, file);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  }
  return folder;
}

async function infoOf(folder: string) {
  await using model = await Embedder.load(folder);
  return model.info();
}

describe('pooling and normalisation are read from modules.json', () => {
  test.each([
    [{ pooling_mode_cls_token: true, pooling_mode_mean_tokens: false }, 'cls'],
    [{ pooling_mode_cls_token: false, pooling_mode_mean_tokens: true }, 'mean'],
    [{ pooling_mode_mean_tokens: false, pooling_mode_lasttoken: true, include_prompt: true }, 'last'],
    [{ embedding_dimension: 64, pooling_mode: 'cls' }, 'cls'],
    [{ embedding_dimension: 64, pooling_mode: ['lasttoken'] }, 'last'],
    [{ word_embedding_dimension: 64 }, 'mean'], // the default of sentence-transformers
  ])('%j', async (config, pooling) => {
    const modules = [TRANSFORMER, POOLING];
    const files = { 'modules.json': modules, '1_Pooling/config.json': config };
    expect(await infoOf(folderWith(files))).toMatchObject({ pooling, normalize: false });
    files['modules.json'].push(NORMALIZE);
    expect(await infoOf(folderWith(files))).toMatchObject({ pooling, normalize: true });
  });

  test('classes may be named as newer versions name them', async () => {
    const modules = [
      { ...TRANSFORMER, type: 'sentence_transformers.base.modules.transformer.Transformer' },
      { ...POOLING, type: 'sentence_transformers.sentence_transformer.modules.pooling.Pooling' },
    ];
    const files = { 'modules.json': modules, '1_Pooling/config.json': { pooling_mode: 'cls' } };
    expect(await infoOf(folderWith(files))).toMatchObject({ pooling: 'cls', normalize: false });
  });

  test('without it: the mean, of length 1', async () => {
    expect(await infoOf(folderWith({}))).toMatchObject({ pooling: 'mean', normalize: true });
  });

  test('options go before files', async () => {
    const files = {
      'modules.json': [TRANSFORMER, POOLING],
      '1_Pooling/config.json': { pooling_mode: 'max' },
    };
    const prefixes = { query: 'ask: ' };
    await using model = await Embedder.load(folderWith(files), { pooling: 'cls', normalize: true, prefixes });
    expect(model.info()).toMatchObject({
      pooling: 'cls',
      normalize: true,
      prefixes: { query: 'ask: ', document: '' },
    });
  });
});

describe('files that cannot be followed are refused', () => {
  const pooling = (config: unknown): Files => ({
    'modules.json': [TRANSFORMER, POOLING],
    '1_Pooling/config.json': config,
  });
  const dense = { idx: 2, name: '2', path: '2_Dense', type: `${TYPES}.Dense` };

  test.each<[string, string, Files]>([
    ['pooling "max_tokens"', 'ERR_MODEL_UNSUPPORTED', pooling({ pooling_mode_max_tokens: true })],
    ['pooling "weightedmean"', 'ERR_MODEL_UNSUPPORTED', pooling({ pooling_mode: 'weightedmean' })],
    [
      'several poolings (cls_token, mean_tokens)',
      'ERR_MODEL_UNSUPPORTED',
      pooling({ pooling_mode_cls_token: true, pooling_mode_mean_tokens: true }),
    ],
    ['pooling "constructor"', 'ERR_MODEL_UNSUPPORTED', pooling({ pooling_mode: 'constructor' })],
    ['include_prompt', 'ERR_MODEL_UNSUPPORTED', pooling({ pooling_mode: 'mean', include_prompt: false })],
    ['for 32 dimensions', 'ERR_MODEL_INVALID', pooling({ pooling_mode: 'mean', embedding_dimension: 32 })],
    ['1_Pooling/config.json is no valid JSON', 'ERR_MODEL_INVALID', pooling('{')],
    ['1_Pooling/config.json must hold', 'ERR_MODEL_INVALID', { 'modules.json': [TRANSFORMER, POOLING] }],
    ['"Dense"', 'ERR_MODEL_UNSUPPORTED', { ...pooling({}), 'modules.json': [TRANSFORMER, POOLING, dense] }],
    ['"Pooling" at place 0', 'ERR_MODEL_UNSUPPORTED', { 'modules.json': [POOLING, TRANSFORMER] }],
    ['no Pooling', 'ERR_MODEL_UNSUPPORTED', { 'modules.json': [TRANSFORMER] }],
    [
      '0_Transformer',
      'ERR_MODEL_UNSUPPORTED',
      { 'modules.json': [{ ...TRANSFORMER, path: '0_Transformer' }, POOLING] },
    ],
    ['modules.json must hold a list', 'ERR_MODEL_INVALID', { 'modules.json': {} }],
    ['modules with a type and a path', 'ERR_MODEL_INVALID', { 'modules.json': [7] }],
    [
      'prompts that are strings',
      'ERR_MODEL_INVALID',
      { 'config_sentence_transformers.json': { prompts: { query: 7 } } },
    ],
  ])('%s: %s', async (message, code, files) => {
    await expect(Embedder.load(folderWith(files))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });
});

describe('prefixes', () => {
  const stored = (prompts: object) => ({ 'config_sentence_transformers.json': { prompts } });

  test.each<[string, Files, string, string]>([
    ['any-model', stored({ query: 'Q: ', document: 'D: ' }), 'Q: ', 'D: '],
    ['any-model', stored({ query: 'Q: ', passage: 'P: ' }), 'Q: ', 'P: '],
    ['any-model', stored({}), '', ''],
    ['multilingual-e5-large', {}, 'query: ', 'passage: '],
    ['e5-base-v2', stored({ query: '', document: '' }), 'query: ', 'passage: '], // as written where nobody set any
    ['e5-base-v2', stored({ query: 'ask: ' }), 'ask: ', ''],
    ['multilingual-e5-large-instruct', {}, '', ''],
    ['bge-base-en-v1.5', {}, 'Represent this sentence for searching relevant passages: ', ''],
    ['bge-large-zh-v1.5', {}, '为这个句子生成表示以用于检索相关文章：', ''],
    ['models--BAAI--bge-small-zh-v1.5/snapshots/7999e1d3', {}, '为这个句子生成表示以用于检索相关文章：', ''],
    ['bge-m3', {}, '', ''],
  ])('of %s with %j', async (name, files, query, document) => {
    expect((await infoOf(folderWith(files, name))).prefixes).toEqual({ query, document });
  });

  test('a model that says what it was made from has those of its origin', async () => {
    const folder = folderWith({}, 'my-search-model');
    editJson(folder, 'config.json', (config) =>
      Object.assign(config, { _name_or_path: 'intfloat/e5-small' }),
    );
    expect((await infoOf(folder)).prefixes).toEqual({ query: 'query: ', document: 'passage: ' });
  });

  test('in a Hugging Face cache, vectors are called after the repository', async () => {
    await using model = await Embedder.load(folderWith({}, 'models--me--tiny-bert/snapshots/7999e1d3'));
    expect(model.space).toEqual({ model: 'tiny-bert', dimension: 64 });
  });
});

test('sentence_bert_config.json says where texts are cut, and whether they are lowercased', async () => {
  const folder = folderWith({ 'sentence_bert_config.json': { max_seq_length: 16, do_lower_case: true } });
  await using model = await Embedder.load(folder, { precision: 'fp32' });
  expect(model.info()).toMatchObject({ maxLength: 128, defaultMaxLength: 16 });
  const text = 'The Red Planet and Its Moons '.repeat(10);
  await using plain = await Embedder.load(fixture('bert-embedder'), { precision: 'fp32' });
  expect(await model.embed([text])).toEqual(await plain.embed([text.toLowerCase()], { maxLength: 16 }));
});

test('a length that leaves no room beside special tokens is one token of text', async () => {
  for (const max_seq_length of [1, 2]) {
    await using model = await Embedder.load(folderWith({ 'sentence_bert_config.json': { max_seq_length } }));
    expect(model.info().defaultMaxLength).toBe(3);
    expect(await model.embed(['planet '.repeat(500)])).toEqual(
      await model.embed(['planet '.repeat(500)], { maxLength: 3 }),
    );
  }
});

describe('a model of the other kind is refused, and the class that loads it is named', () => {
  const exported = (source: string, output: 'logits' | 'last_hidden_state' | 'sentence_embedding') => {
    const folder = temporaryFolder();
    writeExportedModel(source, folder, { output });
    return folder;
  };

  test.each([
    ['safetensors', () => DEFAULT_MODEL],
    ['an exported graph', () => exported(fixture('bert'), 'logits')],
  ])('a reranker: %s', async (_, folder) => {
    await expect(Embedder.load(folder())).rejects.toMatchObject({
      code: 'ERR_MODEL_UNSUPPORTED',
      message: expect.stringContaining('Reranker.load'),
    });
  });

  test.each([
    ['safetensors', () => DEFAULT_EMBEDDER],
    ['an exported graph', () => exported(fixture('bert-embedder'), 'last_hidden_state')],
    ['an exported graph that pools', () => exported(fixture('bert-embedder'), 'sentence_embedding')],
  ])('an embedder: %s', async (_, folder) => {
    await expect(Reranker.load(folder())).rejects.toMatchObject({
      code: 'ERR_MODEL_UNSUPPORTED',
      message: expect.stringContaining('Embedder.load'),
    });
  });
});

test('weights that overflow are an error with the name of the layer', async () => {
  const folder = copyOf('bert-embedder');
  const file = join(folder, 'model.safetensors');
  const tensors = readTensors(file);
  const name = 'encoder.layer.1.output.LayerNorm.weight';
  tensors.set(name, fromFloats(new Float32Array(64).fill(Number.NaN), [64]));
  writeTensors(file, tensors);
  await using model = await Embedder.load(folder, { precision: 'fp32' });
  await expect(model.embed(['planet'])).rejects.toMatchObject({
    code: 'ERR_MODEL_INVALID',
    message: expect.stringMatching(/an embedding that is not finite, first in \S*encoder\.layer\.1\.output/),
  });
});

test('a folder without weights, without a tokenizer, or none at all', async () => {
  for (const file of ['model.safetensors', 'tokenizer.json', '']) {
    const folder = copyOf('bert-embedder');
    rmSync(join(folder, file), { recursive: true });
    await expect(Embedder.load(folder)).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
  }
});

test('a model that does not fit into the memory budget is refused before it is loaded', async () => {
  await expect(Embedder.load(undefined, { memoryBudget: 50_000_000 })).rejects.toMatchObject({
    code: 'ERR_MEMORY',
  });
});
