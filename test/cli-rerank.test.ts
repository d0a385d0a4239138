import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Reranker } from '../lib';
import { CLI, runCli } from './support/cli';
import { CliProcess } from './support/cli-process';
import { fixture, temporaryFolder } from './support/models';

jest.setTimeout(120_000); // a shared machine may be slow; nothing here is about time

/** A tiny model with random weights: its rankings mean nothing, but it loads at once. */
const TINY = ['--model', fixture('bert')];
const QUERY = 'red planet';
const TEXTS = ['Mars is red', 'bread and water', 'Venus is hot'];

function fileOf(name: string, content: string | Buffer): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

function pipe(args: readonly string[], input: string | Buffer) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { input });
  return { status, stdout: String(stdout), stderr: String(stderr) };
}

const jsonLines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

async function expected(query: string, texts: string[]) {
  await using reranker = await Reranker.load(fixture('bert'));
  const { results } = await reranker.rerank(query, texts);
  return results.map(({ index, score, document }) => ({ index, score, document }));
}

describe('one query', () => {
  const asked = ['rerank', '--query', QUERY, ...TINY];

  test.each<[string, string, string]>([
    ['strings as JSON lines', 'd.jsonl', TEXTS.map((text) => JSON.stringify(text)).join('\n')],
    ['plain text', 'd.txt', TEXTS.join('\n')],
    ['text with a byte order mark, CRLF and blank lines', 'd.txt', `\ufeff${TEXTS.join('\r\n\r\n')}\r\n`],
  ])('%s is ranked as the library does', async (_, name, content) => {
    const { status, stdout, stderr } = runCli([...asked, '--documents', fileOf(name, content), '--json']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const found = jsonLines(stdout).map(({ index, score, document }) => ({ index, score, document }));
    expect(found).toEqual(await expected(QUERY, TEXTS));
  });

  test('objects carry their id, from the fields that are named', () => {
    const objects = TEXTS.map((body, i) => JSON.stringify({ key: i + 1, body }));
    const path = fileOf('d.jsonl', objects.join('\n'));
    const fields = ['--text', 'body', '--id', 'key'];
    const [best] = jsonLines(runCli([...asked, '--documents', path, ...fields, '--json']).stdout);
    expect(best).toMatchObject({
      id: String(best.index + 1),
      document: { key: best.index + 1 },
      truncated: false,
    });
    const [without] = jsonLines(
      runCli([...asked, '--documents', path, ...fields, '--json', '--no-documents', '--top-k', '1']).stdout,
    );
    expect(without).not.toHaveProperty('document');
  });

  test('a .tsv has ids, and text output is score, id and text on one line', () => {
    const path = fileOf('d.tsv', 'a\tone\u2028two\tthree\nb\tfour');
    const { stdout } = runCli([...asked, '--documents', path]);
    expect(stdout.split('\n').filter(Boolean).sort()).toEqual([
      expect.stringMatching(/^-?\d\.\d{4}\t[ab]\t(one two three|four)$/),
      expect.stringMatching(/^-?\d\.\d{4}\t[ab]\t(one two three|four)$/),
    ]);
  });

  test('standard input is JSON lines where it begins like them, else text', () => {
    const json = [...asked, '--documents', '-', '--json'];
    expect(jsonLines(pipe(json, '\n{"id":"x","text":"one"}\n').stdout)).toMatchObject([{ id: 'x' }]);
    expect(jsonLines(pipe(json, '"quoted" words\n').stdout)).toMatchObject([{ document: '"quoted" words' }]);
  });

  test('top k, least score, scale and windows are those of the library', () => {
    const path = fileOf('d.txt', `${TEXTS.join('\n')}\n${'Mars is red. '.repeat(200)}`);
    const of = (...args: string[]) =>
      jsonLines(runCli([...asked, '--documents', path, '--json', ...args]).stdout);
    expect(of('--top-k', '2')).toHaveLength(2);
    expect(of('--min-score', '-1e9', '--scores', 'raw')).toHaveLength(4);
    expect(of('--min-score', '2', '--scores', 'sigmoid')).toEqual([]);
    const [cut] = of('--max-length', '16').filter(({ index }) => index === 3);
    expect(cut.truncated).toBe(true);
    const [whole] = of('--long-documents', 'window', '--max-length', '128').filter(
      ({ index }) => index === 3,
    );
    expect(whole).toMatchObject({ truncated: false, span: { start: expect.any(Number) } });
  });

  test.each<[string, string, string | Buffer, RegExp]>([
    ['a line that is no JSON', 'd.jsonl', '"a"\n{a\n', /d\.jsonl, line 2: expected a JSON string or object/],
    [
      'an object without the text',
      'd.jsonl',
      '{"body":"a"}',
      /line 1: expected a string for text but found nothing/,
    ],
    ['an id that is none', 'd.jsonl', '{"text":"a","id":{}}', /expected a string that is not empty for id/],
    ['a line without a tab', 'd.tsv', 'a\tb\nab\n', /line 2: expected an id, a tab and a text/],
    ['bytes that are no UTF-8', 'd.txt', Buffer.from([97, 10, 0xff, 10]), /line 2: expected UTF-8/],
    ['a file without documents', 'd.txt', '\n\n', /holds no documents/],
  ])('%s is an error that names file and line', (_, name, content, message) => {
    const { status, stdout, stderr } = runCli([...asked, '--documents', fileOf(name, content)]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^ERR_DATASET_INVALID: /);
    expect(stderr).toMatch(message);
  });

  test('a file that is not there, and a folder', () => {
    expect(runCli([...asked, '--documents', '/no/such']).stderr).toMatch(/there is no file \/no\/such/);
    const folder = temporaryFolder();
    expect(runCli([...asked, '--documents', folder]).stderr).toMatch(/is a folder, and a file is needed/);
  });
});

describe('a batch', () => {
  const asked = ['rerank', '--batch', '-', ...TINY];

  test('each line is answered in order, wrong ones with what is wrong', async () => {
    const lines: (string | Buffer)[] = [
      `\ufeff${JSON.stringify({ id: 'a', query: QUERY, documents: TEXTS })}\r`,
      '',
      'no json',
      '[1]',
      '{"query":1,"documents":[]}',
      '{"query":"q","documents":"d"}',
      '{"id":9,"query":"q","documents":["a",3]}',
      '{"query":"q","documents":[{"txt":"a"}]}',
      Buffer.from([0xff]),
      '{"query":"q","documents":[],"__proto__":{"x":1}}',
      JSON.stringify({ query: 'water', documents: [{ id: 5, text: 'w' }, 'x'] }),
    ];
    const input = Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from('\n')])).subarray(
      0,
      -1,
    );
    const { status, stdout, stderr } = pipe(asked, input);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: '7 of 10 lines were wrong; their answers tell why\n',
    });
    const answers = jsonLines(stdout);
    expect(answers.map(({ line }) => line)).toEqual([1, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(answers[0]).toMatchObject({ id: 'a', results: await expected(QUERY, TEXTS) });
    expect(answers[5]).toMatchObject({
      id: 9,
      error: {
        code: 'ERR_DATASET_INVALID',
        message: expect.stringMatching(/line 7: .*documents\[1\] but found 3/),
      },
    });
    expect(answers[7].error.message).toMatch(/line 9: expected UTF-8/);
    expect(answers[8]).toEqual({ line: 10, results: [] });
    expect(answers[9].results.map(({ id }: { id?: string }) => id).sort()).toEqual(['5', undefined]);
  });

  test('--strict ends at the first wrong line, after what came before it', () => {
    const good = JSON.stringify({ query: QUERY, documents: TEXTS });
    const { status, stdout, stderr } = pipe([...asked, '--strict'], `${good}\nno\n${good}\n`);
    expect(status).toBe(1);
    expect(jsonLines(stdout).map(({ line }) => line)).toEqual([1]);
    expect(stderr).toMatch(/^ERR_DATASET_INVALID: standard input, line 2: expected a JSON object/);
  });

  test('a line is answered before the next one comes', async () => {
    const cli = new CliProcess(asked);
    for (const line of [1, 2, 3]) {
      cli.child.stdin.write(`${JSON.stringify({ query: QUERY, documents: TEXTS })}\n`);
      await cli.says(new RegExp(`^\\{"line":${line},.*\\n`, 'm'));
    }
    cli.child.stdin.end();
    expect(await cli.ended()).toMatchObject({ code: 0, stderr: '' });
  });

  test('a reader that goes ends the work, though input goes on', async () => {
    const cli = new CliProcess(asked, { read: false });
    const line = `${JSON.stringify({ query: QUERY, documents: TEXTS })}\n`;
    cli.child.stdin.write(line);
    await new Promise((resolve) => cli.child.stdout.once('data', resolve));
    cli.child.stdout.destroy();
    // The end of the input never comes: the failing write alone ends the process.
    cli.child.stdin.write(line);
    expect(await cli.ended()).toMatchObject({ code: 0, stderr: '' });
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s ends it while it waits for input, with exit code 130',
    async (signal) => {
      const cli = new CliProcess(asked);
      cli.child.stdin.write(`${JSON.stringify({ query: QUERY, documents: TEXTS })}\n`);
      await cli.says(/"line":1/);
      cli.child.kill(signal);
      const { code, stdout, stderr } = await cli.ended();
      expect({ code, lines: jsonLines(stdout).length }).toEqual({ code: 130, lines: 1 });
      expect(stderr).toMatch(/^interrupted/);
    },
  );

  test('a line of more than 64 MiB is refused, after the lines before it', () => {
    const good = `${JSON.stringify({ query: QUERY, documents: TEXTS })}\n`;
    const { status, stdout, stderr } = pipe(
      asked,
      Buffer.concat([Buffer.from(good), Buffer.alloc(66 << 20, 'a')]),
    );
    expect(status).toBe(1);
    expect(jsonLines(stdout)).toHaveLength(1);
    expect(stderr).toMatch(/standard input, line 2: expected at most 64 MiB/);
  });
});

