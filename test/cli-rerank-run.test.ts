import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Reranker, readRun, writeRun } from '../lib';
import { inOrder } from '../lib/cli/in-order';
import { OffsetIndex } from '../lib/cli/rerank/offset-index';
import { runCli } from './support/cli';
import { CliProcess } from './support/cli-process';
import { fixture, temporaryFolder } from './support/models';

jest.setTimeout(300_000); // a shared machine may be slow; nothing here is about time

const MINI = fixture('evaluation/mini');
const FIRST = join(MINI, 'runs/first.trec');
/** A tiny model with random weights: its rankings mean nothing, but it loads at once. */
const TINY = ['--model', fixture('bert'), '--precision', 'fp32'];

const output = () => join(temporaryFolder(), 'out.trec');
const rerank = (run: string, corpus: string, out: string, ...args: string[]) => [
  'rerank',
  '--run',
  run,
  '--corpus',
  corpus,
  '--output',
  out,
  ...TINY,
  ...args,
];

interface Made {
  folder: string;
  run: string;
}

/** A corpus, queries and a run, of words that repeat; `words` in each document. */
function make(documents: number, queries: number, depth: number, words: number): Made {
  const folder = temporaryFolder();
  const write = (name: string, count: number, line: (i: number) => string) => {
    const file = openSync(join(folder, name), 'w');
    for (let first = 0; first < count; first += 5000) {
      const some = Array.from({ length: Math.min(5000, count - first) }, (_, i) => line(first + i));
      writeSync(file, some.join(''));
    }
    closeSync(file);
  };
  const text = (i: number) => `${i} mars planet bread `.repeat(Math.ceil(words / 4));
  write(
    'corpus.jsonl',
    documents,
    (i) => `${JSON.stringify({ _id: `d${i}`, title: `t${i}`, text: text(i) })}\n`,
  );
  write('queries.jsonl', queries, (i) => `{"_id":"q${i}","text":"planet ${i}"}\n`);
  write('run.trec', queries, (q) =>
    Array.from(
      { length: depth },
      (_, i) => `q${q} Q0 d${(q * 7919 + i * 104729) % documents} ${i + 1} ${-i} t\n`,
    ).join(''),
  );
  return { folder, run: join(folder, 'run.trec') };
}

describe('a run', () => {
  test('is what the library makes of the same candidates', async () => {
    const out = output();
    const { status, stdout, stderr } = runCli(rerank(FIRST, MINI, out, '--initial-k', '4', '--top-k', '3'));
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^7 queries reranked: \d+ pairs, \d+ tokens\nwritten: /);
    expect(existsSync(`${out}.partial`) || existsSync(`${out}.partial.json`)).toBe(false);

    const objects = (name: string): { _id: string; title?: string; text: string }[] =>
      readFileSync(join(MINI, name), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    const texts = new Map(
      objects('corpus.jsonl').map(({ _id, title, text }) => [_id, title ? `${title} ${text}` : text]),
    );
    const queries = new Map(objects('queries.jsonl').map(({ _id, text }) => [_id, text]));
    await using reranker = await Reranker.load(fixture('bert'), { precision: 'fp32' });
    const expected = new Map();
    for (const [query, found] of await readRun(FIRST, { topK: 4 })) {
      const documents = found.map(({ id }) => texts.get(id) as string);
      const { results } = await reranker.rerank(queries.get(query) as string, documents, { topK: 3 });
      expected.set(
        query,
        results.map(({ index, score }) => ({ id: found[index]?.id, score })),
      );
    }
    const written = output();
    await writeRun(written, expected);
    expect(readFileSync(out, 'utf8')).toBe(readFileSync(written, 'utf8'));
  });

  test('is the same from JSON lines, from .tsv files and from standard input', async () => {
    const { folder, run } = make(50, 9, 5, 8);
    const out = output();
    expect(runCli(rerank(run, folder, out)).status).toBe(0);
    const tsv = (name: string) => {
      const path = join(folder, `${name}.tsv`);
      const lines = readFileSync(join(folder, `${name}.jsonl`), 'utf8')
        .split('\n')
        .filter(Boolean);
      const objects = lines.map((line) => JSON.parse(line));
      const rows = objects.map(({ _id, title, text }) => `${_id}\t${title ? `${title} ` : ''}${text}\r\n`);
      writeFileSync(path, `\ufeff${rows.join('')}`);
      return path;
    };
    const others = output();
    const asked = rerank('-', tsv('corpus'), others, '--queries', tsv('queries'), '--json');
    const cli = new CliProcess(asked);
    cli.child.stdin.end(readFileSync(run));
    const { code, stdout } = await cli.ended();
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ queries: 9, kept: 0, pairs: 45, interrupted: false });
    expect(readFileSync(others, 'utf8')).toBe(readFileSync(out, 'utf8'));
  });

  test('written as .jsonl reads back as the same run', async () => {
    const { folder, run } = make(50, 3, 5, 8);
    const [trec, json] = [output(), join(temporaryFolder(), 'out.jsonl')];
    runCli(rerank(run, folder, trec));
    expect(runCli(rerank(run, folder, json)).status).toBe(0);
    expect(await readRun(json)).toEqual(await readRun(trec));
  });
});

