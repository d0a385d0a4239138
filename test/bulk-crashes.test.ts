// Bulk jobs through a real Redis, while workers, Redis and the submission itself are killed in the middle: every item is
// written once, in order, with the library's own score.

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';
import {
  type AnswerLine,
  batchFile,
  expectedAnswers,
  questions,
  readLines,
  startSubmit,
  startWorker,
  written,
} from './support/bulk';
import type { CliProcess } from './support/cli-process';
import { DyingWorkers } from './support/dying-workers';
import { temporaryFolder } from './support/models';
import { RedisServer, redisProgram } from './support/redis-server';

const QUESTIONS = questions(1500);
const CHUNK = 64;
let expected: AnswerLine[];
let input: string;
let redis: RedisServer;
const workers: CliProcess[] = [];
const watching: QueueEvents[] = [];

beforeAll(async () => {
  redis = await RedisServer.start(redisProgram());
  expected = await expectedAnswers(QUESTIONS);
  input = batchFile(QUESTIONS);
});

afterEach(async () => {
  for (const events of watching.splice(0)) await events.close();
  for (const worker of workers.splice(0)) {
    worker.child.kill('SIGKILL');
    await worker.ended();
  }
});

afterAll(() => redis.kill());

async function worker(...args: string[]): Promise<CliProcess> {
  const started = await startWorker(redis.url, args);
  workers.push(started);
  return started;
}

const newOutput = () => join(temporaryFolder(), 'answers.jsonl');
const submit = (output: string, ...args: string[]) =>
  startSubmit(redis.url, ['--batch', input, '--output', output, '--chunk', String(CHUNK), ...args]);

/** Jobs of BullMQ as they start and stall. */
async function watch(): Promise<{ started: string[]; stalled: string[] }> {
  const events = new QueueEvents('crossrank-rerank', { connection: { url: redis.url } });
  watching.push(events);
  const started: string[] = [];
  const stalled: string[] = [];
  events.on('active', ({ jobId }) => started.push(jobId));
  events.on('stalled', ({ jobId }) => stalled.push(jobId));
  await events.waitUntilReady();
  return { started, stalled };
}

function expectAll(output: string): void {
  expect(readLines<AnswerLine>(output)).toEqual(expected);
  for (const rest of ['.partial', '.journal', '.errors.jsonl']) expect(existsSync(output + rest)).toBe(false);
}

test('a killed worker costs its current chunk, and nothing of the results', async () => {
  const first = await worker();
  await worker();
  const seen = await watch();
  const output = newOutput();
  const submission = submit(output);
  await written(output, 3, submission);
  first.child.kill('SIGKILL');
  const { code, stdout, stderr } = await submission.ended();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expectAll(output);
  const { chunks, items } = JSON.parse(stdout);
  expect(items).toBe(QUESTIONS.length);
  // What was done twice is the chunk of the worker that was killed, if it had one.
  expect(seen.stalled.length).toBeLessThanOrEqual(1);
  expect(seen.started.length).toBeLessThanOrEqual(chunks + seen.stalled.length);
});

test('Redis that is killed and comes back loses nothing', async () => {
  await worker();
  const second = await worker();
  const output = newOutput();
  const submission = submit(output);
  await written(output, 3, submission);
  await redis.kill();
  await submission.says(/is gone; waiting for it/, 'stderr');
  await second.says(/is gone; waiting for it/, 'stderr');
  expect(existsSync(output)).toBe(false);
  await redis.start();
  const { code, stderr } = await submission.ended();
  expect(code).toBe(0);
  expect(stderr.match(/is gone/g)).toHaveLength(1); // and not once a retry
  expect(stderr.match(/is back/g)).toHaveLength(1);
  expectAll(output);
});

test('Redis that comes back empty loses nothing either', async () => {
  await worker();
  const output = newOutput();
  const submission = submit(output);
  await written(output, 3, submission);
  const client = new Redis(redis.url);
  await client.flushall();
  client.disconnect();
  expect((await submission.ended()).code).toBe(0);
  expectAll(output);
});

test('Redis whose memory is full is told by both sides, and the same command goes on when there is room', async () => {
  const only = await worker();
  const output = newOutput();
  const submission = submit(output, '--in-flight', '4');
  await written(output, 3, submission);
  const client = new Redis(redis.url);
  await client.config('SET', 'maxmemory', '1');
  const { code, stderr } = await submission.ended();
  expect(code).toBe(1);
  expect(stderr).toMatch(
    /^ERR_REDIS: Redis at redis:.* refuses: OOM command not allowed .*; put that right, and run the same/m,
  );
  await only.says(/refuses: OOM command not allowed/, 'stderr');
  await client.config('SET', 'maxmemory', '0');
  client.disconnect();
  expect((await submit(output).ended()).code).toBe(0);
  expectAll(output);
  only.child.kill('SIGTERM');
  expect((await only.ended()).stderr.match(/refuses: OOM/g)).toHaveLength(1);
});

test('a submission that is killed goes on where it was, with a torn line or without', async () => {
  await worker();
  await worker();
  const output = newOutput();
  for (const chunks of [3, 9, 20]) {
    const submission = submit(output);
    await written(output, chunks, submission);
    submission.child.kill('SIGKILL');
    await submission.ended();
    // As a write that was under way leaves it.
    writeFileSync(`${output}.partial`, '{"line":', { flag: 'a' });
    writeFileSync(`${output}.journal`, '{"chunks":', { flag: 'a' });
  }
  const { code, stdout } = await submit(output).ended();
  expect(code).toBe(0);
  const report = JSON.parse(stdout);
  expect(report.items).toBe(QUESTIONS.length);
  expect(report.kept).toBeGreaterThan(0);
  expectAll(output);
});

test('one that was stopped says how to go on, and does', async () => {
  const only = await worker();
  const output = newOutput();
  const submission = submit(output);
  await written(output, 3, submission);
  submission.child.kill('SIGINT');
  const { code, stderr } = await submission.ended();
  expect(code).toBe(130);
  expect(stderr).toMatch(/^interrupted after \d+ items; the same command goes on from there\n$/);
  expect((await submit(output).ended()).code).toBe(0);
  expectAll(output);
  only.child.kill('SIGTERM');
  expect(await only.ended()).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^ended: \d+ chunks, \d+ items$/m),
  });
});

test('an item that workers die of is set aside alone', async () => {
  const lines = QUESTIONS.slice(0, 60);
  const poison = 33;
  lines[poison] = { id: 'poison', query: 'water', documents: ['bread', 'a text that kills'] };
  input = batchFile(lines);
  const output = newOutput();
  const dying = new DyingWorkers(redis.url, 'kills');
  try {
    const { code, stdout } = await submit(output).ended();
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ items: 60, setAside: 1, errors: `${output}.errors.jsonl` });
  } finally {
    await dying.stop();
  }
  expect(dying.deaths).toBeGreaterThan(0);
  expect(readLines(output)).toEqual(expected.slice(0, 60).filter(({ line }) => line !== poison + 1));
  expect(readLines(`${output}.errors.jsonl`)).toEqual([
    {
      line: poison + 1,
      id: 'poison',
      error: { code: 'ERR_WORKER_LOST', message: expect.stringContaining('ended without an answer') },
    },
  ]);
}, 120_000);
