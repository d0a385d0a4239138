import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeExportedModel } from '../bench/exported';
import { CrossrankError, type LoadOptions, Reranker } from '../lib';
import type { Precision } from '../lib/options';
import { PASSAGES, QUERIES } from '../lib/precision/pairs';
import {
  brokenLimits,
  compareScores,
  kendallTau,
  PARITY_LIMITS,
  type ScoreMatrix,
} from '../lib/precision/parity';
import { verifyPrecisions } from '../lib/precision/verify';
import { runCli } from './support/cli';
import { copyOf, DEFAULT_MODEL, editJson, fixture, temporaryFolder } from './support/models';
import { floats, fromFloats, readTensors, type TensorData, writeTensors } from './support/safetensors';

jest.setTimeout(60_000); // a shared machine may be slow; nothing here is about time

const matrix = (queries: number, scores: number[], labels = 1): ScoreMatrix => ({
  queries,
  documents: scores.length / queries / labels,
  labels,
  scores: Float32Array.from(scores),
});

/** Whether this CPU runs a precision. */
async function runs(precision: Precision): Promise<boolean> {
  try {
    await using _ = await Reranker.load(fixture('bert'), { precision });
    return true;
  } catch (error) {
    if (error instanceof CrossrankError && error.code === 'ERR_PRECISION') return false;
    throw error;
  }
}

async function loadError(model: string, options: LoadOptions): Promise<CrossrankError> {
  try {
    const reranker = await Reranker.load(model, options);
    await reranker.dispose();
  } catch (error) {
    expect(error).toBeInstanceOf(CrossrankError);
    return error as CrossrankError;
  }
  throw new Error(`${model} loaded`);
}

describe('Kendall tau-b', () => {
  test.each<[string, number[], number[], number]>([
    ['the same order', [1, 2, 3, 4], [10, 20, 30, 40], 1],
    ['the reverse', [1, 2, 3, 4], [4, 3, 2, 1], -1],
    ['one swap of neighbours: (5 - 1) / 6', [1, 2, 3, 4], [1, 3, 2, 4], 4 / 6],
    ['a tie on one side: 5 / sqrt(6 x 5)', [1, 2, 3, 4], [1, 2, 2, 4], 5 / Math.sqrt(30)],
    ['the same tie on both sides', [1, 2, 2, 4], [1, 2, 2, 4], 1],
    ['no order on one side', [1, 2, 3], [5, 5, 5], 0],
    ['no order on either', [1, 1], [2, 2], 1],
  ])('%s', (_, a, b, expected) => {
    expect(kendallTau(a, b)).toBeCloseTo(expected, 12);
  });
});

describe('the comparison of scores', () => {
  const twelve = Array.from({ length: 12 }, (_, i) => 12 - i);

  test('of equal ones finds nothing', () => {
    expect(compareScores(matrix(2, [...twelve, ...twelve]), matrix(2, [...twelve, ...twelve]))).toEqual({
      pairs: 24,
      maxDifference: 0,
      meanDifference: 0,
      spread: 11,
      tau: 1,
      top10: { meanChanged: 0, mostChanged: 0 },
    });
  });

  test('counts who leaves the top 10, query by query', () => {
    // In the second query the tenth (3) and the eleventh (2) change places.
    const other = twelve.map((score) => (score === 3 ? 1.5 : score));
    const parity = compareScores(matrix(2, [...twelve, ...twelve]), matrix(2, [...twelve, ...other]));
    expect(parity).toMatchObject({ maxDifference: 1.5, meanDifference: 1.5 / 24 });
    expect(parity.top10).toEqual({ meanChanged: 0.5, mostChanged: 1 });
    expect(parity.tau).toBeCloseTo((1 + 64 / 66) / 2, 12);
  });

  test('of a model with several labels has no ranking, and limits its differences', () => {
    const parity = compareScores(matrix(1, [0, 1, 2, 10], 2), matrix(1, [0, 1, 2, 9], 2));
    expect(parity).toMatchObject({ pairs: 2, maxDifference: 1, spread: 10, tau: null, top10: null });
    expect(brokenLimits(parity, PARITY_LIMITS.int8)).toEqual([
      'a score differs by 1.0 where at most 0.60 may be',
    ]);
    expect(brokenLimits({ ...parity, maxDifference: 0.5 }, PARITY_LIMITS.int8)).toEqual([]);
  });

  test.each<[keyof typeof PARITY_LIMITS, number, number]>([
    ['bf16x3', 0.999, 0],
    ['bf16', 0.98, 5],
    ['int8', 0.95, 5],
  ])('holds %s to tau %d', (precision, limit, maxDifference) => {
    const parity = { ...compareScores(matrix(1, twelve), matrix(1, twelve)), maxDifference };
    expect(brokenLimits({ ...parity, tau: limit }, PARITY_LIMITS[precision])).toEqual([]);
    expect(brokenLimits({ ...parity, tau: limit - 1e-4 }, PARITY_LIMITS[precision])[0]).toMatch(
      /^Kendall tau 0\.9/,
    );
  });

  test('holds bf16x3 to a thousandth of the spread', () => {
    const parity = compareScores(matrix(1, twelve), matrix(1, twelve));
    expect(brokenLimits({ ...parity, maxDifference: 0.01 }, PARITY_LIMITS.bf16x3)).toEqual([]);
    expect(brokenLimits({ ...parity, maxDifference: 0.012 }, PARITY_LIMITS.bf16x3)).toHaveLength(1);
  });

  test('does not take a score that is no number for agreement', () => {
    const broken = twelve.map((score, i) => (i === 3 ? Number.NaN : score));
    const parity = compareScores(matrix(1, twelve), matrix(1, broken));
    for (const limits of Object.values(PARITY_LIMITS)) expect(brokenLimits(parity, limits)).not.toEqual([]);
  });
});

