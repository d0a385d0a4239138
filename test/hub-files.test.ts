import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ExportOptions, writeExportedModel } from '../bench/exported';
import { Embedder, Reranker } from '../lib';
import { bestExported, selectFiles } from '../lib/hub/select-files';
import { bertFiles, downloadError, useHub } from './support/hub';
import { filesOf, type RepositoryFiles } from './support/hub-server';
import { copyOf, editJson, fixture, temporaryFolder } from './support/models';
import { readTensors, writeTensors } from './support/safetensors';

const PAIRS: [string, string][] = [
  ['which planet is red', 'mars is a planet'],
  ['which planet is red', 'bread is made of flour'],
];
const hub = useHub();
let cache: string;
beforeEach(() => {
  cache = temporaryFolder();
});

/** Scores of what was downloaded, and the names of its files. */
async function scoresOf(files: RepositoryFiles): Promise<{ scores: Float32Array; names: string[] }> {
  const commit = hub().add('acme/model', files);
  const options = { endpoint: hub().url, cacheFolder: cache, token: false } as const;
  await using model = await Reranker.load('acme/model', { hub: options, precision: 'fp32' });
  await using again = await Reranker.load('acme/model', { hub: { ...options, offline: true } });
  expect(again.info().architecture).toBe(model.info().architecture);
  const folder = join(cache, 'models--acme--model/snapshots', commit);
  const names = (
    readdirSync(folder, { recursive: true, withFileTypes: true }) as {
      name: string;
      isDirectory(): boolean;
    }[]
  )
    .filter((entry) => !entry.isDirectory())
    .map(({ name }) => name)
    .sort();
  const scores = await model.predict(PAIRS, { scores: 'raw' });
  return { scores, names };
}

async function reference(folder = fixture('bert')): Promise<Float32Array> {
  await using model = await Reranker.load(folder, { precision: 'fp32' });
  return await model.predict(PAIRS, { scores: 'raw' });
}

function exported(options: ExportOptions = {}): string {
  const folder = temporaryFolder();
  writeExportedModel(fixture('bert'), folder, options);
  return folder;
}

function expectClose(actual: Float32Array, expected: Float32Array): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i] as number, 3));
}

const BESIDE = ['config.json', 'tokenizer.json', 'tokenizer_config.json'];

test('weights in shards: the index and what it names, and no shard of something else', async () => {
  const folder = copyOf('bert');
  const tensors = [...readTensors(join(folder, 'model.safetensors'))];
  const half = tensors.length >> 1;
  const shards = {
    'model-00001-of-00002.safetensors': tensors.slice(0, half),
    'model-00002-of-00002.safetensors': tensors.slice(half),
  };
  const map: Record<string, string> = {};
  for (const [shard, part] of Object.entries(shards)) {
    writeTensors(join(folder, shard), new Map(part));
    for (const [name] of part) map[name] = shard;
  }
  writeFileSync(
    join(folder, 'model.safetensors.index.json'),
    JSON.stringify({ metadata: {}, weight_map: map }),
  );
  const { 'model.safetensors': _, ...files } = filesOf(folder);
  const { scores, names } = await scoresOf({
    ...files,
    'model-00001-of-00009.safetensors': 'of another model',
  });
  expect(scores).toEqual(await reference());
  expect(names).toEqual(
    [...BESIDE, 'golden.json', 'model.safetensors.index.json', ...Object.keys(shards)].sort(),
  );
});

test.each<[string, unknown]>([
  ['a shard that is not there', { weight_map: { a: 'model-00003-of-00003.safetensors' } }],
  ['a shard outside of the repository', { weight_map: { a: '../../evil.safetensors' } }],
  ['no shard', { weight_map: {} }],
  ['shards that are numbers', { weight_map: { a: 7 } }],
  ['nothing', null],
])('an index that names %s is refused', async (_, index) => {
  const { 'model.safetensors': _weights, ...files } = bertFiles();
  const error = await downloadError(
    scoresOf({ ...files, 'model.safetensors.index.json': JSON.stringify(index) }),
  );
  expect(error.code).toBe('ERR_MODEL_INVALID');
  expect(error.message).toMatch(/^acme\/model: model.safetensors.index.json names/);
});

test.each<[string, ExportOptions]>([
  ['model.onnx', {}],
  ['onnx/model.onnx', { file: 'onnx/model.onnx' }],
])('a repository with %s alone', async (file, options) => {
  const { scores, names } = await scoresOf(filesOf(exported(options)));
  expectClose(scores, await reference());
  expect(names).toEqual([...BESIDE, 'model.onnx'].sort());
  expect(hub().transfersOf(file)).toHaveLength(1);
});

test.each(['model.onnx', 'onnx/model.onnx'] as const)(
  '%s with its weights in a file of their own loads through the links of the cache',
  async (file) => {
    const { scores, names } = await scoresOf(filesOf(exported({ file, externalData: true })));
    expectClose(scores, await reference());
    expect(names).toEqual([...BESIDE, 'model.onnx', 'model.onnx_data'].sort());
  },
);

