import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Embedder, KeywordIndex, MemoryStore, Reranker, readDocuments, SearchPipeline } from '../lib';
import { CLI, runCli } from './support/cli';
import { CliProcess } from './support/cli-process';
import { fixture, temporaryFolder } from './support/models';

jest.setTimeout(120_000); // a shared machine may be slow; nothing here is about time

const CORPUS = join(fixture('evaluation/mini'), 'corpus.jsonl');
/** Tiny models with random weights: what they find means nothing, but they load at once. */
const TINY = ['--model', fixture('bert'), '--embedder', fixture('bert-embedder'), '--precision', 'fp32'];
const QUERY = 'why is Mars red';

const jsonLines = (text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const newIndex = () => join(temporaryFolder(), 'docs.index');
const search = (index: string, ...args: string[]) => runCli(['search', '--index', index, ...args, ...TINY]);

describe('an index', () => {
  let index: string;
  beforeAll(() => {
    index = newIndex();
    expect(search(index, '--documents', CORPUS)).toMatchObject({
      status: 0,
      stdout: '30 documents: 30 embedded and stored, 0 were there already\n',
      stderr: '',
    });
  });

  test.each<[string, string[], Parameters<SearchPipeline['search']>[1]]>([
    ['by default', [], {}],
    ['with a preset', ['--preset', 'preview'], { preset: 'preview' }],
    ['with depths', ['--top-k', '3', '--initial-k', '7'], { topK: 3, initialK: 7 }],
    ['without reranking', ['--no-rerank'], { rerank: false }],
    ['without keywords', ['--no-hybrid'], { hybrid: false }],
    ['with a least score', ['--min-score', '0.4'], { minScore: 0.4 }],
    ['with a filter', ['--filter', '{"lang":"none"}'], { filter: { lang: 'none' } }],
  ])('is searched as the library does, %s', async (_, args, options) => {
    const { status, stdout, stderr } = search(index, QUERY, '--json', ...args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    await using embedder = await Embedder.load(fixture('bert-embedder'), { precision: 'fp32' });
    await using reranker = await Reranker.load(fixture('bert'), { precision: 'fp32' });
    await using store = await MemoryStore.open({ space: embedder.space });
    const keywords = new KeywordIndex({ documents: store });
    const pipeline = new SearchPipeline({ embedder, store, reranker, keywords });
    await pipeline.index(readDocuments(CORPUS));
    const { results, candidates } = await pipeline.search(QUERY, options);
    const [answer] = jsonLines(stdout);
    expect(answer).toMatchObject({ query: QUERY, degraded: false, candidates });
    expect(answer.results).toEqual(
      results.map(({ rank, score, document, firstStage }) => ({ rank, score, ...document, firstStage })),
    );
  });

  test('text answers have rank, score, former rank, id and text', () => {
    const { stdout } = search(index, QUERY, '--top-k', '2');
    expect(stdout).toMatch(
      /^why is Mars red {2}\(30 candidates, \d+ ms\)\n {2}1 {2}-?\d\.\d{4} {2}was +\d+ {2}\S+ {2}.+\n {2}2 {2}.+\n$/,
    );
  });

  test('queries come as arguments, or one a line from standard input', () => {
    const { status, stdout } = spawnSync(
      process.execPath,
      [CLI, 'search', '--index', index, 'first', '-', '--json', ...TINY],
      { input: '\ufeffsecond\r\n\r\nthird', encoding: 'utf8' },
    );
    expect(status).toBe(0);
    expect(jsonLines(stdout).map(({ query }) => query)).toEqual(['first', 'second', 'third']);
  });

  test('a query is answered before the next one comes, and Ctrl-C ends the waiting', async () => {
    const cli = new CliProcess(['search', '--index', index, '-', '--json', ...TINY]);
    cli.child.stdin.write('first\n');
    await cli.says(/"query":"first"/);
    cli.child.stdin.write('second\n');
    await cli.says(/"query":"second"/);
    cli.child.kill('SIGINT');
    expect(await cli.ended()).toMatchObject({ code: 130, stderr: 'interrupted\n' });
  });

  test('a reader that closes the pipe ends it', async () => {
    const cli = new CliProcess(['search', '--index', index, '-', '--json', ...TINY], { read: false });
    cli.child.stdin.write('first\n');
    await new Promise((resolve) => cli.child.stdout.once('data', resolve));
    cli.child.stdout.destroy();
    cli.child.stdin.write('second\n');
    expect(await cli.ended()).toMatchObject({ code: 0, stderr: '' });
  });

  test('of another embedder is refused', () => {
    const { status, stderr } = runCli(['search', '--index', index, QUERY]);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/^ERR_STORE_MISMATCH/) });
  });
});

test('indexing again embeds what has changed, and finds it', () => {
  const index = newIndex();
  const path = join(temporaryFolder(), 'docs.jsonl');
  writeFileSync(path, '{"id":"a","text":"one","lang":"en"}\n{"id":"b","text":"two"}\n');
  search(index, '--documents', path);
  writeFileSync(
    path,
    '{"id":"a","text":"walrus","lang":"en"}\n{"id":"b","text":"two"}\n{"id":"c","text":"three"}\n',
  );
  const { status, stdout, stderr } = search(index, '--documents', path, 'walrus', '--json', '--no-rerank');
  expect(status).toBe(0);
  expect(JSON.parse(stderr)).toMatchObject({ documents: 3, embedded: 2, unchanged: 1 });
  const { results } = jsonLines(stdout)[0];
  const found = results.find(({ id }: { id: string }) => id === 'a');
  expect(found).toMatchObject({ text: 'walrus', metadata: { lang: 'en' } });
  expect(found.firstStage.sources.keywords).toMatchObject({ rank: 1 });
});