test('the built-in set is Chinese and English, short and long, and its rankings are the ones a reader expects', async () => {
  const chinese = (texts: readonly string[]) => texts.filter((text) => /\p{Script=Han}/u.test(text)).length;
  expect(QUERIES).toHaveLength(8);
  expect(chinese(QUERIES)).toBe(4);
  expect(PASSAGES).toHaveLength(24);
  expect(chinese(PASSAGES)).toBeGreaterThanOrEqual(10);
  expect(new Set(PASSAGES).size).toBe(PASSAGES.length);
  await using model = await Reranker.load();
  const { results } = await model.rerank(QUERIES[0] as string, PASSAGES);
  expect(results.slice(0, 3).map(({ document }) => document)).toContain(PASSAGES[0]);
  expect((await model.rerank('a', PASSAGES)).results.some(({ truncated }) => truncated)).toBe(false);
});

describe.each(['bf16x3', 'bf16', 'int8'] as const)('the embedded model in %s', (precision) => {
  test('holds against fp32, or the CPU does not run it and the report says so', async () => {
    const open = (asked: Precision) => Reranker.load(undefined, { precision: asked });
    const seen: number[] = [];
    const report = await verifyPrecisions(open, [precision], (_, done) => seen.push(done));
    expect(report).toMatchObject({ model: DEFAULT_MODEL, holds: true, golden: { cases: 16, broken: [] } });
    if (!(await runs(precision))) {
      expect(report.precisions).toEqual([]);
      expect(report.refused).toMatchObject([{ precision, reason: expect.stringContaining(precision) }]);
      await expect(Reranker.load(undefined, { precision, verify: true })).rejects.toMatchObject({
        code: 'ERR_PRECISION',
      });
      return;
    }
    expect(report.refused).toEqual([]);
    expect(report.precisions[0]?.parity).toMatchObject({ pairs: 192, maxDifference: expect.any(Number) });
    // It did run in another arithmetic.
    expect(report.precisions[0]?.parity.maxDifference).toBeGreaterThan(0);
    expect(seen.at(-1)).toBe(1);
    await using model = await Reranker.load(undefined, { precision, verify: true });
    expect(model.info().precision).toBe(precision);
  });
});

/** A copy of a fixture whose words hide behind a constant far larger than they are. */
function withOutliers(): string {
  const folder = copyOf('bert');
  const path = join(folder, 'model.safetensors');
  const tensors = readTensors(path);
  for (const [name, tensor] of tensors) {
    if (!/(query|key|value|dense)\.weight$/.test(name) || !name.includes('encoder')) continue;
    const [rows = 0, columns = 0] = tensor.shape;
    const weights = floats(tensor as TensorData);
    for (let row = 0; row < rows; row++) weights[row * columns] = 3000 * (row % 2 === 0 ? 1 : -1);
    tensors.set(name, fromFloats(weights, tensor.shape));
  }
  // What the outliers see: nothing, so that fp32 is as before. int8 scales its rows by them all the same.
  for (const [name, tensor] of tensors) {
    if (!/(LayerNorm)\.(weight|bias)$/.test(name)) continue;
    const values = floats(tensor);
    values[0] = 0;
    tensors.set(name, fromFloats(values, tensor.shape));
  }
  writeTensors(path, tensors);
  rmSync(join(folder, 'golden.json')); // of other weights
  return folder;
}

describe('a model that int8 ruins', () => {
  let folder: string;
  beforeAll(() => {
    folder = withOutliers();
  });

  test('is refused with the figures, the limit and the precision that holds', async () => {
    const error = await loadError(folder, { precision: 'int8', verify: true });
    expect(error.code).toBe('ERR_PRECISION');
    expect(error.message).toMatch(
      /^int8 does not hold for the model in .*: Kendall tau -?[\d.]+ where at least 0\.95 is needed/,
    );
    const [, holding] = /(\w+) holds: load it with precision: '\1'$/.exec(error.message) ?? [];
    await using model = await Reranker.load(folder, { precision: holding as Precision, verify: true });
    expect(model.info().precision).toBe(holding);
  });

  test('loads in int8 when nobody asks', async () => {
    await using model = await Reranker.load(folder, { precision: 'int8' });
    expect(model.info().precision).toBe('int8');
  });

  test('ends crossrank verify with exit code 1', () => {
    const { status, stdout } = runCli(['verify', folder, '--precision', 'int8']);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^int8 .* FAILS$/m);
    expect(stdout).toMatch(/^int8: Kendall tau .* where at least 0\.95 is needed$/m);
  });
});

