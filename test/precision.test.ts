import { join } from 'node:path';
import { type CpuLevel, type Precision, Reranker } from '../lib';
import { runChild } from './support/child';
import { ARCHITECTURES, copyOf, DEFAULT_MODEL, fixture, golden } from './support/models';
import { LACKS_AMX, LEVELS, REDUCED } from './support/precisions';
import { floats, readTensors, type TensorData, writeTensors } from './support/safetensors';

const WEIGHTS = 'model.safetensors';

/** Raw scores of a model's reference cases, and what they should be. */
async function scores(folder: string, precision: Precision, cpu?: CpuLevel) {
  const cases = golden(folder);
  await using model = await Reranker.load(folder, { precision, cpu });
  const actual: number[] = [];
  for (const { query, document, max_length } of cases) {
    actual.push(
      (await model.predict([[query, document]], { maxLength: max_length, scores: 'raw' }))[0] as number,
    );
  }
  return { actual, expected: cases.map(({ logits }) => logits[0] as number), info: model.info() };
}

function rootMeanSquare(values: readonly number[]): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
}

/** Size of the error, as a share of how far apart the reference scores are. */
function relativeError(actual: readonly number[], expected: readonly number[]): number {
  const mean = expected.reduce((sum, value) => sum + value, 0) / expected.length;
  return (
    rootMeanSquare(actual.map((value, i) => value - (expected[i] as number))) /
    rootMeanSquare(expected.map((value) => value - mean))
  );
}

/** Share of pairs of scores in the same order less those in the other. */
function kendallTau(a: readonly number[], b: readonly number[]): number {
  let agreement = 0;
  let pairs = 0;
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < i; j++) {
      agreement +=
        Math.sign((a[i] as number) - (a[j] as number)) * Math.sign((b[i] as number) - (b[j] as number));
      pairs++;
    }
  }
  return agreement / pairs;
}

function edited(name: string, tensorName: string, edit: (values: Float32Array) => void): string {
  const folder = copyOf(name);
  const tensors = readTensors(join(folder, WEIGHTS));
  const tensor = tensors.get(tensorName) as TensorData;
  const values = floats(tensor);
  edit(values);
  tensors.set(tensorName, { ...tensor, data: Buffer.from(values.buffer) });
  writeTensors(join(folder, WEIGHTS), tensors);
  return folder;
}

describe.each(REDUCED)('%s', (precision) => {
  // Random weights: their scores are close together beside the size of the sums that make them.
  test.each(ARCHITECTURES)('scores of %s follow the float64 reference', async (name) => {
    const { actual, expected, info } = await scores(fixture(name), precision);
    expect(info.precision).toBe(precision);
    expect(relativeError(actual, expected)).toBeLessThan({ bf16x3: 1e-3, bf16: 0.05, int8: 0.25 }[precision]);
  });

  test('the embedded model keeps its order', async () => {
    const { actual, expected } = await scores(DEFAULT_MODEL, precision);
    expect(kendallTau(actual, expected)).toBeGreaterThan(
      { bf16x3: 0.999, bf16: 0.98, int8: 0.95 }[precision],
    );
    expect(relativeError(actual, expected)).toBeLessThan({ bf16x3: 1e-4, bf16: 0.01, int8: 0.05 }[precision]);
  });

  test('weights that are NaN or infinite are refused by name when they are packed', async () => {
    const name = 'bert.encoder.layer.1.intermediate.dense.weight';
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const folder = edited('bert', name, (values) => {
        values[7] = value;
      });
      await expect(Reranker.load(folder, { precision })).rejects.toMatchObject({
        code: 'ERR_MODEL_INVALID',
        message: expect.stringContaining(name),
      });
    }
  });

  test('activations that overflow give an error that names the layer', async () => {
    const folder = edited('bert', 'bert.encoder.layer.1.intermediate.dense.weight', (values) => {
      values.forEach((value, i) => {
        values[i] = Math.sign(value) * 3e38;
      });
    });
    await using model = await Reranker.load(folder, { precision });
    await expect(model.predict([['planet', 'one']])).rejects.toMatchObject({
      code: 'ERR_MODEL_INVALID',
      message: expect.stringMatching(/first in bert\.encoder\.layer\.1\./),
    });
  });

  test('huge activations stay finite', async () => {
    const folder = edited('bert', 'bert.encoder.layer.1.intermediate.dense.weight', (values) => {
      values.forEach((value, i) => {
        values[i] = value * 1e18;
      });
    });
    await using model = await Reranker.load(folder, { precision });
    const [score] = await model.predict([['planet', 'one']], { scores: 'raw' });
    expect(Number.isFinite(score)).toBe(true);
  });
});

test('fp32 by ONNX Runtime: what is not finite is an error that names the layer', async () => {
  const folder = edited('bert', 'bert.encoder.layer.1.output.dense.weight', (values) => {
    values[3] = Number.NaN;
  });
  await using model = await Reranker.load(folder, { precision: 'fp32', cpu: 'generic' });
  await expect(model.predict([['planet', 'one']])).rejects.toMatchObject({
    code: 'ERR_MODEL_INVALID',
    message: expect.stringMatching(/first in bert\.encoder\.layer\.1\.output/),
  });
});

describe('the level of kernels', () => {
  test.each(LEVELS)('%s runs int8 and fp32, and says so', async (level) => {
    for (const [precision, limit] of [
      ['fp32', 1e-5],
      ['int8', 0.05],
    ] as const) {
      const { actual, expected, info } = await scores(DEFAULT_MODEL, precision, level);
      expect(info.kernels.level).toBe(level);
      const ours =
        precision === 'fp32' ? !['generic', 'avx2', 'avxvnni'].includes(level) : level !== 'generic';
      expect(info.kernels.linear === 'onnxruntime').toBe(!ours);
      expect(relativeError(actual, expected)).toBeLessThan(limit);
    }
  });

  test('auto follows it', async () => {
    await using model = await Reranker.load(fixture('bert'), { cpu: 'generic' });
    expect(model.info()).toMatchObject({ precision: 'fp32', kernels: { attention: 'generic' } });
  });

  test('one that nobody knows is refused', async () => {
    await expect(Reranker.load(fixture('bert'), { cpu: 'avx1024' as CpuLevel })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining("'amx' for cpu"),
    });
    const { status, stderr } = runChild(
      `Reranker.load().catch((e) => { console.error(e.code, e.message); process.exitCode = 3 })`,
      { CROSSRANK_CPU: 'avx1024' },
    );
    expect(stderr).toMatch(
      /ERR_INVALID_ARGUMENT CROSSRANK_CPU=avx1024 is not to be had here; this CPU has generic/,
    );
    expect(status).toBe(3);
  });

  (LACKS_AMX ? test : test.skip)('one that the CPU lacks is refused, and so is what needs it', async () => {
    await expect(Reranker.load(fixture('bert'), { cpu: 'amx' })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
    await expect(Reranker.load(fixture('bert'), { precision: 'bf16x3' })).rejects.toMatchObject({
      code: 'ERR_PRECISION',
      message: expect.stringContaining('AMX'),
    });
  });

  test('bf16 is refused below its level, by name', async () => {
    await expect(Reranker.load(fixture('bert'), { precision: 'bf16', cpu: 'generic' })).rejects.toMatchObject(
      {
        code: 'ERR_PRECISION',
        message: expect.stringContaining("'generic'"),
      },
    );
  });
});
