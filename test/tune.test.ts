import { cpSync, existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chooseAuto, chooseSetting } from '../lib/cli/tune/choose';
import type { Measured } from '../lib/cli/tune/measure';
import type { RunningPrecision } from '../lib/precision/scorer';
import { cacheFolder } from '../lib/profile';
import { runJson } from './support/child';
import { runCli } from './support/cli';
import { copyOf, temporaryFolder } from './support/models';

jest.setTimeout(120_000); // a shared machine may be slow; nothing here is about time

function measured(
  threads: number,
  maxTokensPerChunk: number,
  median: number,
  spread = 0,
  precision: RunningPrecision = 'fp32',
): Measured {
  const pairsPerSecond = { min: median - spread, median, max: median + spread };
  return { precision, threads, maxTokensPerChunk, pairsPerSecond };
}

describe('the choice of threads and chunk', () => {
  const byDefault = { threads: 2, maxTokensPerChunk: 512 };

  test('is the fastest', () => {
    const all = [measured(1, 512, 50), measured(2, 256, 110), measured(2, 512, 100)];
    expect(chooseSetting(all, byDefault)).toBe(all[1]);
  });

  test('is the default where the lead is within the noise', () => {
    const all = [measured(1, 512, 99), measured(2, 256, 102), measured(2, 512, 100)];
    expect(chooseSetting(all, byDefault)).toBe(all[2]);
  });

  test('is the smallest of those within the noise where the default is not among them', () => {
    const all = [measured(2, 1024, 102), measured(2, 256, 101), measured(2, 128, 100), measured(2, 512, 90)];
    expect(chooseSetting(all, byDefault)).toBe(all[2]);
  });

  test('stays what it was while its best round is within the noise of the fastest', () => {
    const earlier = { threads: 2, maxTokensPerChunk: 256 };
    const near = [measured(2, 256, 92, 6), measured(2, 512, 100)];
    expect(chooseSetting(near, byDefault, earlier)).toBe(near[0]);
    const far = [measured(2, 256, 92, 2), measured(2, 512, 100)];
    expect(chooseSetting(far, byDefault, earlier)).toBe(far[1]);
  });
});

describe("the choice of auto's precision", () => {
  const of = (precision: RunningPrecision, median: number) => measured(2, 512, median, 0, precision);
  const all = [of('fp32', 80), of('bf16', 170), of('int8', 290)];

  test.each<[string, RunningPrecision[], RunningPrecision | undefined]>([
    ['the fastest that holds', ['fp32', 'bf16', 'int8'], 'bf16'],
    ['fp32 where nothing else holds', ['fp32', 'int8'], 'fp32'],
    ['never int8', ['int8'], undefined],
  ])('is %s', (_, holding, expected) => {
    expect(chooseAuto(all, new Set(holding))).toBe(expected);
  });

  test('is the more exact where the lead is within the noise, unless it was the other', () => {
    const near = [of('bf16', 101), of('fp32', 100)];
    expect(chooseAuto(near, new Set(['fp32', 'bf16']))).toBe('fp32');
    expect(chooseAuto(near, new Set(['fp32', 'bf16']), 'bf16')).toBe('bf16');
  });
});

