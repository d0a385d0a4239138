import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../bench/arguments';
import { parseLoadArguments } from '../bench/under-load/arguments';
import { expectWellFormed, runScript } from './support/bench';
import { temporaryFolder } from './support/models';

const bench = (...args: string[]) => runScript(join(__dirname, '../bench/under-load/under-load.js'), args);

describe('the command line of bench:load', () => {
  test('has the defaults that the help tells', () => {
    expect(parseLoadArguments([])).toEqual({
      help: false,
      model: undefined,
      shape: undefined,
      precision: undefined,
      threads: undefined,
      rounds: 5,
      seconds: 10,
      soak: 20_000,
      only: ['throughput', 'mixed', 'responsive', 'cancel', 'soak'],
      json: undefined,
      svg: undefined,
    });
  });

  test('reads every option', () => {
    const args = [
      '--shape=bert-base',
      '--precision',
      'int8',
      '--threads',
      '3',
      '--rounds',
      '2',
      '--seconds',
      '0.5',
    ];
    expect(
      parseLoadArguments([...args, '--soak', '50', '--only', 'soak,cancel', '--json', '--svg', 'a.svg']),
    ).toEqual({
      ...{ help: false, model: undefined, shape: 'bert-base', precision: 'int8', threads: 3, rounds: 2 },
      ...{ seconds: 0.5, soak: 50, only: ['soak', 'cancel'], json: '-', svg: 'a.svg' },
    });
  });

  test.each([
    [['--sok', '2'], /unknown option --sok; known are .*--soak/],
    [['--soak', '0'], /--soak takes an integer from 1 to 1000000, not "0"/],
    [['--rounds', 'many'], /--rounds takes an integer/],
    [['--seconds', '-1'], /--seconds/],
    [['--only', 'soak,bath'], /--only takes throughput, mixed, responsive, cancel, soak, not "bath"/],
    [['--shape', 'minilm'], /--shape takes/],
    [['--shape', 'tiny', '--model', 'x'], /--model and --shape/],
    [['soak'], /"soak" belongs to no option/],
  ])('%j is refused by name', (args, message) => {
    expect(() => parseLoadArguments(args)).toThrow(UsageError);
    expect(() => parseLoadArguments(args)).toThrow(message);
  });

  test('errors leave no stack trace, and --help leaves nothing measured', async () => {
    const wrong = await bench('--sok', '2');
    expect(wrong).toMatchObject({ status: 2, stdout: '' });
    expect(wrong.stderr.trim().split('\n')).toHaveLength(1);
    expect(await bench('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('--soak N') });
  });

  test('a model that does not load is named in one line', async () => {
    const { status, stderr } = await bench('--model', join(temporaryFolder(), 'nowhere'));
    expect(status).toBe(1);
    expect(stderr).toMatch(/^bench: there is no model folder at .*nowhere/);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});

test('all scenarios are measured, reported, and written as JSON and a chart', async () => {
  const folder = temporaryFolder();
  const [json, svg] = [join(folder, 'out.json'), join(folder, 'out.svg')];
  const small = ['--shape', 'tiny', '--threads', '1', '--rounds', '1', '--seconds', '0.2', '--soak', '200'];
  const { status, stdout, stderr } = await bench(...small, '--json', json, '--svg', svg);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  for (const title of [
    'tiny (random weights)',
    'Throughput',
    'Mixed lengths',
    'Responsive',
    'Cancel',
    'Soak',
  ])
    expect(stdout).toContain(title);

  const number = expect.any(Number);
  const spread = { min: number, median: number, max: number };
  const measured = JSON.parse(readFileSync(json, 'utf8'));
  expect(measured).toMatchObject({
    command: expect.stringMatching(/^npm run bench:load -- --shape tiny/),
    machine: { cpu: expect.any(String), usableProcessors: number },
    model: { name: 'tiny', synthetic: true, info: { threads: 1 } },
    settings: { rounds: 1, seconds: 0.2, soak: 200 },
    throughput: { callers: 64, pairs: 1280, rounds: [{ callers: number, oneCall: number }], ratio: spread },
    mixed: { callers: 64, pairs: 1280, rounds: [{ packed: number, padded: number }], ratio: spread },
    responsive: { eventLoopDelayMs: { saturated: { p99: number } }, chunkMs: [number], withinShare: number },
    soak: {
      requests: 200,
      problems: [],
      problemCount: 0,
      early: { settled: 20 },
      end: { settled: 200, residentBytes: number },
    },
  });
  expect(measured.mixed.paddingShare).toBeGreaterThan(0.2);
  expect(measured.responsive.requests).toHaveLength(20);
  for (const { settledMs, answeredBefore } of [measured.cancel.alone, measured.cancel.besideOthers])
    expect(settledMs.length + answeredBefore).toBe(20);
  expect(measured.soak.counts.settled).toBe(200);
  expect(measured.soak.memory.at(-1).settled).toBe(200);
  expectWellFormed(readFileSync(svg, 'utf8'));
}, 180_000);

test('--only measures and draws what was asked for, and JSON can take the place of the report', async () => {
  const svg = join(temporaryFolder(), 'out.svg');
  const { status, stdout } = await bench(
    '--shape',
    'tiny',
    '--only',
    'soak',
    '--soak',
    '60',
    '--json',
    '--svg',
    svg,
  );
  expect(status).toBe(0);
  const measured = JSON.parse(stdout);
  expect(measured.soak.counts.settled).toBe(60);
  expect(measured).not.toHaveProperty('throughput');
  expect(measured).not.toHaveProperty('responsive');
  expectWellFormed(readFileSync(svg, 'utf8'));
}, 60_000);
