import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type ExportOptions, writeExportedModel } from '../bench/exported';
import { Reranker } from '../lib';
import {
  ARCHITECTURES,
  copyOf,
  editJson,
  fixture,
  type GoldenCase,
  golden,
  temporaryFolder,
} from './support/models';
import { fromFloats, readTensors, type TensorData, writeTensors } from './support/safetensors';

function exported(name: string, options: ExportOptions): string {
  const folder = temporaryFolder();
  writeExportedModel(fixture(name), folder, options);
  return folder;
}

/** Raw scores of all cases, long and short pairs padded into the same batches. */
async function logitsOf(model: Reranker, cases: readonly GoldenCase[]): Promise<number[]> {
  const logits = new Array<number>(cases.length);
  for (const maxLength of new Set(cases.map(({ max_length }) => max_length))) {
    const places = cases.flatMap(({ max_length }, i) => (max_length === maxLength ? [i] : []));
    const pairs = places.map((i): [string, string] => {
      const { query, document } = cases[i] as GoldenCase;
      return [query, document];
    });
    const scores = await model.predict(pairs, { maxLength, scores: 'raw' });
    places.forEach((place, i) => {
      logits[place] = scores[i] as number;
    });
  }
  return logits;
}

/**
 * 1e-4 absolute, or 1e-5 of the model's largest logit: all arithmetic is ONNX Runtime's, and what rounding does to the
 * sum of large terms does not shrink where they happen to cancel out.
 */
async function expectReferenceLogits(name: string, options: ExportOptions): Promise<void> {
  const cases = golden(fixture(name));
  await using model = await Reranker.load(exported(name, options));
  expect(model.info().packed).toBe(false);
  const logits = await logitsOf(model, cases);
  const largest = Math.max(...cases.map(({ logits: [reference] }) => Math.abs(reference as number)));
  const limit = Math.max(1e-4, 1e-5 * largest);
  const wrong = cases.flatMap(({ logits: [reference] }, i) => {
    const expected = reference as number;
    return Math.abs((logits[i] as number) - expected) <= limit
      ? []
      : [{ case: i, expected, actual: logits[i] }];
  });
  expect(wrong).toEqual([]);
}

describe.each(ARCHITECTURES)('%s exported to ONNX', (name) => {
  test.each([12, 17] as const)('scores as the reference at opset %i', async (opset) => {
    await expectReferenceLogits(name, { opset });
  });

  test('takes position ids as an input', async () => {
    await expectReferenceLogits(name, { inputNames: { positions: 'position_ids' } });
  });
});

test('an exported model is found in the folder onnx/ as well', async () => {
  await expectReferenceLogits('bert', { file: 'onnx/model.onnx' });
});

test.each(ARCHITECTURES)('%s takes 32-bit integers', async (name) => {
  await expectReferenceLogits(name, { integers: 'int32' });
});

test.each([
  { ids: 'input', mask: 'mask', types: 'segment_ids' },
  { mask: 'input_mask', types: 'segment_ids' },
])('inputs may be called %j', async (inputNames) => {
  await expectReferenceLogits('bert', { inputNames });
});

test('an input that means something else is refused by name', async () => {
  const folder = exported('bert', { inputNames: { types: 'pixel_values' } });
  await expect(Reranker.load(folder, { precision: 'fp32' })).rejects.toMatchObject({
    code: 'ERR_MODEL_UNSUPPORTED',
    message: expect.stringContaining('pixel_values'),
  });
});

test('weights may lie in a file of their own', async () => {
  const folder = exported('bert', { externalData: true });
  expect(existsSync(join(folder, 'model.onnx_data'))).toBe(true);
  expect(statSync(join(folder, 'model.onnx')).size).toBeLessThan(100_000);
  await expectReferenceLogits('bert', { externalData: true });
});

test('a sequence of thousands of tokens scores as the exported graph scores it', async () => {
  const folder = copyOf('xlm-roberta');
  const rows = 2 + 2048;
  const file = join(folder, 'model.safetensors');
  const tensors = readTensors(file);
  const name = 'roberta.embeddings.position_embeddings.weight';
  const { shape } = tensors.get(name) as TensorData;
  const columns = shape[1] as number;
  const positions = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 0.37) * 0.05);
  tensors.set(name, fromFloats(positions, [rows, columns]));
  writeTensors(file, tensors);
  editJson(folder, 'config.json', (config) => Object.assign(config, { max_position_embeddings: rows }));
  editJson(folder, 'tokenizer_config.json', (config) => Object.assign(config, { model_max_length: 2048 }));

  const target = temporaryFolder();
  writeExportedModel(folder, target);
  await using packed = await Reranker.load(folder, { precision: 'fp32' });
  await using padded = await Reranker.load(target, { precision: 'fp32' });
  expect(packed.info()).toMatchObject({ packed: true, maxLength: 2048 });
  const documents = [100, 700, 3000].map((words) => 'a planet and a star '.repeat(words / 5));
  const pairs = documents.map((document): [string, string] => ['which planet', document]);
  const options = { maxLength: 2048, scores: 'raw' } as const;
  const scores = await packed.predict(pairs, options);
  const reference = await padded.predict(pairs, options);
  scores.forEach((score, i) => expect(score).toBeCloseTo(reference[i] as number, 3));
  const { usage } = await packed.rerank('which planet', documents.slice(2), {
    maxLength: 2048,
    cache: false,
  });
  expect(usage.tokens).toBe(2048);
});
