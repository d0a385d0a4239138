import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../bench/arguments';
import { parseServeArguments } from '../bench/serve/arguments';
import { runFor } from '../bench/serve/throughput';
import { mixedRequest, requestOf } from '../bench/serve/work';
import { runScript } from './support/bench';
import { temporaryFolder } from './support/models';

const bench = (...args: string[]) => runScript(join(__dirname, '../bench/serve/serve.js'), args);

describe('the command line of bench:serve', () => {
  test('has the defaults that the help tells', () => {
    expect(parseServeArguments([])).toEqual({
      ...{ help: false, model: undefined, shape: undefined, precision: undefined, threads: undefined },
      ...{ only: ['throughput', 'small', 'held'], rounds: 7, seconds: 3 },
      ...{ connections: 200, holdSeconds: 60, json: undefined },
    });
  });

  test.each([
    [['--hol', '2'], /unknown option --hol; known are .*--hold/],
    [['--connections', '0'], /--connections takes an integer from 1 to 10000, not "0"/],
    [['--only', 'held,cold'], /--only takes throughput, small, held, not "cold"/],
    [['--hold', '-1'], /--hold takes a number above 0/],
  ])('%j is refused by name', (args, message) => {
    expect(() => parseServeArguments(args)).toThrow(UsageError);
    expect(() => parseServeArguments(args)).toThrow(message);
  });

  test('--help leaves nothing measured', async () => {
    expect(await bench('--help')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('--connections N'),
    });
  });
});

test('both sides get the same work, and no document twice', () => {
  const sets = [
    { query: 'a', documents: ['one', 'two'] },
    { query: 'b', documents: ['three', 'four'] },
  ];
  expect(requestOf(sets, 2, 5)).toEqual({ query: 'b', documents: ['2 5 three', '2 5 four'] });
  const mixed = Array.from({ length: 50 }, (_, seed) => mixedRequest(sets, seed));
  expect(mixed).toEqual(Array.from({ length: 50 }, (_, seed) => mixedRequest(sets, seed)));
  const documents = mixed.flatMap((request) => request.documents);
  expect(new Set(documents).size).toBe(documents.length);
  const sizes = mixed.map((request) => request.documents.length);
  expect(Math.min(...sizes)).toBeLessThanOrEqual(10);
  expect(Math.max(...sizes)).toBe(100);
});

test('the pairs of all callers count', async () => {
  let requests = 0;
  const { pairs, seconds } = await runFor(0.05, 8, async () => {
    requests += 1;
    await new Promise((resolve) => setTimeout(resolve, 1));
    return 5;
  });
  expect(pairs).toBe(5 * requests);
  expect(seconds).toBeGreaterThanOrEqual(0.05);
});

test('everything is measured on a real server, reported, and written as JSON', async () => {
  const json = join(temporaryFolder(), 'out.json');
  const small = ['--shape', 'tiny', '--threads', '1', '--rounds', '1', '--seconds', '0.2'];
  const { status, stdout, stderr } = await bench(
    ...small,
    '--connections',
    '20',
    '--hold',
    '0.5',
    '--json',
    json,
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  for (const title of ['Throughput', 'One small request', '20 connections held'])
    expect(stdout).toContain(title);
  const number = expect.any(Number);
  const measured = JSON.parse(readFileSync(json, 'utf8'));
  expect(measured).toMatchObject({
    command: expect.stringMatching(/^npm run bench:serve -- --shape tiny/),
    model: { name: 'tiny', synthetic: true, info: { threads: 1 } },
    throughput: { callers: 16, documents: 20, rounds: [{ library: number, served: number }] },
    small: { rounds: [{ libraryP50Ms: number, servedP50Ms: number }] },
    held: { connections: 20, latencyMs: { p50: number, p99: number }, healthMs: { count: number } },
  });
  expect(measured.held.statuses['200']).toBeGreaterThan(0);
  expect(Object.keys(measured.held.statuses).filter((code) => code !== '200' && code !== '429')).toEqual([]);
  expect(measured.held.pairs).toBeGreaterThan(0);
  expect(measured.held.residentBytes.every((bytes: number) => bytes > 0)).toBe(true);
}, 180_000);