test('of graphs of other names the least lossy is fetched, and is the one that is loaded', async () => {
  const folder = exported({ file: 'onnx/model.onnx' });
  renameSync(join(folder, 'onnx/model.onnx'), join(folder, 'onnx/model_O2.onnx'));
  const { scores, names } = await scoresOf({
    ...filesOf(folder),
    'onnx/model_fp16.onnx': 'not this',
    'onnx/model_int8.onnx': 'not this',
    'onnx/model_q4.onnx': 'not this',
  });
  expectClose(scores, await reference());
  expect(names).toEqual([...BESIDE, 'model_O2.onnx'].sort());
});

test('safetensors are chosen before a graph, which is not fetched', async () => {
  const { names } = await scoresOf({
    ...bertFiles(),
    'onnx/model.onnx': 'not this',
    'model.onnx': 'nor this',
  });
  expect(names).toEqual([...BESIDE, 'golden.json', 'model.safetensors'].sort());
});

test('a graph is chosen for an architecture that is not known, and its safetensors are not fetched', async () => {
  const folder = exported({ file: 'onnx/model.onnx' });
  editJson(folder, 'config.json', (config) => Object.assign(config, { model_type: 'newbert' }));
  const { scores, names } = await scoresOf({ ...filesOf(folder), 'model.safetensors': 'not this' });
  expectClose(scores, await reference());
  expect(names).toEqual([...BESIDE, 'model.onnx'].sort());
});

test.each<[string, string[], RegExp]>([
  [
    'tokenizer.json',
    ['tokenizer.json'],
    /^acme\/model has no tokenizer.json, and other tokenizer files are not read/,
  ],
  [
    'weights',
    ['model.safetensors'],
    /^acme\/model has no weights that this version reads: model.safetensors or an .onnx/,
  ],
  ['config.json', ['config.json'], /^acme\/model has no config.json/],
])('a repository without %s is refused before anything large is fetched', async (_, without, message) => {
  const files: RepositoryFiles = { ...bertFiles(), 'vocab.txt': 'a' };
  for (const name of without) delete files[name];
  const error = await downloadError(scoresOf(files));
  expect(error.code).toBe('ERR_MODEL_NOT_FOUND');
  expect(error.message).toMatch(message);
  expect(hub().requests.filter(({ host }) => host === 'storage')).toEqual([]);
});

test('pytorch_model.bin alone is named as what is not read', async () => {
  const { 'model.safetensors': weights, ...files } = bertFiles();
  const error = await downloadError(scoresOf({ ...files, 'pytorch_model.bin': weights as Buffer }));
  expect(error.message).toMatch(/pytorch_model.bin is not read/);
});

test('an embedder whose modules.json says what is not there says so', async () => {
  hub().add('acme/embedder', {
    ...filesOf(fixture('bert-embedder')),
    'modules.json': '[{"type": "x.Dense", "path": "../.."}]',
  });
  const options = { endpoint: hub().url, cacheFolder: cache, token: false } as const;
  const error = await downloadError(Embedder.load('acme/embedder', { hub: options }));
  expect([error.code, error.message]).toEqual([
    'ERR_MODEL_UNSUPPORTED',
    expect.stringContaining('"Dense" at place 0'),
  ]);
});

describe('which graph is the best', () => {
  const folders = [
    ['model.onnx', 'onnx/model.onnx', 'a.onnx'],
    ['onnx/model.onnx', 'a.onnx'],
    ['model_quantized.onnx', 'onnx/model_fp16.onnx'],
    ['onnx/model_quantized.onnx', 'onnx/model_uint8.onnx', 'onnx/model_q4f16.onnx', 'onnx/model_bnb4.onnx'],
    ['onnx/model_O4.onnx', 'onnx/model_O1.onnx', 'onnx/model_qint8_avx512.onnx', 'onnx/decoder_model.onnx'],
    ['onnx/model_fp16.onnx', 'onnx/model_quantized.onnx'],
    ['b.onnx', 'a.onnx', 'aa.onnx'],
  ];
  test.each(folders.map((names) => [names]))('of %j: hub and loader agree', async (names) => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'onnx'));
    for (const [name, content] of Object.entries(filesOf(fixture('bert')))) {
      if (BESIDE.includes(name)) writeFileSync(join(folder, name), content);
    }
    for (const name of names) writeFileSync(join(folder, name), 'no graph');
    const best = bestExported(names) as string;
    const { message } = await downloadError(Reranker.load(folder));
    expect(message).toContain(join(folder, best)); // as what could not be read
  });

  test('of none there is none', () => {
    expect(
      bestExported(['model.safetensors', 'onnx/deep/model.onnx', 'openvino/a.onnx', 'model.onnx_data']),
    ).toBeUndefined();
  });
});

test('parts of a graph beyond 2 GB are found under the names that exporters give them', () => {
  const beside = ['tokenizer.json', 'config.json'];
  const select = (...names: string[]) => selectFiles('a/b', new Set([...beside, ...names]), () => undefined);
  expect(
    select(
      'onnx/model.onnx',
      'onnx/model.onnx_data',
      'onnx/model.onnx_data_1',
      'onnx/model.onnx_data_old',
      'model.onnx_data',
    ),
  ).toEqual([
    'config.json',
    'tokenizer.json',
    'onnx/model.onnx',
    'onnx/model.onnx_data',
    'onnx/model.onnx_data_1',
  ]);
  expect(select('model.onnx', 'model.onnx.data')).toContain('model.onnx.data');
});