describe('a run that was interrupted', () => {
  const QUERIES = 300;
  let made: Made;
  let whole: string;
  beforeAll(() => {
    made = make(2000, QUERIES, 20, 40);
    const out = output();
    expect(runCli(rerank(made.run, made.folder, out)).status).toBe(0);
    whole = readFileSync(out, 'utf8');
  });

  /** Resolves when the first queries are written. */
  async function begun(cli: CliProcess, partial: string): Promise<void> {
    const isBegun = () => existsSync(partial) && readFileSync(partial).length > 5000;
    const over = cli.ended().then(() => true);
    while (!isBegun()) if (await Promise.race([over, delay(5, false)])) return;
  }

  test.each([
    ['SIGKILL', null],
    ['SIGINT', 130],
    ['SIGTERM', 130],
  ] as const)('by %s goes on where it was, and ends as if nothing had happened', async (signal, exitCode) => {
    const out = output();
    const cli = new CliProcess(rerank(made.run, made.folder, out));
    await begun(cli, `${out}.partial`);
    cli.child.kill(signal);
    const { code, stdout } = await cli.ended();
    expect(code).toBe(exitCode);
    if (exitCode !== null) expect(stdout).toMatch(/interrupted; what is done is in .*out\.trec\.partial/);
    expect(existsSync(out)).toBe(false);
    const before = readFileSync(`${out}.partial`, 'utf8');
    expect(whole.startsWith(before)).toBe(true);
    expect(before.length).toBeLessThan(whole.length);

    const resumed = runCli(rerank(made.run, made.folder, out, '--json'));
    expect(resumed.status).toBe(0);
    const { queries, kept } = JSON.parse(resumed.stdout);
    expect(queries + kept).toBe(QUERIES);
    expect(kept).toBeGreaterThan(0);
    expect(readFileSync(out, 'utf8')).toBe(whole);
    expect(existsSync(`${out}.partial`)).toBe(false);
  });

  test.each<[string, (text: string) => string | Buffer, number]>([
    ['a line that is cut', (text) => text.slice(0, lineStart(text, 2030) + 9), 101],
    [
      'the zeros of a power failure',
      (text) => `${text.slice(0, lineStart(text, 2010))}${'\0'.repeat(4096)}`,
      100,
    ],
    ['a query without its last documents', (text) => text.slice(0, lineStart(text, 2003)), 100],
    ['nothing but a part of a line', (text) => text.slice(0, 7), 0],
    ['nothing', () => '', 0],
  ])('with %s at the end drops the last query and does it again', (_, cut, kept) => {
    const out = output();
    writeFileSync(`${out}.partial`, cut(whole));
    const { status, stdout } = runCli(rerank(made.run, made.folder, out, '--json'));
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ kept, queries: QUERIES - kept });
    expect(readFileSync(out, 'utf8')).toBe(whole);
  });

  test('and is whole keeps all but its last query; --restart ranks all again', () => {
    const out = output();
    writeFileSync(out, whole);
    expect(JSON.parse(runCli(rerank(made.run, made.folder, out, '--json')).stdout)).toMatchObject({
      kept: QUERIES - 1,
      queries: 1,
    });
    const again = runCli(rerank(made.run, made.folder, out, '--json', '--restart'));
    expect(JSON.parse(again.stdout)).toMatchObject({ kept: 0, queries: QUERIES });
    expect(readFileSync(out, 'utf8')).toBe(whole);
  });

  test('does not go on with other options', async () => {
    const out = output();
    const cli = new CliProcess(rerank(made.run, made.folder, out));
    await begun(cli, `${out}.partial`);
    cli.child.kill('SIGKILL');
    await cli.ended();
    const { status, stderr } = runCli(rerank(made.run, made.folder, out, '--scores', 'raw'));
    expect(status).toBe(1);
    expect(stderr).toMatch(/out\.trec\.partial was begun with --scores not given \(now raw\); .*--restart/);
    const recipe = readFileSync(`${out}.partial.json`, 'utf8');
    writeFileSync(`${out}.partial.json`, recipe.slice(0, -5)); // as a crash leaves it
    const torn = runCli(rerank(made.run, made.folder, out));
    expect(torn.status).toBe(1);
    expect(torn.stderr).toMatch(/was begun with model not given \(now .*--restart/);
    writeFileSync(`${out}.partial.json`, recipe);
    expect(runCli(rerank(made.run, made.folder, out)).status).toBe(0);
    expect(readFileSync(out, 'utf8')).toBe(whole);
  });

  test('does not go on with the output of another run, or with a file that is no run', () => {
    const out = output();
    const other = whole.replace(/^q5 /gm, 'x5 ');
    writeFileSync(out, other);
    const mismatch = runCli(rerank(made.run, made.folder, out));
    expect(mismatch.status).toBe(1);
    expect(mismatch.stderr).toMatch(
      /is of another run: it goes on with query "x5" where .*run\.trec has "q5"/,
    );
    expect(readFileSync(out, 'utf8')).toBe(other);
    const notes = output();
    writeFileSync(notes, 'my notes\nof today\n');
    expect(runCli(rerank(made.run, made.folder, notes)).stderr).toMatch(/is no (run|line of a run)/);
    expect(readFileSync(notes, 'utf8')).toBe('my notes\nof today\n');
  });

  test('goes on, too, where some queries have no line because of --min-score', () => {
    const scores = whole
      .split('\n')
      .filter(Boolean)
      .map((line) => Number(line.split(' ')[4]));
    const least = String([...scores].sort((a, b) => b - a)[QUERIES]);
    const full = output();
    expect(runCli(rerank(made.run, made.folder, full, '--min-score', least)).status).toBe(0);
    const expected = readFileSync(full, 'utf8');
    expect(new Set(expected.split('\n').map((line) => line.split(' ')[0])).size).toBeLessThan(QUERIES);
    const out = output();
    writeFileSync(out, expected.slice(0, lineStart(expected, 150)));
    expect(runCli(rerank(made.run, made.folder, out, '--min-score', least)).status).toBe(0);
    expect(readFileSync(out, 'utf8')).toBe(expected);
  });

  test('is not written by two processes at once', async () => {
    const out = output();
    const cli = new CliProcess(rerank('-', made.folder, out));
    cli.child.stdin.write(readFileSync(made.run)); // and its end does not come
    await begun(cli, `${out}.partial`);
    const { status, stderr } = runCli(rerank(made.run, made.folder, out));
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/another process is writing/),
    });
    cli.child.stdin.end();
    expect((await cli.ended()).code).toBe(0);
    expect(readFileSync(out, 'utf8')).toBe(whole);
  });
});