test.each(['is gone', 'is broken'])('keywords are made again from the store where their file %s', (what) => {
  const index = newIndex();
  search(index, '--documents', CORPUS);
  const before = jsonLines(search(index, QUERY, '--json', '--no-rerank').stdout)[0].results;
  if (what === 'is gone') rmSync(`${index}.keywords`);
  else writeFileSync(`${index}.keywords`, 'nonsense');
  expect(jsonLines(search(index, QUERY, '--json', '--no-rerank').stdout)[0].results).toEqual(before);
});

describe('an indexing that was interrupted', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGKILL', null],
  ] as const)('by %s goes on where it was', async (signal, exitCode) => {
    const index = newIndex();
    const line = (i: number) => `${JSON.stringify({ id: `d${i}`, text: `document ${i} of Mars` })}\n`;
    const lines = (first: number, end: number) =>
      Array.from({ length: end - first }, (_, i) => line(first + i)).join('');
    const cli = new CliProcess(['search', '--index', index, '--documents', '-', ...TINY]);
    cli.child.stdin.write(lines(0, 600));
    const isStored = () => existsSync(index) && readFileSync(index).includes('document 250 of Mars');
    const over = cli.ended().then(() => true);
    while (!isStored()) {
      const ended = await Promise.race([over, new Promise((resolve) => setImmediate(resolve, false))]);
      expect(ended).toBe(false);
    }
    cli.child.kill(signal);
    const { code, stderr } = await cli.ended();
    expect(code).toBe(exitCode);
    if (exitCode !== null) expect(stderr).toMatch(/^interrupted; \d+ documents are in .*docs\.index/);
    const path = join(temporaryFolder(), 'docs.jsonl');
    writeFileSync(path, lines(0, 700));
    const again = search(index, '--documents', path, '--json');
    const { documents, embedded, unchanged } = JSON.parse(again.stdout);
    expect({ status: again.status, documents, sum: embedded + unchanged }).toEqual({
      status: 0,
      documents: 700,
      sum: 700,
    });
    expect(unchanged).toBeGreaterThanOrEqual(250);
    const { results } = jsonLines(search(index, '699', '--json', '--no-rerank').stdout)[0];
    expect(results.some(({ id }: { id: string }) => id === 'd699')).toBe(true);
  });
});

test('a search in an index that is not there makes none', () => {
  const index = newIndex();
  const { status, stderr } = search(index, QUERY);
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: expect.stringMatching(/^ERR_STORE: there is no index .*--documents/),
  });
  expect(existsSync(index)).toBe(false);
});

test('documents that are not there make no index', () => {
  const index = newIndex();
  const { status, stderr } = search(index, '--documents', '/no/such.jsonl');
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: expect.stringMatching(/there is no file \/no\/such/),
  });
  expect(existsSync(index)).toBe(false);
});

test('a wrong line is an error that names it; what came before is stored', () => {
  const index = newIndex();
  const path = join(temporaryFolder(), 'docs.jsonl');
  writeFileSync(path, '{"id":"a","text":"one"}\n{"id":"b"}\n');
  const { status, stderr } = search(index, '--documents', path);
  expect({ status, stderr }).toEqual({
    status: 1,
    stderr: expect.stringMatching(/docs\.jsonl, line 2: expected a string for text/),
  });
  expect(jsonLines(search(index, 'one', '--json').stdout)[0].results).toHaveLength(1);
});

test.each<[string, string[], RegExp]>([
  ['no index', [QUERY], /--index is needed/],
  ['nothing to do', ['--index', 'i'], /give a QUERY, or --documents/],
  ['an empty query', ['--index', 'i', ''], /expected a QUERY but received ""/],
  ['standard input for both', ['--index', 'i', '--documents', '-', '-'], /standard input can be read once/],
  ['an unknown preset', ['--index', 'i', 'q', '--preset', 'fast'], /--preset takes realtime, document/],
  ['a filter that is no JSON', ['--index', 'i', 'q', '--filter', '{'], /--filter: /],
  [
    'a filter that is none',
    ['--index', 'i', 'q', '--filter', '{"a":{"$near":1}}'],
    /--filter: Expected operators/,
  ],
  ['more results than candidates', ['--index', 'i', 'q', '--top-k', '60'], /initialK 50 of the preset/],
  [
    'a least score of no reranker',
    ['--index', 'i', 'q', '--no-rerank', '--min-score', '1'],
    /--min-score is on/,
  ],
  ['an unknown precision', ['--index', 'i', 'q', '--precision', 'fp8'], /--precision takes auto/],
  ['an option that is misspelt', ['--index', 'i', '--topk', '3'], /unknown option --topk; known are --index/],
])('%s is a usage error', (_, args, message) => {
  const { status, stdout, stderr } = runCli(['search', ...args]);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(message);
});
