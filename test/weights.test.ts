import { copyFileSync, cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Reranker } from '../lib';
import { copyOf, editJson, fixture, golden, temporaryFolder } from './support/models';
import {
  floats,
  fromFloats,
  readTensors,
  type TensorData,
  type Tensors,
  writeTensors,
} from './support/safetensors';

/** A stored tensor and the fp32 values that it stands for. */
interface Encoded {
  stored: [name: string, tensor: TensorData][];
  meant: Float32Array;
}

type Encode = (name: string, tensor: TensorData) => Encoded;

const asBf16: Encode = (name, tensor) => {
  const values = floats(tensor);
  const bits = new Uint32Array(values.buffer);
  const half = Uint16Array.from(bits, (b) => b >>> 16);
  return {
    stored: [[name, { dtype: 'BF16', shape: tensor.shape, data: Buffer.from(half.buffer) }]],
    meant: new Float32Array(Uint32Array.from(half, (h) => h << 16).buffer),
  };
};

/** IEEE half precision by truncation, subnormals as zero: what matters is that both sides agree on the value. */
const asF16: Encode = (name, tensor) => {
  const values = floats(tensor);
  const half = new Uint16Array(values.length);
  const meant = new Float32Array(values.length);
  values.forEach((value, i) => {
    const magnitude = Math.abs(value);
    if (magnitude < 2 ** -14) return;
    const exponent = Math.floor(Math.log2(magnitude));
    const mantissa = Math.floor((magnitude / 2 ** exponent - 1) * 1024);
    half[i] = (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | mantissa;
    meant[i] = Math.sign(value) * (1 + mantissa / 1024) * 2 ** exponent;
  });
  return { stored: [[name, { dtype: 'F16', shape: tensor.shape, data: Buffer.from(half.buffer) }]], meant };
};

const asInt8Rows: Encode = (name, tensor) => {
  const values = floats(tensor);
  const [rows, columns] = tensor.shape as [number, number | undefined];
  if (columns === undefined) return { stored: [[name, tensor]], meant: values };
  const codes = new Int8Array(values.length);
  const scales = new Float32Array(rows);
  const meant = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) {
    const row = values.subarray(r * columns, (r + 1) * columns);
    scales[r] = Math.max(...row.map(Math.abs)) / 127 || 1;
    row.forEach((value, c) => {
      codes[r * columns + c] = Math.round(value / (scales[r] as number));
      meant[r * columns + c] = Math.fround((codes[r * columns + c] as number) * (scales[r] as number));
    });
  }
  return {
    stored: [
      [name, { dtype: 'I8', shape: tensor.shape, data: Buffer.from(codes.buffer) }],
      [`${name}_scale`, fromFloats(scales, [rows, 1])],
    ],
    meant,
  };
};

const PAIRS = golden(fixture('bert'))
  .slice(0, 30)
  .map(({ query, document }) => [query, document] as const);

describe.each<[string, Encode]>([
  ['BF16', asBf16],
  ['F16', asF16],
  ['int8 rows', asInt8Rows],
])('weights in %s', (_, encode) => {
  test.each(['bert', 'electra', 'xlm-roberta'])(
    'of %s score as the fp32 values they stand for, bit for bit',
    async (name) => {
      const [encoded, plain] = [copyOf(name), copyOf(name)];
      const stored: Tensors = new Map();
      const meant: Tensors = new Map();
      for (const [key, tensor] of readTensors(join(fixture(name), 'model.safetensors'))) {
        const result = encode(key, tensor);
        for (const [storedName, value] of result.stored) stored.set(storedName, value);
        meant.set(key, fromFloats(result.meant, tensor.shape));
      }
      writeTensors(join(encoded, 'model.safetensors'), stored);
      writeTensors(join(plain, 'model.safetensors'), meant);
      await using a = await Reranker.load(encoded, { precision: 'fp32' });
      await using b = await Reranker.load(plain, { precision: 'fp32' });
      const scores = await a.predict(PAIRS, { scores: 'raw' });
      expect(scores).toEqual(await b.predict(PAIRS, { scores: 'raw' }));
      expect(new Set(scores).size).toBeGreaterThan(10);
    },
  );
});

test('LayerNorm weights named gamma and beta, as in checkpoints from TensorFlow, are read', async () => {
  const folder = copyOf('bert');
  const tensors: Tensors = new Map();
  for (const [name, tensor] of readTensors(join(folder, 'model.safetensors'))) {
    tensors.set(
      name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta'),
      tensor,
    );
  }
  writeTensors(join(folder, 'model.safetensors'), tensors);
  await using old = await Reranker.load(folder, { precision: 'fp32' });
  await using now = await Reranker.load(fixture('bert'), { precision: 'fp32' });
  expect(await old.predict(PAIRS)).toEqual(await now.predict(PAIRS));
});