/** Where line `number` begins, from 0. */
function lineStart(text: string, number: number): number {
  let at = 0;
  for (let line = 0; line < number; line++) at = text.indexOf('\n', at) + 1;
  return at;
}

describe('what a run cannot have', () => {
  let made: Made;
  beforeAll(() => {
    made = make(50, 5, 3, 8);
  });

  function failure(run: string, ...args: string[]): string {
    const path = join(temporaryFolder(), 'run.trec');
    writeFileSync(path, run);
    const { status, stdout, stderr } = runCli(rerank(path, made.folder, output(), ...args));
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    return stderr;
  }

  test.each<[string, string, RegExp]>([
    ['no line at all', '\n', /run\.trec is empty; expected a run/],
    ['a broken line', 'q0 Q0 d0 1 1 t\nq0 d1\n', /line 2: expected query Q0 document rank score tag/],
    ['a score that is none', 'q0 Q0 d0 1 high t\n', /line 1: expected a finite number as score/],
    [
      'a document twice',
      'q0 Q0 d0 1 2 t\nq0 Q0 d0 2 1 t\n',
      /line 2: expected a document once for each query/,
    ],
    [
      'a query in two places',
      'q0 Q0 d0 1 2 t\nq1 Q0 d0 2 1 t\nq0 Q0 d1 2 1 t\n',
      /line 3: query "q0" again, with others between; .* sort -s -k1,1/,
    ],
    [
      'a query without a text',
      'nobody Q0 d0 1 2 t\n',
      /line 1: .*queries\.jsonl does not have query "nobody"/,
    ],
    [
      'a document without a text',
      'q0 Q0 gone 1 2 t\n',
      /does not have document "gone" of query "q0"; .*--unknown ignore/,
    ],
  ])('%s is an error that names file and line', (_, run, message) => {
    const stderr = failure(run);
    expect(stderr).toMatch(/^ERR_DATASET_INVALID: /);
    expect(stderr).toMatch(message);
  });

  test('--unknown ignore leaves out what has no text, and counts it', () => {
    const run = join(temporaryFolder(), 'run.trec');
    writeFileSync(run, 'x Q0 d0 1 2 t\nq0 Q0 d0 1 2 t\nq0 Q0 gone 2 1 t\nq1 Q0 gone 1 1 t\n');
    const out = output();
    const { status, stdout } = runCli(rerank(run, made.folder, out, '--unknown', 'ignore', '--json'));
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      queries: 2,
      pairs: 1,
      unknownQueries: 1,
      unknownDocuments: 2,
    });
    expect(readFileSync(out, 'utf8')).toMatch(/^q0 Q0 d0 1 \S+ crossrank\n$/);
  });

  test.each<[string, string | Buffer, RegExp]>([
    [
      'a line that is no JSON',
      '{"_id":"d0","text":"a"}\nx\n',
      /corpus\.jsonl, line 2: expected a JSON object/,
    ],
    ['an id that is none', '{"_id":[],"text":"a"}\n', /line 1: expected a string that is not empty for _id/],
    ['a text that is none', '{"_id":"d0","text":4}\n', /line 1: expected a string for text/],
    ['an id twice', '{"_id":"d0","text":"a"}\n'.repeat(2), /has the id "d0" twice/],
    ['bytes that are no UTF-8', Buffer.from([0xff, 10]), /line 1: expected UTF-8/],
    ['nothing', '', /holds no texts/],
  ])('a corpus with %s is refused', (_, corpus, message) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'corpus.jsonl'), corpus);
    copyFileSync(join(made.folder, 'queries.jsonl'), join(folder, 'queries.jsonl'));
    const run = join(folder, 'run.trec');
    writeFileSync(run, 'q0 Q0 d0 1 2 t\n');
    const { status, stderr } = runCli(rerank(run, folder, output()));
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(message) });
  });

  test('a corpus that is a file needs --queries', () => {
    const { status, stderr } = runCli(rerank(made.run, join(made.folder, 'corpus.jsonl'), output()));
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/--queries is needed/) });
  });
});

