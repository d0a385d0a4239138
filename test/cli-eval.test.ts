import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../lib/cli/command-line';
import { run as runEval } from '../lib/cli/eval';
import { expectWellFormed } from './support/bench';
import { CLI, runCli } from './support/cli';
import { fixture, temporaryFolder } from './support/models';

jest.setTimeout(60_000); // a shared machine may be slow; nothing here is about time

const MINI = fixture('evaluation/mini');
const RUN = join(MINI, 'runs/first.trec');
const ASKED = ['eval', '--dataset', MINI, '--first-stage', RUN];
/** A tiny model with random weights: its rankings mean nothing, but it loads at once. */
const TINY = ['--rerank', fixture('bert')];

interface Written {
  firstStage: string;
  ranker: { model: string; precision: string };
  metrics: { metric: string; before: { mean: number }; after: { mean: number }; wins: number }[];
  queries: { id: string; before: Record<string, number> }[];
  sweep: { initialK: number }[];
  aborted: boolean;
}

function outputs(): { svg: string; json: string; args: string[]; read(): Written } {
  const folder = temporaryFolder();
  const [svg, json] = [join(folder, 'out.svg'), join(folder, 'out.json')];
  return {
    ...{ svg, json, args: ['--svg', svg, '--json', json] },
    read: () => JSON.parse(readFileSync(json, 'utf8')) as Written,
  };
}