test.each<[string, string[], RegExp]>([
  ['nothing asked for', [], /nothing to rank: give --query/],
  ['a query alone', ['--query', 'q'], /--documents is needed/],
  ['documents alone', ['--documents', 'd'], /--query is needed/],
  ['two ways', ['--batch', '-', '--run', 'r'], /--batch and --run are two ways/],
  ['an option of another way', ['--batch', '-', '--restart'], /--restart does not go with --batch/],
  ['a query for a batch', ['--batch', '-', '--query', 'q'], /--query does not go with --batch/],
  [
    'an unknown format',
    ['--query', 'q', '--documents', '-', '--format', 'csv'],
    /--format takes jsonl, tsv, text/,
  ],
  ['a depth of 0', ['--batch', '-', '--top-k', '0'], /--top-k takes an integer from 1/],
  ['a score that is none', ['--batch', '-', '--min-score', 'x'], /--min-score takes a number, not "x"/],
  ['an unknown scale', ['--batch', '-', '--scores', 'log'], /--scores takes model, raw, sigmoid/],
  [
    'an unknown way with long documents',
    ['--batch', '-', '--long-documents', 'x'],
    /--long-documents takes truncate/,
  ],
  ['an unknown precision', ['--batch', '-', '--precision', 'fp8'], /--precision takes auto/],
  ['no threads', ['--batch', '-', '--threads', '0'], /--threads takes an integer from 1/],
  ['a run without an output', ['--run', 'r', '--corpus', 'c'], /--output is needed/],
  ['a run without a corpus', ['--run', 'r', '--output', 'o'], /--corpus is needed/],
  [
    'a tag with a space',
    ['--run', 'r', '--corpus', 'c', '--output', 'o', '--tag', 'a b'],
    /--tag is a column/,
  ],
  [
    'an output that is the run',
    ['--run', 'r', '--corpus', 'c', '--output', './r'],
    /--output is the run that is read/,
  ],
  [
    'an output in no folder',
    ['--run', 'r', '--corpus', 'c', '--output', '/no/such/o'],
    /--output .* cannot be written/,
  ],
  ['an option that is misspelt', ['--topk', '3'], /unknown option --topk; known are --query/],
  ['an argument that belongs nowhere', ['model'], /"model" belongs to no option/],
])('%s is a usage error', (_, args, message) => {
  const { status, stdout, stderr } = runCli(['rerank', ...args]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/\ncrossrank rerank --help lists options\.\n$/);
});

test('a folder for the output is refused', () => {
  const folder = temporaryFolder();
  const run = fileOf('r.trec', 'q Q0 d 1 1 t\n');
  mkdirSync(join(folder, 'out'));
  const corpus = fixture('evaluation/mini');
  const { status, stderr } = runCli([
    'rerank',
    '--run',
    run,
    '--corpus',
    corpus,
    '--output',
    join(folder, 'out'),
    ...TINY,
  ]);
  expect(status).toBe(1);
  expect(stderr).toMatch(/is a folder; name a file for --output/);
});
