import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseBenchArguments, UsageError } from '../bench/arguments';
import { SHAPES } from '../bench/shapes';
import { syntheticModel } from '../bench/synthetic';
import { makeTexts } from '../bench/texts';
import { tokenizerFiles } from '../bench/vocabulary';
import { Reranker } from '../lib';
import { countTokens } from '../lib/cli/bench/token-counts';
import { median, percentile, spreadOf } from '../lib/statistics';
import { expectWellFormed, runScript } from './support/bench';
import { temporaryFolder } from './support/models';

const BENCH = join(__dirname, '../bench/latency.js');

const bench = (...args: string[]) => runScript(BENCH, args);

describe('statistics', () => {
  test('a percentile is the nearest rank: a value that was measured', () => {
    const values = [15, 20, 35, 40, 50]; // the example of the nearest-rank method on Wikipedia
    expect([5, 30, 40, 50, 100].map((percent) => percentile(values, percent))).toEqual([15, 20, 20, 35, 50]);
    expect(percentile([40, 15, 50, 20, 35], 50)).toBe(35);
    expect(percentile([7], 99)).toBe(7);
    const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
    expect([50, 95, 99].map((percent) => percentile(hundred, percent))).toEqual([50, 95, 99]);
  });

  test('numbers are ordered as numbers', () => {
    expect(percentile([100, 20, 3], 50)).toBe(20);
  });

  test('a percentile of nothing is an error, not a number', () => {
    expect(() => percentile([], 50)).toThrow(RangeError);
  });

  test('spread', () => {
    expect(spreadOf([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3 });
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });
});

describe('the command line', () => {
  test('has the defaults that the help tells', () => {
    expect(parseBenchArguments([])).toMatchObject({
      documents: 100,
      length: { min: 60, max: 130 },
      concurrency: [1, 2, 4],
      compare: undefined,
      json: undefined,
    });
  });

  test('reads every option', () => {
    const args = [
      '--shape=bert-base',
      '--threads',
      '3',
      '--documents-per-query',
      '7',
      '--length',
      '5-9',
      '--json',
    ];
    expect(parseBenchArguments([...args, '--concurrency', '8', '--seconds', '0.5'])).toMatchObject({
      shape: 'bert-base',
      threads: 3,
      documents: 7,
      length: { min: 5, max: 9 },
      concurrency: [8],
      seconds: 0.5,
      json: '-',
    });
    expect(parseBenchArguments(['--json', 'a.json', '--length', '64'])).toMatchObject({
      json: 'a.json',
      length: { min: 64, max: 64 },
    });
  });

  test.each([
    [['--treads', '2'], /unknown option --treads; known are .*--threads/],
    [['-x'], /unknown option -x/],
    [['--threads'], /--threads needs a value/],
    [['--threads', '0'], /--threads takes an integer from 1 to 1024, not "0"/],
    [['--threads', '2.5'], /--threads/],
    [['--documents', 'many'], /--documents takes an integer/],
    [['--length', '130-60'], /--length takes tokens as MIN-MAX, such as 60-130, not "130-60"/],
    [['--concurrency', '1,,2'], /--concurrency takes a list such as 1,2,4, not "1,,2"/],
    [['--seconds', '-1'], /--seconds/],
    [['--shape', 'minilm'], /--shape takes minilm-l6, bert-base, xlm-r-large, tiny, not "minilm"/],
    [['--compare', 'torch'], /--compare takes padded, not "torch"/],
    [['--help=yes'], /--help takes no value/],
    [['model'], /"model" belongs to no option/],
    [['--shape', 'tiny', '--model', 'x'], /--model and --shape/],
    [['--compare', 'padded', '--plot', 'x.svg'], /--plot .*--compare/],
  ])('%j is refused by name', (args, message) => {
    expect(() => parseBenchArguments(args)).toThrow(UsageError);
    expect(() => parseBenchArguments(args)).toThrow(message);
  });

  test('errors leave no stack trace, and --help leaves nothing measured', async () => {
    const wrong = await bench('--treads', '2');
    expect(wrong).toMatchObject({ status: 2, stdout: '' });
    expect(wrong.stderr.trim().split('\n')).toHaveLength(1);
    expect(await bench('--help')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('--concurrency LIST'),
    });
  });

  test('a model that does not load is named in one line', async () => {
    const { status, stderr } = await bench('--model', join(temporaryFolder(), 'nowhere'));
    expect(status).toBe(1);
    expect(stderr).toMatch(/^bench: there is no model folder at .*nowhere/);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});

describe('synthetic models', () => {
  test('a vocabulary has exactly the pieces of its shape, each once', () => {
    for (const shape of [SHAPES.tiny, SHAPES['minilm-l6'], SHAPES['xlm-r-large']]) {
      const { model } = tokenizerFiles(shape).tokenizer as { model: { vocab: object } };
      const pieces = Array.isArray(model.vocab)
        ? model.vocab.map(([piece]) => piece)
        : Object.keys(model.vocab);
      expect(pieces).toHaveLength(shape.vocabSize);
      expect(new Set(pieces).size).toBe(shape.vocabSize);
    }
  });

  test('are written once, and documents have the tokens that were asked for', async () => {
    const cache = temporaryFolder();
    const folder = syntheticModel('tiny', cache);
    const written = readFileSync(join(folder, 'model.safetensors'));
    expect(syntheticModel('tiny', cache)).toBe(folder);
    expect(readFileSync(join(folder, 'model.safetensors')).equals(written)).toBe(true);

    await using model = await Reranker.load(folder);
    expect(model.info()).toMatchObject({ layers: 2, hiddenSize: 64, packed: true });
    const [set] = await makeTexts(model, 1, 50, { min: 20, max: 40 });
    const counts = await countTokens(model, set?.documents ?? []);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(20);
    expect(Math.max(...counts)).toBeLessThanOrEqual(40);
    expect(new Set(counts).size).toBeGreaterThan(5);
    const [exact] = await makeTexts(model, 1, 10, { min: 33, max: 33 });
    expect(await countTokens(model, exact?.documents ?? [])).toEqual(new Array(10).fill(33));
  });
});

describe('a run', () => {
  test('measures, reports and writes JSON and a plot', async () => {
    const folder = temporaryFolder();
    const json = join(folder, 'out.json');
    const plot = join(folder, 'out.svg');
    const load = [
      '--documents',
      '12',
      '--length',
      '10-20',
      '--concurrency',
      '1,3',
      '--seconds',
      '0.2',
      '--threads',
      '1',
    ];
    const { status, stdout, stderr } = await bench(
      '--shape',
      'tiny',
      ...load,
      '--json',
      json,
      '--plot',
      plot,
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('tiny (random weights)');
    expect(stdout).toContain('event-loop delay P99');

    const measured = JSON.parse(readFileSync(json, 'utf8'));
    expect(measured).toMatchObject({
      settings: { shape: 'tiny', documents: 12, concurrency: [1, 3] },
      machine: {
        cpu: expect.any(String),
        instructionSets: expect.any(String),
        usableProcessors: expect.any(Number),
      },
      model: { loadMs: expect.any(Number), info: { threads: 1, kernels: { linear: expect.any(String) } } },
      memory: { residentBytes: expect.any(Number), peakBytes: expect.any(Number) },
    });
    expect(measured.levels.map((level: { concurrency: number }) => level.concurrency)).toEqual([1, 3]);
    for (const level of measured.levels) {
      expect(level.requests).toBeGreaterThanOrEqual(level.concurrency);
      expect(level.pairs).toBe(12 * level.requests);
      expect(level.pairsPerSecond).toBeGreaterThan(0);
      expect(level.eventLoopDelayMs.p99).toBeGreaterThanOrEqual(0);
      for (const stage of ['tokenize', 'queue', 'compute', 'total']) {
        const { p50, p95, p99 } = level.latencyMs[stage];
        expect(level.times[stage]).toHaveLength(level.requests);
        expect(p50).toBeLessThanOrEqual(p95);
        expect(p95).toBeLessThanOrEqual(p99);
      }
    }
    expectWellFormed(readFileSync(plot, 'utf8'));
  }, 60_000);

  test('compares with the same weights exported and padded', async () => {
    const load = ['--documents', '40', '--length', '10-60', '--rounds', '2'];
    const { status, stdout } = await bench('--shape', 'tiny', '--compare', 'padded', ...load, '--json');
    expect(status).toBe(0);
    const measured = JSON.parse(stdout);
    expect(measured.packed.model.info.packed).toBe(true);
    expect(measured.padded.model.info.packed).toBe(false);
    expect(measured.rounds).toHaveLength(2);
    expect(measured.ratio.min).toBeLessThanOrEqual(measured.ratio.median);
    expect(measured.scoreSize).toBeGreaterThan(0);
    expect(measured.scoreDifference).toBeLessThan(1e-4);
  }, 60_000);
});