(process.platform === 'linux' ? describe : describe.skip)('memory', () => {
  async function peakOf({ folder, run }: Made): Promise<number> {
    const cli = new CliProcess(rerank(run, folder, output(), '--max-length', '32'));
    let peak = 0;
    const over = cli.ended().then(() => true);
    while (!(await Promise.race([over, delay(20, false)]))) peak = Math.max(peak, cli.peakMemory());
    expect((await cli.ended()).code).toBe(0);
    return peak;
  }

  test('does not grow with the corpus and the run', async () => {
    const small = await peakOf(make(1000, 20, 10, 120));
    const large = await peakOf(make(200_000, 3000, 10, 120)); // 100 MB of texts
    expect(large).toBeGreaterThan(0);
    expect(large - small).toBeLessThan(80 * 2 ** 20);
  });
});

describe('the index of offsets', () => {
  test('finds every id, over segments, growth and offsets beyond 32 bits', () => {
    const index = new OffsetIndex();
    const step = 2 ** 14 + 1;
    const count = 1_100_000; // more than a segment, and 18 GB of offsets
    for (let i = 0; i < count; i++) index.add(`id ${i}`, i * step);
    index.seal();
    expect(index.size).toBe(count);
    const entries = new Set<number>();
    for (let i = 0; i < count; i += 97) {
      const own = [...index.candidates(`id ${i}`)].find(({ offset }) => offset === i * step);
      expect(own).toBeDefined();
      entries.add(own?.entry as number);
    }
    expect(entries.size).toBe(Math.ceil(count / 97));
    expect(Math.max(...entries)).toBeLessThan(count);
  });

  test('an empty one finds nothing', () => {
    const index = new OffsetIndex();
    index.seal();
    expect([...index.candidates('x')]).toEqual([]);
  });
});

