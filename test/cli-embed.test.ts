import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Embedder } from '../lib';
import { CLI, runCli } from './support/cli';
import { CliProcess } from './support/cli-process';
import { fixture, temporaryFolder } from './support/models';
import { PYTHON, pythonPackage } from './support/python-package';

jest.setTimeout(300_000); // NumPy may have to be installed

const MODEL = fixture('bert-embedder');
const TINY = ['--model', MODEL];
const TEXTS = ['Mars is red', '', 'bread and water', 'an index is fast'];

const jsonLines = (text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

function file(name: string, content: string | Buffer): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

async function expected(
  options: Parameters<Embedder['embed']>[1] = {},
  normalize?: boolean,
): Promise<Float32Array[]> {
  await using embedder = await Embedder.load(MODEL, normalize === undefined ? {} : { normalize });
  return await embedder.embed(TEXTS, options);
}

const input = () =>
  file('texts.jsonl', TEXTS.map((text, i) => `${JSON.stringify({ id: i, text })}\n`).join(''));

test('JSON lines hold every bit of the vectors of the library, with ids', async () => {
  const { status, stdout, stderr } = runCli(['embed', input(), ...TINY, '--kind', 'query']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const lines = jsonLines(stdout);
  expect(lines.map(({ id }) => id)).toEqual(['0', '1', '2', '3']);
  const vectors = lines.map(({ embedding }) => Float32Array.from(embedding));
  expect(vectors).toEqual((await expected({ kind: 'query' })).map((vector) => Float32Array.from(vector)));
});

test('standard input is read where no file is named; texts without ids have none', async () => {
  const { status, stdout } = spawnSync(process.execPath, [CLI, 'embed', ...TINY, '--normalize', 'no'], {
    input: '\ufeffMars is red\r\n\r\nbread and water',
  });
  expect(status).toBe(0);
  const [first, , second] = (await expected({}, false)).map((vector) => [...vector]);
  const lines = jsonLines(String(stdout));
  expect(lines.map((line) => Object.keys(line))).toEqual([['embedding'], ['embedding']]);
  expect(lines.map(({ embedding }) => embedding.map(Math.fround))).toEqual([first, second]);
});

test('several files come one after the other', () => {
  const { stdout } = runCli(['embed', file('a.tsv', 'x\tone\n'), file('b.txt', 'two\n'), ...TINY]);
  expect(jsonLines(stdout).map(({ id }) => id)).toEqual(['x', undefined]);
});

test('f32 is the values alone', async () => {
  const out = join(temporaryFolder(), 'out.f32');
  expect(runCli(['embed', input(), ...TINY, '--output', out])).toMatchObject({ status: 0, stdout: '' });
  const bytes = readFileSync(out);
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  expect(values).toEqual(Float32Array.from((await expected()).flatMap((vector) => [...vector])));
  expect(existsSync(`${out}.partial`)).toBe(false);
});

describe('numpy', () => {
  const numpy = pythonPackage('numpy', '2.1.3');
  if ('reason' in numpy) {
    test.skip(`is not here: ${numpy.reason}`, () => undefined);
    return;
  }

  const { folder } = numpy;

  function load(path: string): { dtype: string; shape: [number, number]; values: number[][] } {
    const script =
      'import json, sys, numpy\na = numpy.load(sys.argv[1], allow_pickle=False)\n' +
      'print(json.dumps({"dtype": a.dtype.str, "shape": a.shape, "values": a[:4].astype("f8").tolist()}))';
    const { status, stdout, stderr } = spawnSync(PYTHON, ['-c', script, path], {
      encoding: 'utf8',
      env: { ...process.env, PYTHONPATH: folder },
    });
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  }

  test('reads .npy', async () => {
    const out = join(temporaryFolder(), 'out.npy');
    expect(runCli(['embed', input(), ...TINY, '--output', out]).status).toBe(0);
    const vectors = (await expected()).map((vector) => [...vector]);
    expect(load(out)).toEqual({ dtype: '<f4', shape: [4, vectors[0]?.length], values: vectors });
  });

  test('reads .npy of nothing', () => {
    const out = join(temporaryFolder(), 'out.npy');
    expect(runCli(['embed', file('none.txt', ''), ...TINY, '--output', out]).status).toBe(0);
    expect(load(out)).toMatchObject({ shape: [0, 64], values: [] });
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('reads what was done until %s', async (signal) => {
    const out = join(temporaryFolder(), 'out.npy');
    const cli = new CliProcess(['embed', '-', ...TINY, '--output', out]);
    cli.child.stdin.write('Mars is red\n');
    const isWritten = () => existsSync(`${out}.partial`) && readFileSync(`${out}.partial`).length > 128;
    while (!isWritten()) await delay(5); // the process waits for more input all the while
    cli.child.kill(signal);
    const { code, stderr } = await cli.ended();
    expect({ code, stderr }).toEqual({
      code: 130,
      stderr: `interrupted after 1 texts; they are in ${out}.partial\n`,
    });
    expect(existsSync(out)).toBe(false);
    expect(load(`${out}.partial`).shape).toEqual([1, 64]);
  });
});

test('a wrong line ends it, and what came before is kept aside', () => {
  const out = join(temporaryFolder(), 'out.jsonl');
  const path = file('texts.jsonl', '"a"\n"b"\n{"txt":1}\n');
  const { status, stderr } = runCli(['embed', path, ...TINY, '--output', out]);
  expect(status).toBe(1);
  expect(stderr).toMatch(/^ERR_DATASET_INVALID: .*texts\.jsonl, line 3: expected a string for text/);
  expect(existsSync(out)).toBe(false);
});

test('a reader that closes the pipe ends it at once, and is no error', async () => {
  const cli = new CliProcess(['embed', '-', ...TINY], { read: false });
  cli.child.stdin.write('one\n');
  await new Promise((resolve) => cli.child.stdout.once('data', resolve));
  cli.child.stdout.destroy();
  cli.child.stdin.write('two\n'); // and the input never ends
  expect(await cli.ended()).toMatchObject({ code: 0, stderr: '' });
});

test('a reader as head gets its line', () => {
  const path = file('many.txt', 'Mars is red\n'.repeat(20_000));
  const command = `"${process.execPath}" "${CLI}" embed "${path}" --model "${MODEL}" | head -n 1`;
  const { stdout, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(jsonLines(stdout)).toHaveLength(1);
});

(process.platform === 'linux' ? test : test.skip)('memory does not grow with the input', async () => {
  async function peakOf(lines: number): Promise<number> {
    const path = join(temporaryFolder(), 'texts.txt');
    const handle = openSync(path, 'w');
    for (let i = 0; i < lines; i += 1000)
      writeSync(handle, `${'mars planet bread '.repeat(60)}\n`.repeat(1000));
    closeSync(handle);
    const args = [
      'embed',
      path,
      ...TINY,
      '--max-length',
      '8',
      '--output',
      join(temporaryFolder(), 'out.f32'),
    ];
    const cli = new CliProcess(args);
    let peak = 0;
    const over = cli.ended().then(() => true);
    while (!(await Promise.race([over, delay(20, false)]))) peak = Math.max(peak, cli.peakMemory());
    expect((await cli.ended()).code).toBe(0);
    return peak;
  }
  const small = await peakOf(2000);
  const large = await peakOf(60_000); // 65 MB
  expect(large).toBeGreaterThan(0);
  expect(large - small).toBeLessThan(60 * 2 ** 20);
});

test.each<[string, string[], RegExp]>([
  ['an unknown kind', ['--kind', 'passage'], /--kind takes query, document, not "passage"/],
  ['an unknown format', ['--format', 'csv'], /--format takes jsonl, f32, npy/],
  ['an array on standard output', ['--format', 'npy'], /--format npy needs --output FILE/],
  ['an unknown input', ['--input-format', 'xml'], /--input-format takes jsonl, tsv, text/],
  ['a length that is none', ['--normalize', 'maybe'], /--normalize takes yes, no/],
  ['a maximum of 0', ['--max-length', '0'], /--max-length takes an integer from 1/],
  ['standard input twice', ['-', '-'], /- stands twice/],
  ['an empty name', [''], /expected the path of a file/],
  ['an option that is misspelt', ['--kinds', 'query'], /unknown option --kinds; known are --kind/],
  [
    'an output in no folder',
    ['x', '--output', '/no/such/out.f32'],
    /--output \/no\/such\/out\.f32 cannot be written/,
  ],
])('%s is a usage error', (_, args, message) => {
  const { status, stdout, stderr } = runCli(['embed', ...args, ...TINY]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(message);
});