describe('golden.json', () => {
  test.each(['fp32', 'int8'] as const)(
    'that says other scores is refused when loading in %s',
    async (precision) => {
      const folder = copyOf('bert');
      editJson(folder, 'golden.json', (golden) => {
        const [, second] = golden.cases as { logits: number[] }[];
        if (second) second.logits[0] = (second.logits[0] as number) + 0.001;
      });
      const error = await loadError(folder, { precision, verify: true });
      expect(error.code).toBe('ERR_PRECISION');
      expect(error.message).toMatch(
        /^fp32 does not give the scores of .*golden\.json: case 1 scores .*1 of 88 cases differ/,
      );
      await using model = await Reranker.load(folder, { precision });
      expect(model.info().precision).toBe(precision);
      const { status, stdout } = runCli(['verify', folder, '--precision', 'fp32']);
      expect(status).toBe(1);
      expect(stdout).toMatch(
        /^golden\.json {2}88 cases, largest difference 0\.0010: FAILS in 1: case 1 scores/m,
      );
    },
  );

  test('that agrees lets fp32 load', async () => {
    await using model = await Reranker.load(fixture('xlm-roberta'), { precision: 'fp32', verify: true });
    expect(model.info().precision).toBe('fp32');
  });

  test.each<[string, (golden: Record<string, unknown>) => void, RegExp]>([
    ['without cases', (golden) => delete golden.cases, /golden\.json: it has no list "cases"/],
    [
      'with a case of another form',
      (golden) => (golden.cases as unknown[]).push({ text: 'a' }),
      /cases\[88\] is not/,
    ],
    [
      'of a model with more labels',
      (golden) => (golden.cases as { logits: number[] }[])[0]?.logits.push(1),
      /case 0 has 2 logits and the model gives 1/,
    ],
  ])('%s is named', async (_, edit, message) => {
    const folder = copyOf('bert');
    editJson(folder, 'golden.json', edit);
    const error = await loadError(folder, { precision: 'fp32', verify: true });
    expect(error.code).toBe('ERR_MODEL_INVALID');
    expect(error.message).toMatch(message);
  });
});

test('crossrank verify --json is the report', () => {
  const { status, stdout } = runCli(['verify', '--precision', 'int8', '--json']);
  expect(status).toBe(0);
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({ model: DEFAULT_MODEL, holds: true, golden: { broken: [] } });
  expect(report.precisions[0]).toMatchObject({ precision: 'int8', broken: [], limits: { tau: 0.95 } });
});

describe('an exported graph', () => {
  let folder: string;
  beforeAll(() => {
    folder = temporaryFolder();
    writeExportedModel(fixture('bert'), folder, {});
    cpSync(join(fixture('bert'), 'golden.json'), join(folder, 'golden.json'));
  });

  test('is checked against golden.json, and has no precision to compare', async () => {
    await using model = await Reranker.load(folder, { verify: true });
    expect(model.info().precision).toBe('model');
    const { status, stdout } = runCli(['verify', folder]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^golden\.json {2}88 cases, largest difference .*: holds$/m);
    expect(stdout).toMatch(/^int8 not compared: an exported graph runs as it was written$/m);
    expect(runCli(['verify', folder, '--precision', 'int8']).status).toBe(1);
  });

  test('is tuned in threads and chunks', () => {
    const quick = ['--rounds', '1', '--threads', '1', '--documents', '4', '--length', '10-20'];
    const { status, stdout } = runCli(['tune', folder, ...quick], { CROSSRANK_CACHE: temporaryFolder() });
    expect(status).toBe(0);
    expect(stdout.match(/^model +1 +\d+ /gm)).toHaveLength(3);
    expect(stdout).toMatch(/^auto: model, 1 threads/m);
  });
});

test('a model with several labels is compared by its logits', async () => {
  const folder = copyOf('bert');
  rmSync(join(folder, 'golden.json'));
  editJson(folder, 'config.json', (config) => {
    config.id2label = { 0: 'a', 1: 'b' };
  });
  const path = join(folder, 'model.safetensors');
  const tensors = readTensors(path);
  const weight = floats(tensors.get('classifier.weight') as TensorData);
  tensors.set(
    'classifier.weight',
    fromFloats(new Float32Array([...weight, ...weight.map((w) => -w)]), [2, 64]),
  );
  tensors.set('classifier.bias', fromFloats(new Float32Array(2), [2]));
  writeTensors(path, tensors);
  const report = await verifyPrecisions((precision) => Reranker.load(folder, { precision }), ['int8']);
  expect(report.golden).toBeUndefined();
  expect(report.precisions[0]?.parity).toMatchObject({ pairs: 192, tau: null, top10: null });
  expect(report.precisions[0]?.parity.maxDifference).toBeGreaterThan(0);
});