test('prints the metrics before and after, and writes picture and figures', () => {
  const out = outputs();
  const { status, stdout, stderr } = runCli([...ASKED, '--sweep', '2,4', '--precision', 'fp32', ...out.args]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(
    /^mini: 7 queries, first stage .*first\.trec, up to 100 candidates .* crossrank-mini \(fp32/,
  );
  expect(stdout).toContain('judged queries that the first stage found nothing for: 1');
  // ndcg@10 of the run as trec_eval has it
  expect(stdout).toMatch(/^ndcg@10 +0\.5818 \[0\.\d{4}, 0\.\d{4}\] +[01]\.\d{4} \[/m);
  expect(stdout).toMatch(/^\+0\.\d{4} +why is Mars red$/m);
  expect(stdout).toMatch(/^4 +\d\.\d{4} \[.*\] +\d+(\.\d)? +\d+(\.\d)? +\d+$/m);
  expect(stdout).toContain(`written: ${out.svg}, ${out.json}\n`);
  expectWellFormed(readFileSync(out.svg, 'utf8'));
  const written = out.read();
  expect(written.queries).toHaveLength(7);
  expect(written.sweep.map(({ initialK }) => initialK)).toEqual([2, 4]);
  expect(written).toMatchObject({
    firstStage: RUN,
    ranker: { model: 'crossrank-mini', precision: 'fp32' },
    aborted: false,
  });
  expect(written.metrics[0]?.after.mean).toBeGreaterThan(written.metrics[0]?.before.mean as number);
});

test('writes into the current folder where no file is named', () => {
  const folder = temporaryFolder();
  const { status } = runCli([...ASKED, ...TINY], {}, folder);
  expect(status).toBe(0);
  expectWellFormed(readFileSync(join(folder, 'crossrank-eval.svg'), 'utf8'));
  expect(existsSync(join(folder, 'crossrank-eval.json'))).toBe(true);
});

test.each(['bm25', 'dense', 'hybrid'])('finds candidates in the corpus itself: %s', (stage) => {
  const out = outputs();
  const asked = ['eval', '--dataset', MINI, '--first-stage', stage, '--initial-k', '10'];
  const { status, stdout, stderr } = runCli([...asked, ...TINY, ...out.args]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toContain(`mini: 8 queries, first stage ${stage}, up to 10 candidates`);
  expect(out.read().metrics[0]?.before.mean).toBeGreaterThan(0.8);
});

test('measures what was asked for', () => {
  const out = outputs();
  const options = ['--metrics', 'P@3,map', '--queries', '3', '--seed', '7', '--initial-k', '3', '--complete'];
  const { status, stdout } = runCli([...ASKED, ...TINY, ...options, ...out.args]);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^mini: 3 queries, .* up to 3 candidates/);
  expect(out.read().metrics.map(({ metric }) => metric)).toEqual(['p@3', 'map']);
});

test.each<[string, string[], RegExp]>([
  ['no data set', ['eval', '--first-stage', RUN], /--dataset is needed/],
  ['no first stage', ['eval', '--dataset', MINI], /--first-stage is needed/],
  ['an unknown option', [...ASKED, '--metric', 'map'], /unknown option --metric; known are --dataset/],
  ['a metric that is none', [...ASKED, '--metrics', 'map,f1'], /--metrics takes .*, not "f1"/],
  ['a depth of 0', [...ASKED, '--initial-k', '0'], /--initial-k takes an integer from 1/],
  ['a sweep that is no list', [...ASKED, '--sweep', '1;2'], /--sweep takes a list such as 1,2,4/],
  ['a precision that is none', [...ASKED, '--precision', 'fp8'], /--precision takes auto, fp32/],
  ['an unknown choice', [...ASKED, '--unknown', 'warn'], /--unknown takes error, ignore, not "warn"/],
  [
    'a file in no folder',
    [...ASKED, '--svg', '/no/such/folder/a.svg'],
    /--svg .* cannot be written: \/no\/such\/folder/,
  ],
  ['an argument too many', [...ASKED, 'model'], /"model" belongs to no option/],
])('%s is a usage error', async (_, args, message) => {
  const failure = await runEval(args.slice(1)).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(UsageError);
  expect((failure as UsageError).message).toMatch(message);
});

test('a usage error is exit code 2, a line, and where help is', () => {
  const { status, stdout, stderr } = runCli(['eval', '--dataset', MINI]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(/^--first-stage is needed: .*\ncrossrank eval --help lists options\.\n$/);
});

test.each<[string, string[], RegExp]>([
  [
    'a data set that is not there',
    ['eval', '--dataset', '/no', '--first-stage', RUN],
    /^ERR_DATASET_INVALID: \/no has no/,
  ],
  [
    'a run that is not there',
    ['eval', '--dataset', MINI, '--first-stage', '/no/run'],
    /^ERR_DATASET_INVALID: there is no file/,
  ],
  ['a model that is not there', [...ASKED, '--rerank', '/no/model'], /^ERR_MODEL_NOT_FOUND/],
  [
    'an embedder that is not there',
    ['eval', '--dataset', MINI, '--first-stage', 'dense', '--embedder', '/no/model'],
    /^ERR_MODEL_NOT_FOUND/,
  ],
])('%s fails with exit code 1 and the code, and writes nothing', (_, args, message) => {
  const out = outputs();
  const { status, stdout, stderr } = runCli([...args, ...out.args]);
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(message);
  expect(existsSync(out.svg) || existsSync(out.json)).toBe(false);
});

test('--help names the command, its options and the default files', () => {
  const { stdout } = runCli(['eval', '--help']);
  for (const text of [
    'crossrank eval ',
    '--first-stage',
    '--sweep',
    'crossrank-eval.svg',
    'crossrank-eval.json',
  ]) {
    expect(stdout).toContain(text);
  }
});

test('a reader that closes the pipe is no error, and the files are written', async () => {
  const out = outputs();
  const child = spawn(process.execPath, [CLI, ...ASKED, ...TINY, ...out.args]);
  child.stdout.destroy();
  const { code, stderr } = await ended(child);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(out.read().queries).toHaveLength(7);
});

test('Ctrl-C ends it with what was done', async () => {
  const out = outputs();
  const folder = largeDataset(20_000);
  // Progress is drawn for terminals; a pipe that says it is one tells when rankings are done.
  const pretend = join(folder, 'terminal.cjs');
  writeFileSync(pretend, 'process.stderr.isTTY = true;');
  const args = ['--dataset', folder, '--first-stage', join(folder, 'run.trec'), ...TINY, ...out.args];
  const child = spawn(process.execPath, ['--require', pretend, CLI, 'eval', ...args]);
  let interrupted = false;
  child.stderr.on('data', (text: Buffer) => {
    if (interrupted || !/reranking, [1-9]/.test(String(text))) return;
    interrupted = true;
    child.kill('SIGINT');
  });
  const { code, stdout } = await ended(child);
  expect({ code, interrupted }).toEqual({ code: 130, interrupted: true });
  expect(stdout).toContain('interrupted: these are the queries that were done');
  const { aborted, queries } = out.read();
  expect(aborted).toBe(true);
  expect(queries.length).toBeGreaterThan(0);
  expect(queries.length).toBeLessThan(20_000);
  expectWellFormed(readFileSync(out.svg, 'utf8'));
});

function ended(
  child: ReturnType<typeof spawn>,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const texts = { stdout: '', stderr: '' };
  child.stdout?.on('data', (text) => (texts.stdout += text));
  child.stderr?.on('data', (text) => (texts.stderr += text));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...texts })));
}

/** Two documents and so many queries, each of which found both. */
function largeDataset(queries: number): string {
  const folder = temporaryFolder();
  const lines = (of: (i: number) => string) => Array.from({ length: queries }, (_, i) => of(i)).join('');
  writeFileSync(join(folder, 'corpus.jsonl'), '{"_id":"a","text":"one"}\n{"_id":"b","text":"two"}\n');
  writeFileSync(
    join(folder, 'queries.jsonl'),
    lines((i) => `{"_id":"q${i}","text":"number ${i}"}\n`),
  );
  writeFileSync(
    join(folder, 'run.trec'),
    lines((i) => `q${i} Q0 a 1 2 t\nq${i} Q0 b 2 1 t\n`),
  );
  mkdirSync(join(folder, 'qrels'));
  writeFileSync(
    join(folder, 'qrels/test.tsv'),
    lines((i) => `q${i}\t${i % 2 ? 'a' : 'b'}\t1\n`),
  );
  return folder;
}