describe('work in order', () => {
  async function* numbers(count: number, onRead: (i: number) => void = () => undefined) {
    for (let i = 0; i < count; i++) {
      onRead(i);
      yield i;
    }
  }
  const all = async <T>(items: AsyncIterable<T>) => {
    const found: T[] = [];
    for await (const item of items) found.push(item);
    return found;
  };

  test('keeps the order, whichever ends first, and no more than so many are under way', async () => {
    let underWay = 0;
    let most = 0;
    const work = async (i: number) => {
      most = Math.max(most, ++underWay);
      for (let turn = 0; turn < (i * 7) % 5; turn++) await delay(0);
      underWay--;
      return i;
    };
    expect(await all(inOrder(numbers(30), 4, work))).toEqual(Array.from({ length: 30 }, (_, i) => i));
    expect(most).toBe(4);
  });

  test('a slow consumer slows the source', async () => {
    let read = 0;
    const results = inOrder(
      numbers(100, () => read++),
      3,
      async (i) => i,
    );
    await results.next();
    await delay(5);
    expect(read).toBeLessThanOrEqual(5);
    await results.return();
  });

  test('what came before a failure of the source is told first', async () => {
    async function* failing() {
      yield 1;
      yield 2;
      throw new Error('the source');
    }
    const found: number[] = [];
    const read = async () => {
      for await (const each of inOrder(failing(), 4, async (i) => i)) found.push(each);
    };
    await expect(read()).rejects.toThrow('the source');
    expect(found).toEqual([1, 2]);
  });

  test('what fails in the work fails at its turn, and ends the source', async () => {
    let ended = false;
    async function* source() {
      try {
        for (let i = 0; ; i++) yield i;
      } finally {
        ended = true;
      }
    }
    const work = async (i: number) => {
      if (i === 2) throw new Error('the work');
      return i;
    };
    await expect(all(inOrder(source(), 2, work))).rejects.toThrow('the work');
    expect(ended).toBe(true);
  });
});
