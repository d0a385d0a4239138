// What bulk jobs do with wrong input, wrong workers and a Redis that is not there; and that their results are those of the
// commands without Redis.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../bench/free-port';
import {
  type AnswerLine,
  batchFile,
  expectedAnswers,
  MODEL,
  questions,
  readLines,
  startEmbedWorker,
  startSubmit,
  startWorker,
} from './support/bulk';
import { runCli } from './support/cli';
import { CliProcess } from './support/cli-process';
import { fixture, temporaryFolder } from './support/models';
import { RedisServer, redisProgram } from './support/redis-server';

const QUESTIONS = questions(40);
let redis: RedisServer;
let reranking: CliProcess;
let embedding: CliProcess;

beforeAll(async () => {
  redis = await RedisServer.start(redisProgram());
  reranking = await startWorker(redis.url);
  embedding = await startEmbedWorker(redis.url);
});

afterAll(async () => {
  for (const worker of [reranking, embedding]) {
    worker.child.kill('SIGTERM');
    expect((await worker.ended()).code).toBe(0);
  }
  await redis.kill();
});

const newOutput = (name = 'answers.jsonl') => join(temporaryFolder(), name);
const submit = (...args: string[]) => startSubmit(redis.url, args).ended();

interface SetAside {
  line: number;
  id?: string;
  error: { code: string; message: string };
}

test('lines that are wrong are set aside, each alone', async () => {
  const lines = [
    ...QUESTIONS.slice(0, 3),
    '{"query": "mars", "documents": ["a"', // cut off
    '{"documents": ["a"]}',
    '{"query": "mars", "documents": "a"}',
    QUESTIONS[3] as (typeof QUESTIONS)[number],
    '{"query": "mars", "documents": ["a", 7]}',
    ...QUESTIONS.slice(4, 8),
  ];
  const output = newOutput();
  const { code, stdout } = await submit('--batch', batchFile(lines), '--output', output, '--chunk', '16');
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ setAside: 4, errors: `${output}.errors.jsonl` });
  expect(readLines<AnswerLine>(output)).toEqual(await expectedAnswers(lines));
  const aside = readLines<SetAside>(`${output}.errors.jsonl`);
  expect(aside.map(({ line }) => line)).toEqual([4, 5, 6, 8]);
  for (const { error } of aside) {
    expect(error.code).toBe('ERR_DATASET_INVALID');
    expect(error.message).not.toBe('');
  }
});

test('a worker with another model or precision is refused', async () => {
  const start = (...args: string[]) =>
    new CliProcess(['worker', '--queue', 'one-model', '--threads', '1', ...args], {
      env: { REDIS_URL: redis.url },
    });
  const first = start('--model', MODEL, '--precision', 'fp32');
  await first.says(/^ready/m);
  for (const other of [
    ['--model', fixture('distilbert'), '--precision', 'fp32'],
    ['--model', MODEL, '--precision', 'int8'],
  ]) {
    const { code, stderr } = await start(...other).ended();
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ERR_QUEUE_MISMATCH: the queue one-model gives results of bert.* --new-model/);
  }
  first.child.kill('SIGTERM');
  await first.ended();
});

test('a queue that another model takes over has its scores, and the worker of before ends', async () => {
  const lost = QUESTIONS.slice(0, 8);
  const queue = ['--queue', 'taken-over'];
  const heirModel = fixture('distilbert');
  const before = await startWorker(redis.url, queue);
  const heir = await startWorker(redis.url, [...queue, '--model', heirModel, '--new-model']);
  heir.child.kill('SIGTERM');
  expect((await heir.ended()).stdout).toMatch(/^ready: distilbert/m);
  // The old one alone is there: it must not answer for the new one, nor be asked again and again.
  const output = newOutput();
  const submission = startSubmit(redis.url, ['--batch', batchFile(lost), '--output', output, ...queue]);
  const ended = await before.ended();
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(
    /^ERR_QUEUE_MISMATCH: the chunk that came is for another model than bert \(rerank, fp32\).*start this worker with the model/,
  );
  const second = await startWorker(redis.url, [...queue, '--model', heirModel]);
  expect((await submission.ended()).code).toBe(0);
  expect(readLines(output)).toEqual(await expectedAnswers(lost, heirModel));
  second.child.kill('SIGTERM');
  await second.ended();
});