test('profiles lie in the folder that the environment names', () => {
  expect(cacheFolder({ CROSSRANK_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
  expect(cacheFolder({ XDG_CACHE_HOME: '/b' })).toBe(join('/b', 'crossrank'));
  expect(cacheFolder({})).toMatch(/[\\/]\.cache[\\/]crossrank$/);
});

describe('a tuned model', () => {
  const QUICK = [
    '--rounds',
    '1',
    '--threads',
    '1',
    '--chunk',
    '128,256',
    '--documents',
    '4',
    '--length',
    '10-20',
  ];
  let model: string;
  let cache: string;
  let tuned: ReturnType<typeof runCli>;
  beforeAll(() => {
    model = copyOf('bert');
    cache = temporaryFolder();
    tuned = runCli(['tune', model, '--precision', 'fp32,int8', ...QUICK], { CROSSRANK_CACHE: cache });
  });

  const profiles = (folder: string): string[] =>
    existsSync(join(folder, 'profiles')) ? readdirSync(join(folder, 'profiles')) : [];
  const profilePath = () => join(cache, 'profiles', profiles(cache)[0] as string);

  interface Loaded {
    precision: string;
    threads: number;
    maxTokensPerChunk: number;
    profile: string | null;
  }
  function load(options: object, env: Record<string, string> = {}, folder = model): Loaded {
    const script = `Reranker.load(${JSON.stringify(folder)}, ${JSON.stringify(options)}).then(async (model) => {
      const { precision, threads, maxTokensPerChunk, profile } = model.info();
      await model.dispose();
      console.log(JSON.stringify({ precision, threads, maxTokensPerChunk, profile }));
    });`;
    return runJson(script, { CROSSRANK_CACHE: cache, CROSSRANK_PROFILE: '', ...env }) as Loaded;
  }

  test('has its table printed and its profile written, in whole', () => {
    const { status, stdout, stderr } = tuned;
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: expect.stringMatching(/^crossrank tune: about \d+ /),
    });
    for (const precision of ['fp32', 'int8']) {
      for (const chunk of [128, 256]) {
        expect(stdout).toMatch(new RegExp(`^${precision} +1 +${chunk} +[\\d.]+ +[\\d.]+ +[\\d.]+`, 'm'));
      }
    }
    expect(stdout.match(/<- chosen$/gm)).toHaveLength(2);
    expect(stdout).toMatch(/^int8 (holds|DOES NOT HOLD) against fp32, Kendall tau/m);
    expect(stdout).toMatch(/^auto: fp32, 1 threads, chunks of (128|256) tokens/m);
    expect(stdout).toMatch(/^profile new$/m);
    expect(stdout).toContain(profilePath());
    for (const line of stdout.split('\n')) {
      if (!line.includes('/')) expect(line.length).toBeLessThanOrEqual(100);
    }
    expect(profiles(cache)).toHaveLength(1);
    expect(JSON.parse(readFileSync(profilePath(), 'utf8'))).toMatchObject({
      version: 1,
      machine: { cpuModel: expect.any(String), cores: expect.any(Number), level: expect.any(String) },
      precisions: { fp32: { threads: 1 }, int8: { threads: 1, pairsPerSecond: expect.any(Number) } },
      auto: 'fp32',
      measured: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
  });

  test('is loaded with what the profile says of options left out, and info() tells so', () => {
    const { precisions } = JSON.parse(readFileSync(profilePath(), 'utf8'));
    const { maxTokensPerChunk } = precisions.fp32;
    expect(load({})).toEqual({ precision: 'fp32', threads: 1, maxTokensPerChunk, profile: profilePath() });
    expect(load({ precision: 'int8' })).toMatchObject({
      precision: 'int8',
      maxTokensPerChunk: precisions.int8.maxTokensPerChunk,
      profile: profilePath(),
    });
  });

  test('is loaded with what the caller says', () => {
    expect(load({ threads: 2, maxTokensPerChunk: 300 })).toMatchObject({
      threads: 2,
      maxTokensPerChunk: 300,
    });
    expect(load({ precision: 'fp32', threads: 2, maxTokensPerChunk: 300 }).profile).toBeNull();
  });

  test.each<[string, object, Record<string, string>]>([
    ['profile: false', { profile: false }, {}],
    ['CROSSRANK_PROFILE=off', {}, { CROSSRANK_PROFILE: 'off' }],
    ['a level named with cpu', { cpu: 'generic' }, {}],
    ['a level named with CROSSRANK_CPU', {}, { CROSSRANK_CPU: 'generic' }],
  ])('is loaded without its profile by %s', (_, options, env) => {
    expect(load(options, env)).toMatchObject({ maxTokensPerChunk: 512, profile: null });
  });

  test('has its profile left alone by --dry-run', () => {
    const other = temporaryFolder();
    const { status, stdout } = runCli(['tune', model, '--precision', 'fp32', '--dry-run', ...QUICK], {
      CROSSRANK_CACHE: other,
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^not written \(--dry-run\): /m);
    expect(profiles(other)).toEqual([]);
  });

  test('has its profile confirmed or changed by a second run, which says which', () => {
    const { status, stdout } = runCli(['tune', model, '--precision', 'fp32', '--json', ...QUICK], {
      CROSSRANK_CACHE: cache,
    });
    expect(status).toBe(0);
    const { earlier, profile, measured: rows, written } = JSON.parse(stdout);
    expect({ earlier: earlier.auto, auto: profile.auto, written }).toEqual({
      earlier: 'fp32',
      auto: 'fp32',
      written: true,
    });
    expect(rows).toHaveLength(2);
    const again = runCli(['tune', model, '--precision', 'fp32', ...QUICK, '--chunk', '256'], {
      CROSSRANK_CACHE: cache,
    });
    const kept = profile.precisions.fp32.maxTokensPerChunk === 256;
    expect(again.stdout).toMatch(
      kept ? /^profile confirmed$/m : /^profile changed: fp32 was 1 threads, chunks of 128/m,
    );
    expect(load({}).maxTokensPerChunk).toBe(256);
  });

  test.each<[string, (text: string) => string]>([
    ['is cut off', (text) => text.slice(0, 40)],
    ['is no object', () => 'null'],
    ['is of another version', (text) => text.replace('"version": 1', '"version": 0')],
    ['is of another model', (text) => text.replace('"model": "', '"model": "/elsewhere')],
    ['is of a machine with other processors', (text) => text.replace(/"cores": \d+/, '"cores": 999')],
    ['names an unknown precision', (text) => text.replace('"fp32": {', '"fp7": {')],
    ['has threads that are none', (text) => text.replace('"threads": 1', '"threads": 0')],
  ])('is loaded without a profile that %s', (_, edit) => {
    const broken = temporaryFolder();
    cpSync(cache, broken, { recursive: true });
    const path = join(broken, 'profiles', profiles(broken)[0] as string);
    const text = readFileSync(path, 'utf8');
    expect(load({}, { CROSSRANK_CACHE: broken }).profile).toBe(path);
    expect(edit(text)).not.toBe(text);
    writeFileSync(path, edit(text));
    expect(load({}, { CROSSRANK_CACHE: broken })).toMatchObject({ maxTokensPerChunk: 512, profile: null });
  });

  // The last test here: it makes the model another one.
  test('is loaded without its profile once its files are others', () => {
    expect(load({}).profile).toBe(profilePath());
    utimesSync(join(model, 'model.safetensors'), 1e9, 1e9);
    expect(load({}).profile).toBeNull();
  });
});
