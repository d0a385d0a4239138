import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCli } from './support/cli';
import { CliProcess } from './support/cli-process';
import { fixture, temporaryFolder } from './support/models';

jest.setTimeout(120_000); // a shared machine may be slow; nothing here is about time

const TINY = ['--model', fixture('bert')];

test('measures each shape', () => {
  const args = [
    '--shapes',
    '1x8,3x20',
    '--seconds',
    '0.05',
    '--threads',
    '1',
    '--concurrency',
    '2',
    '--json',
  ];
  const { status, stdout, stderr } = runCli(['bench', ...TINY, ...args]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const { model, info, concurrency, measurements, interrupted } = JSON.parse(stdout);
  expect({ model, threads: info.threads, concurrency, interrupted }).toEqual({
    model: 'bert',
    threads: 1,
    concurrency: 2,
    interrupted: false,
  });
  expect(
    measurements.map(({ documents, tokens }: { documents: number; tokens: number }) => [documents, tokens]),
  ).toEqual([
    [1, 8],
    [3, 20],
  ]);
  for (const { queries, pairsPerSecond, tokensPerSecond, latencyMs } of measurements) {
    expect(queries).toBeGreaterThanOrEqual(2);
    expect(tokensPerSecond).toBeGreaterThan(pairsPerSecond);
    expect(latencyMs.p50).toBeGreaterThan(0);
    expect(latencyMs.p99).toBeGreaterThanOrEqual(latencyMs.p50);
  }
});

test('prints a table', () => {
  const { stdout } = runCli(['bench', ...TINY, '--shapes', '2x10', '--seconds', '0.05']);
  expect(stdout).toMatch(
    /^bert on .+ processors: .+ threads, kernels .+; loaded in \d+ ms\n1 query at a time/,
  );
  expect(stdout).toMatch(/^documents +tokens +pairs\/s +tokens\/s +P50 +P95 +P99 +queries$/m);
  expect(stdout).toMatch(/^2 +10 +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +\d+$/m);
});

test('Ctrl-C ends it with the shapes that were measured', async () => {
  // Progress is drawn for terminals; a pipe that says it is one tells which shape is measured.
  const pretend = join(temporaryFolder(), 'terminal.cjs');
  writeFileSync(pretend, 'process.stderr.isTTY = true;');
  const args = ['bench', ...TINY, '--shapes', '1x8,1x9', '--seconds', '1', '--json'];
  const cli = new CliProcess(args, { env: { NODE_OPTIONS: `--require ${pretend}` } });
  await cli.says(/ 1 x 9/, 'stderr');
  cli.child.kill('SIGINT');
  const { code, stdout } = await cli.ended();
  const { interrupted, measurements } = JSON.parse(stdout);
  expect({ code, interrupted, shapes: measurements.length }).toEqual({
    code: 130,
    interrupted: true,
    shapes: 1,
  });
});

test('Ctrl-C before the first shape was measured says so', async () => {
  const pretend = join(temporaryFolder(), 'terminal.cjs');
  writeFileSync(pretend, 'process.stderr.isTTY = true;');
  const args = ['bench', ...TINY, '--shapes', '1x8', '--seconds', '3600', '--json'];
  const cli = new CliProcess(args, { env: { NODE_OPTIONS: `--require ${pretend}` } });
  await cli.says(/ 1 x 8/, 'stderr');
  cli.child.kill('SIGINT');
  const { code, stdout, stderr } = await cli.ended();
  expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
  expect(stderr).toContain('interrupted before the first shape was measured');
});

test.each<[string, string[], RegExp]>([
  ['shapes that are none', ['--shapes', '3'], /--shapes takes DOCUMENTSxTOKENS/],
  ['a shape of nothing', ['--shapes', '0x5'], /--shapes takes an integer from 1/],
  ['documents that do not fit', [...TINY, '--shapes', '2x100000'], /this model has room for/],
  ['no time', ['--seconds', '0'], /--seconds takes a number above 0/],
  ['no queries at a time', ['--concurrency', '0'], /--concurrency takes an integer from 1/],
  ['an argument that belongs nowhere', ['model'], /"model" belongs to no option/],
])('%s is a usage error', (_, args, message) => {
  const { status, stdout, stderr } = runCli(['bench', ...args]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(message);
});