test('a Redis that is not there is told with its place, and without its password', async () => {
  const url = `redis://user:hidden@127.0.0.1:${await freePort()}`;
  const env = { env: { REDIS_URL: url } };
  const submission = [
    'submit',
    '--batch',
    batchFile(QUESTIONS),
    '--output',
    newOutput(),
    '--redis-wait',
    '1',
  ];
  const ended = await Promise.all([
    new CliProcess(submission, env).ended(),
    new CliProcess(['worker', '--model', MODEL, '--redis-wait', '1'], env).ended(),
  ]);
  for (const { code, stderr } of ended) {
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ERR_REDIS: .*127\.0\.0\.1/);
    expect(stderr).not.toMatch(/hidden/);
  }
});

test('a Redis that asks for a password is told apart from one that is away, and takes it from the address', async () => {
  const guarded = await RedisServer.start(redisProgram(), ['--requirepass', 'open-sesame']);
  const args = ['--batch', batchFile(QUESTIONS.slice(0, 8)), '--output', newOutput(), '--redis-wait', '60'];
  const urlWith = (login: string) => guarded.url.replace('//', `//${login}@`);
  for (const url of [guarded.url, urlWith(':wrong-word'), urlWith('nobody:open-sesame')]) {
    for (const command of [
      ['submit', ...args],
      ['worker', '--model', MODEL, '--redis-wait', '60'],
    ]) {
      const { code, stderr } = await new CliProcess(command, { env: { REDIS_URL: url } }).ended();
      expect({ command: command[0], url, code }).toEqual({ command: command[0], url, code: 1 });
      expect(stderr).toMatch(
        /^ERR_REDIS: Redis at redis:\/\/127\.0\.0\.1:\d+ refused the login; put the user and password into REDIS_URL/,
      );
      expect(stderr).not.toMatch(/open-sesame|wrong-word/);
    }
  }
  const worker = await startWorker(urlWith(':open-sesame'));
  expect((await startSubmit(urlWith(':open-sesame'), args).ended()).code).toBe(0);
  worker.child.kill('SIGTERM');
  expect((await worker.ended()).stdout).not.toMatch(/open-sesame/);
  await guarded.kill();
});

test.each(['vectors.npy', 'vectors.jsonl'])('%s has the vectors of crossrank embed', async (name) => {
  const texts = join(temporaryFolder(), 'texts.txt');
  writeFileSync(texts, QUESTIONS.map(({ query, documents }) => `${query} ${documents[0]}\n`).join(''));
  const [bulk, plain] = [newOutput(name), newOutput(name)];
  const { code, stderr } = await submit(
    '--texts',
    texts,
    '--output',
    bulk,
    '--chunk',
    '7',
    '--kind',
    'document',
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const model = ['--model', fixture('bert-embedder'), '--precision', 'fp32'];
  const { status } = runCli(['embed', texts, '--output', plain, '--kind', 'document', ...model]);
  expect(status).toBe(0);
  expect(readFileSync(bulk).equals(readFileSync(plain))).toBe(true);
});

test('a run is that of crossrank rerank', async () => {
  const mini = fixture('evaluation/mini');
  const run = ['--run', join(mini, 'runs/first.trec'), '--corpus', mini];
  const [bulk, plain] = [newOutput('out.trec'), newOutput('out.trec')];
  const depth = ['--initial-k', '4', '--top-k', '3'];
  const { code, stderr } = await submit(...run, ...depth, '--output', bulk, '--chunk', '5');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const model = ['--model', MODEL, '--precision', 'fp32'];
  expect(runCli(['rerank', ...run, ...depth, '--output', plain, ...model]).status).toBe(0);
  expect(readFileSync(bulk, 'utf8')).toBe(readFileSync(plain, 'utf8'));
});

test.each([
  [['submit', '--output', 'a'], /nothing to submit/],
  [['submit', '--batch', 'a', '--run', 'b', '--output', 'c'], /--batch and --run are two ways/],
  [['submit', '--batch', 'a'], /--output/],
  [['worker', '--normalize', 'yes'], /--normalize is for vectors/],
  [['worker', '--concurrency', '0'], /--concurrency takes an integer/],
])('%j is refused by name', (args, message) => {
  const { status, stderr } = runCli(args);
  expect(status).toBe(2);
  expect(stderr).toMatch(message);
});
