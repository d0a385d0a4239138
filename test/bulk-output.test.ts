// The files of crossrank submit: what cannot be written, what was begun with other options, and what stands in the place of
// items that have no result.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  batchFile,
  expectedAnswers,
  questions,
  readLines,
  startEmbedWorker,
  startSubmit,
  startWorker,
  written,
} from './support/bulk';
import type { CliProcess } from './support/cli-process';
import { temporaryFolder } from './support/models';
import { RedisServer, redisProgram } from './support/redis-server';

const QUESTIONS = questions(600);
const FEW = QUESTIONS.slice(0, 40);
let redis: RedisServer;
const workers: CliProcess[] = [];

beforeAll(async () => {
  redis = await RedisServer.start(redisProgram());
  workers.push(await startWorker(redis.url), await startEmbedWorker(redis.url));
});

afterAll(async () => {
  for (const worker of workers) {
    worker.child.kill('SIGTERM');
    expect((await worker.ended()).code).toBe(0);
  }
  await redis.kill();
});

const newOutput = (name = 'answers.jsonl') => join(temporaryFolder(), name);
const submit = (...args: string[]) => startSubmit(redis.url, args);

test('a results file that cannot be written is told, and the same command goes on when it can be', async () => {
  const output = newOutput();
  mkdirSync(`${output}.partial`); // something in its place
  const args = ['--batch', batchFile(FEW), '--output', output];
  const refused = await submit(...args).ended();
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(
    /^ERR_OUTPUT: .*answers\.jsonl cannot be written \(EISDIR\); name a file, and run the same/,
  );
  rmSync(`${output}.partial`, { recursive: true });
  expect((await submit(...args).ended()).code).toBe(0);
  expect(readLines(output)).toEqual(await expectedAnswers(FEW));
});

test('a folder that is not there is told before anything is sent', async () => {
  const output = join(temporaryFolder(), 'none', 'answers.jsonl');
  const { code, stderr } = await submit('--batch', batchFile(FEW), '--output', output).ended();
  expect(code).toBe(1);
  expect(stderr).toMatch(/^ERR_OUTPUT: .*answers\.jsonl cannot be written \(ENOENT\); make its folder/);
});

const onLinux = process.platform === 'linux' ? test : test.skip;
onLinux('a write that fails in the middle keeps what was done, and the same command goes on', async () => {
  const output = newOutput();
  const args = ['--batch', batchFile(QUESTIONS), '--output', output, '--chunk', '16', '--in-flight', '4'];
  const first = submit(...args);
  await written(output, 3, first);
  // No file of it may grow: a write fails half-way, as on a disk that is full.
  const limit = statSync(`${output}.partial`).size + 100;
  execFileSync('prlimit', ['--pid', String(first.child.pid), `--fsize=${limit}`]);
  const { code, stderr } = await first.ended();
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^ERR_OUTPUT: .*answers\.jsonl cannot be written \(EFBIG\); raise the limit .*run the same command/,
  );
  expect(existsSync(output)).toBe(false);
  const again = await submit(...args).ended();
  expect(again.code).toBe(0);
  const { items, kept } = JSON.parse(again.stdout);
  expect(items).toBe(QUESTIONS.length);
  expect(kept).toBeGreaterThan(0);
  expect(readLines(output)).toEqual(await expectedAnswers(QUESTIONS));
});

test('what was begun is gone on with as it was, or begun anew', async () => {
  const output = newOutput();
  const input = batchFile(QUESTIONS);
  const args = ['--batch', input, '--output', output, '--chunk', '16', '--top-k', '3'];
  const first = submit(...args);
  await written(output, 3, first);
  first.child.kill('SIGKILL');
  await first.ended();
  const partial = readFileSync(`${output}.partial`);

  const refused = await submit(...args.slice(0, -2), '--chunk', '32').ended();
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(
    /^ERR_OUTPUT: .*answers\.jsonl\.partial was begun with --chunk 16 \(now 32\), --top-k 3 \(now not given\); make it so again, begin anew with --restart/,
  );
  const journal = readFileSync(`${output}.journal`);
  writeFileSync(`${output}.journal`, '{}\n');
  const broken = await submit(...args).ended();
  expect(broken.code).toBe(1);
  expect(broken.stderr).toMatch(/^ERR_OUTPUT: .* was begun with model not given \(now bert .*--restart/);
  writeFileSync(`${output}.journal`, journal);
  writeFileSync(input, `${JSON.stringify({ query: 'mars', documents: ['a'] })}\n`);
  const changed = await submit(...args).ended();
  expect(changed.code).toBe(1);
  expect(changed.stderr).toMatch(
    /was begun with input .*batch\.jsonl, \d+ bytes of .*\(now .*batch\.jsonl, 35 bytes of /,
  );
  expect(readFileSync(`${output}.partial`).equals(partial)).toBe(true); // none has touched it

  const anew = await submit(...args, '--restart').ended();
  expect(anew.code).toBe(0);
  expect(JSON.parse(anew.stdout)).toMatchObject({ items: 1, kept: 0 });
  expect(readLines<{ line: number }>(output).map(({ line }) => line)).toEqual([1]);
  for (const rest of ['.partial', '.journal', '.errors.jsonl']) expect(existsSync(output + rest)).toBe(false);
});

describe('texts that are set aside', () => {
  const GOOD = ['mars', 'red planet', 'water and bread'];
  let input: string;

  beforeAll(() => {
    input = join(temporaryFolder(), 'texts.jsonl');
    const [one, two, three] = GOOD.map((text, i) => JSON.stringify({ id: `d${i}`, text }));
    writeFileSync(input, [one, '{"text": "cut', two, '{"other": 1}', three, ''].join('\n'));
  });

  async function embedded(name: string): Promise<Buffer> {
    const output = newOutput(name);
    const { code, stdout } = await submit('--texts', input, '--output', output, '--chunk', '2').ended();
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ items: 5, setAside: 2, errors: `${output}.errors.jsonl` });
    const aside = readLines<{ line: number; error: { code: string } }>(`${output}.errors.jsonl`);
    expect(aside.map(({ line, error }) => [line, error.code])).toEqual([
      [2, 'ERR_DATASET_INVALID'],
      [4, 'ERR_DATASET_INVALID'],
    ]);
    return readFileSync(output);
  }

  test('have no line in JSONL, and a row of NaN in arrays, whose other rows stay at their places', async () => {
    const lines = String(await embedded('vectors.jsonl'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; embedding: number[] });
    expect(lines.map(({ id }) => id)).toEqual(['d0', 'd1', 'd2']);
    const dimension = lines[0]?.embedding.length as number;
    const npy = await embedded('vectors.npy');
    const raw = await embedded('vectors.f32');
    expect(npy.toString('latin1', 0, 128)).toContain(`'shape': (5, ${dimension})`);
    expect(npy.subarray(128).equals(raw)).toBe(true);
    const values = new Float32Array(new Uint8Array(raw).buffer);
    const rows = Array.from({ length: 5 }, (_, i) => [
      ...values.subarray(i * dimension, (i + 1) * dimension),
    ]);
    const nothing = Array(dimension).fill(Number.NaN);
    const vectors = lines.map(({ embedding }) => [...Float32Array.from(embedding)]);
    expect(rows).toEqual([vectors[0], nothing, vectors[1], nothing, vectors[2]]);
  });
});