test('tensors that are not aligned in the file are read', async () => {
  const folder = copyOf('bert');
  const tensors = readTensors(join(folder, 'model.safetensors'));
  // A header of odd length, as old writers left it, moves every tensor off its boundary.
  const header: Record<string, unknown> = {};
  let offset = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.length] };
    offset += data.length;
  }
  let text = JSON.stringify(header);
  if (text.length % 2 === 0) text += ' ';
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  const body = Buffer.concat([...tensors.values()].map(({ data }) => data));
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([size, Buffer.from(text), body]));
  await using odd = await Reranker.load(folder, { precision: 'fp32' });
  await using even = await Reranker.load(fixture('bert'), { precision: 'fp32' });
  expect(await odd.predict(PAIRS)).toEqual(await even.predict(PAIRS));
});

test('a folder of links, as the Hugging Face cache lays it out, is read', async () => {
  const cache = temporaryFolder();
  const snapshot = join(cache, 'snapshots/0123abcd');
  mkdirSync(snapshot, { recursive: true });
  mkdirSync(join(cache, 'blobs'));
  for (const [i, file] of readdirSync(fixture('bert')).entries()) {
    copyFileSync(join(fixture('bert'), file), join(cache, 'blobs', `blob${i}`));
    symlinkSync(join('../../blobs', `blob${i}`), join(snapshot, file));
  }
  await using linked = await Reranker.load(snapshot, { precision: 'fp32' });
  await using plain = await Reranker.load(fixture('bert'), { precision: 'fp32' });
  expect(await linked.predict(PAIRS)).toEqual(await plain.predict(PAIRS));
});

test('a folder whose name is not ASCII, with spaces, is read', async () => {
  const folder = join(temporaryFolder(), 'モデル é 模型');
  cpSync(fixture('roberta'), folder, { recursive: true });
  await using model = await Reranker.load(folder, { precision: 'fp32' });
  expect(model.info().model).toBe(folder);
  expect(await model.predict(PAIRS)).toHaveLength(PAIRS.length);
});

describe('what the config says about scores', () => {
  const identity = { sentence_transformers: { activation_fn: 'torch.nn.modules.linear.Identity' } };
  test.each<[string, Record<string, unknown>, 'sigmoid' | 'identity']>([
    ['nothing, one label', {}, 'sigmoid'],
    ['Identity (sentence-transformers 4)', identity, 'identity'],
    [
      'Identity (before)',
      { sbert_ce_default_activation_function: 'torch.nn.modules.linear.Identity' },
      'identity',
    ],
    [
      'Sigmoid',
      { sentence_transformers: { activation_fn: 'torch.nn.modules.activation.Sigmoid' } },
      'sigmoid',
    ],
  ])('%s', async (_, change, expected) => {
    const folder = copyOf('bert');
    editJson(folder, 'config.json', (config) => Object.assign(config, change));
    await using model = await Reranker.load(folder, { precision: 'fp32' });
    expect(model.info().activation).toBe(expected);
    const pair = [['planet', 'a document']] as const;
    const own = (await model.predict(pair))[0];
    expect(own).toBe((await model.predict(pair, { scores: expected === 'sigmoid' ? 'sigmoid' : 'raw' }))[0]);
  });
});

test('a model with several labels predicts all of them and refuses to rank', async () => {
  const folder = copyOf('bert');
  editJson(folder, 'config.json', (config) => {
    config.id2label = { 0: 'a', 1: 'b', 2: 'c' };
  });
  const tensors = readTensors(join(folder, 'model.safetensors'));
  const weight = floats(tensors.get('classifier.weight') as TensorData);
  const bias = floats(tensors.get('classifier.bias') as TensorData);
  const rows = new Float32Array([...weight, ...weight.map((w) => 2 * w), ...weight.map((w) => -w)]);
  tensors.set('classifier.weight', fromFloats(rows, [3, 64]));
  tensors.set('classifier.bias', fromFloats(new Float32Array([bias[0] as number, 0, 0]), [3]));
  writeTensors(join(folder, 'model.safetensors'), tensors);
  await using model = await Reranker.load(folder, { precision: 'fp32' });
  await using single = await Reranker.load(fixture('bert'), { precision: 'fp32' });
  expect(model.info()).toMatchObject({ labels: 3, activation: 'identity' });
  const scores = await model.predict(PAIRS);
  const expected = await single.predict(PAIRS, { scores: 'raw' });
  expect(scores).toHaveLength(3 * PAIRS.length);
  PAIRS.forEach((_, i) => {
    expect(scores[3 * i]).toBeCloseTo(expected[i] as number, 5);
    expect(scores[3 * i + 2]).toBeCloseTo(-((expected[i] as number) - (bias[0] as number)), 5);
  });
  await expect(model.rerank('q', ['d'])).rejects.toMatchObject({ code: 'ERR_MODEL_UNSUPPORTED' });
});
