import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDataset } from '../lib/evaluation/dataset';
import { readQrels, readRun, writeQrels, writeRun } from '../lib/evaluation/files';
import { readLines } from '../lib/files/lines';
import { fixture, temporaryFolder } from './support/models';

function fileOf(name: string, content: string | Uint8Array): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

function invalid(message: string | RegExp): unknown {
  const text =
    typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message);
  return expect.objectContaining({ name: 'CrossrankError', code: 'ERR_DATASET_INVALID', message: text });
}

const RUN = 'q1 Q0 b 1 2.5 tag\nq2 Q0 a 1 1 tag\nq1 Q0 a 2 3e0 tag\nq1\tQ0  c 3 2.5 tag\n';
/** By score, and equal ones by id from high to low, as trec_eval ranks. */
const RANKED = new Map([
  [
    'q1',
    [
      { id: 'a', score: 3 },
      { id: 'c', score: 2.5 },
      { id: 'b', score: 2.5 },
    ],
  ],
  ['q2', [{ id: 'a', score: 1 }]],
]);

describe('a run', () => {
  test('is read from the columns of TREC, in the order of trec_eval', async () => {
    expect(await readRun(fileOf('a.trec', RUN))).toEqual(RANKED);
  });

  test.each([
    ['Windows line ends', RUN.replaceAll('\n', '\r\n')],
    ['a byte order mark', `\ufeff${RUN}`],
    ['blank lines and no end of the last', `\n${RUN}\n  \n`.replace(/\n$/, '')],
  ])('may have %s', async (_, content) => {
    expect(await readRun(fileOf('a.run', content))).toEqual(RANKED);
  });

  test('may be JSON, a line each, with ids of any kind', async () => {
    const path = fileOf(
      'a.jsonl',
      '{"query-id": "a query", "corpus-id": 7, "score": 1.5}\n{"query-id": "a query", "corpus-id": "\u2028", "score": 2}\n',
    );
    const expected = [
      { id: '\u2028', score: 2 },
      { id: '7', score: 1.5 },
    ];
    expect(await readRun(path)).toEqual(new Map([['a query', expected]]));
  });

  test('keeps the best of each query where they are bounded, whatever order they come in', async () => {
    const scores = Array.from({ length: 1000 }, (_, i) => (i * 617) % 1000);
    const path = fileOf('a.trec', scores.map((score) => `q Q0 d${score} 0 ${score} t\n`).join(''));
    const best = (await readRun(path, { topK: 3 })).get('q');
    expect(best?.map(({ id }) => id)).toEqual(['d999', 'd998', 'd997']);
  });

  test.each([
    [
      'five columns',
      'q1 Q0 a 1 2',
      'expected query Q0 document rank score tag but found 5 columns: q1 Q0 a 1 2',
    ],
    ['NaN as score', 'q1 Q0 a 1 nan tag', 'expected a finite number as score but found "nan"'],
    ['infinity as score', 'q1 Q0 a 1 inf tag', 'expected a finite number as score but found "inf"'],
    ['a number too large', 'q1 Q0 a 1 1e999 tag', 'expected a finite number as score but found "1e999"'],
    [
      'a document again',
      'q1 Q0 b 9 1 tag',
      'expected a document once for each query but found b for query q1 again',
    ],
  ])('with %s is refused by file and line', async (_, line, message) => {
    const path = fileOf('a.trec', `${RUN}\n${line}\n`);
    await expect(readRun(path)).rejects.toEqual(invalid(`${path}, line 6: ${message}`));
  });

  test.each([
    [
      'no JSON',
      'q1 Q0 a 1 2 tag',
      'expected {"query-id": "…", "corpus-id": "…", "score": …} but found q1 Q0',
    ],
    ['an array', '[1]', 'expected {"query-id"'],
    ['no score', '{"query-id": "q", "corpus-id": "d"}', 'expected a number for score'],
    ['no document', '{"query-id": "q", "score": 1}', 'expected the id of a document but found nothing'],
    ['an empty query', '{"query-id": "", "corpus-id": "d", "score": 1}', 'expected the id of a query'],
  ])('of JSON with %s is refused by file and line', async (_, line, message) => {
    const path = fileOf('a.jsonl', `${line}\n`);
    await expect(readRun(path)).rejects.toEqual(invalid(`${path}, line 1: ${message}`));
  });

  test('that is empty, or no file, is refused', async () => {
    await expect(readRun(fileOf('a.trec', ''))).rejects.toEqual(invalid(/a\.trec is empty; expected a run$/));
    await expect(readRun(fileOf('a.trec', '\n\n'))).rejects.toEqual(invalid(/is empty/));
    await expect(readRun('/no/such/run')).rejects.toEqual(invalid('there is no file /no/such/run'));
    await expect(readRun(temporaryFolder())).rejects.toEqual(invalid(/is a folder, and a file is needed/));
  });

  test.each(['a.trec', 'a.jsonl'])('that is written is read back: %s', async (name) => {
    const path = join(temporaryFolder(), name);
    const run = new Map([...RANKED, ['q3', [{ id: '文档', score: -1.25e-7 }]]]);
    await writeRun(path, run, 'mine');
    expect(await readRun(path)).toEqual(run);
  });

  test('that is written for trec_eval has its ranks and the tag', async () => {
    const path = join(temporaryFolder(), 'a.trec');
    await writeRun(path, RANKED, 'mine');
    expect(readFileSync(path, 'utf8')).toBe(
      'q1 Q0 a 1 3 mine\nq1 Q0 c 2 2.5 mine\nq1 Q0 b 3 2.5 mine\nq2 Q0 a 1 1 mine\n',
    );
    const spaced = new Map([['q', [{ id: 'a b', score: 1 }]]]);
    await expect(writeRun(path, spaced)).rejects.toThrow('Expected an id without white space');
  });
});

describe('judgements', () => {
  const QRELS = new Map([
    [
      'q1',
      new Map([
        ['a', 2],
        ['b', -1],
      ]),
    ],
    ['q2', new Map([['a', 0]])],
  ]);

  test.each([
    ['the columns of TREC', 'qrels.txt', 'q1 0 a 2\nq1 0 b -1\nq2 Q0 a 0\n'],
    ['those of BEIR', 'test.tsv', 'query-id\tcorpus-id\tscore\r\nq1\ta\t2\r\nq1\tb\t-1\r\nq2\ta\t0\r\n'],
    ['those of BEIR without the header', 'test.tsv', 'q1\ta\t2\nq1\tb\t-1\nq2\ta\t0\n'],
    [
      'JSON',
      'a.jsonl',
      '{"query-id":"q1","corpus-id":"a","score":2}\n{"query-id":"q1","corpus-id":"b","score":-1}\n' +
        '{"query-id":"q2","corpus-id":"a","score":0}',
    ],
  ])('are read from %s', async (_, name, content) => {
    expect(await readQrels(fileOf(name, content))).toEqual(QRELS);
  });

  test.each(['a.trec', 'a.tsv', 'a.jsonl'])('that are written are read back: %s', async (name) => {
    const path = join(temporaryFolder(), name);
    await writeQrels(path, QRELS);
    expect(await readQrels(path)).toEqual(QRELS);
  });

  test.each([
    ['a.txt', 'q1 0 a 1.5', 'expected a whole number as grade but found "1.5"'],
    ['a.txt', 'q1 a 1', 'expected query 0 document grade but found 3 columns: q1 a 1'],
    [
      'a.tsv',
      'q1 a 1',
      'expected query-id, corpus-id and score with tabs between but found 1 column: q1 a 1',
    ],
    ['a.tsv', 'q0\ta\t1', 'expected a document once for each query but found a for query q0 again'],
    ['a.tsv', 'query-id\tcorpus-id\tscore', 'expected a finite number as score but found "score"'],
  ])('in %s that are broken are refused by file and line: %s', async (name, line, message) => {
    const first = name.endsWith('.tsv') ? 'q0\ta\t1' : 'q0 0 a 1';
    const path = fileOf(name, `${first}\n${line}\n`);
    await expect(readQrels(path)).rejects.toEqual(invalid(`${path}, line 2: ${message}`));
  });

  test('that are none are refused', async () => {
    const path = fileOf('a.tsv', 'query-id\tcorpus-id\tscore\n');
    await expect(readQrels(path)).rejects.toEqual(invalid(`${path} has no judgements`));
  });
});

describe('lines', () => {
  async function linesOf(path: string): Promise<string[]> {
    const all: string[] = [];
    for await (const { first, texts } of readLines(path)) {
      expect(first).toBe(all.length + 1);
      all.push(...texts);
    }
    return all;
  }

  test('are the same wherever reading cuts the file', async () => {
    const lines = Array.from({ length: 40_000 }, (_, i) => `${i} ${'汉字é\u2028'.repeat(i % 7)}`);
    const long = 'x'.repeat(1_000_000);
    const content = [...lines, '', long, 'end'].join('\n');
    expect(await linesOf(fileOf('a', content))).toEqual([...lines, '', long, 'end']);
  });

  test('of other bytes than UTF-8 are refused by their number', async () => {
    const path = fileOf(
      'a',
      Buffer.concat([Buffer.from('q\n文\n'), Buffer.from([0x61, 0xff, 0x0a, 0x62, 0x0a])]),
    );
    await expect(linesOf(path)).rejects.toEqual(invalid(`${path}, line 3: expected UTF-8`));
  });

  test('longer than 64 MiB are refused before memory is gone', async () => {
    const path = fileOf('a', Buffer.concat([Buffer.from('short\n'), Buffer.alloc(65 * 1024 * 1024, 0x61)]));
    await expect(linesOf(path)).rejects.toEqual(invalid(`${path}, line 2: expected at most 64 MiB`));
  });
});

describe('a data set', () => {
  function copyOfMini(): string {
    const folder = temporaryFolder();
    cpSync(fixture('evaluation/mini'), folder, { recursive: true });
    return folder;
  }

  test("has its queries, its judgements, and documents' texts with their titles", async () => {
    const dataset = await openDataset(fixture('evaluation/mini'));
    expect(dataset).toMatchObject({ name: 'mini', size: 30, unknownDocuments: 0, unknownQueries: 0 });
    expect([...dataset.queries.keys()]).toEqual(['q1', 'q2', 'q3', 'q4', 'q5', 'q6', 'q7', 'q8']);
    expect(dataset.qrels.get('q5')).toEqual(
      new Map([
        ['zh-01', 2],
        ['zh-02', 1],
        ['zh-03', 0],
        ['zh-04', 0],
      ]),
    );
    const documents = new Map<string, string>();
    for await (const { id, text } of dataset.documents()) documents.set(id, text);
    expect(documents.size).toBe(30);
    expect(documents.get('en-10')).toMatch(/^Mars The fourth planet/);
    expect(documents.get('en-12')).toMatch(/^Jupiter's red spot/);
  });

  test.each([
    ['corpus.jsonl', '{"_id": "x", "text": 5}', 31, 'expected a string for text but found 5'],
    [
      'corpus.jsonl',
      '{"_id": "x", "title": null, "text": ""}',
      31,
      'expected a string for title but found null',
    ],
    [
      'corpus.jsonl',
      '{"_id": "", "text": ""}',
      31,
      'expected a string that is not empty for _id but found ""',
    ],
    ['corpus.jsonl', '{"_id": "en-01", "text": ""}', 31, 'expected each _id once but found "en-01" again'],
    [
      'corpus.jsonl',
      '{"_id": "x", "text"',
      31,
      'expected a JSON object with _id and text but found {"_id": "x", "text"',
    ],
    ['queries.jsonl', '{"_id": "q1", "text": ""}', 9, 'expected each _id once but found "q1" again'],
  ])('whose %s has a line %s is refused by file and line', async (name, line, number, message) => {
    const folder = copyOfMini();
    writeFileSync(join(folder, name), `${readFileSync(join(folder, name), 'utf8')}${line}\n`);
    await expect(openDataset(folder)).rejects.toEqual(
      invalid(`${join(folder, name)}, line ${number}: ${message}`),
    );
  });

  test.each([
    ['corpus.jsonl', 'corpus.jsonl has no documents'],
    ['queries.jsonl', 'queries.jsonl has no queries'],
  ])('whose %s is empty is refused', async (name, message) => {
    const folder = copyOfMini();
    writeFileSync(join(folder, name), '');
    await expect(openDataset(folder)).rejects.toEqual(invalid(message));
  });

  test('without judgements, or that is no folder, is refused with what was expected', async () => {
    await expect(openDataset(fixture('evaluation/mini'), { split: 'dev' })).rejects.toEqual(
      invalid(/has no judgements: expected qrels\/dev\.tsv/),
    );
    await expect(openDataset('/no/such/folder')).rejects.toEqual(invalid(/has no judgements/));
  });

  test('whose judgements name what it does not have is refused, or counted where that is asked for', async () => {
    const folder = copyOfMini();
    const path = join(folder, 'qrels/test.tsv');
    writeFileSync(path, `${readFileSync(path, 'utf8')}q1\tgone\t1\nq2\tgone\t1\nq2\tlost\t0\n`);
    await expect(openDataset(folder)).rejects.toEqual(
      invalid(
        /judges 2 documents that corpus\.jsonl does not have, such as "gone" for query "q2"; .* 'ignore'/,
      ),
    );
    const dataset = await openDataset(folder, { unknown: 'ignore' });
    expect(dataset).toMatchObject({ unknownDocuments: 2, unknownQueries: 0 });
    expect(dataset.qrels.get('q1')?.get('gone')).toBe(1);
  });

  test('whose judgements name a query without text is refused, or goes without it', async () => {
    const folder = copyOfMini();
    const path = join(folder, 'qrels/test.tsv');
    writeFileSync(path, `${readFileSync(path, 'utf8')}q99\ten-01\t1\n`);
    await expect(openDataset(folder)).rejects.toEqual(
      invalid(/judges a query that queries\.jsonl does not have, such as "q99"/),
    );
    const dataset = await openDataset(folder, { unknown: 'ignore' });
    expect(dataset).toMatchObject({ unknownDocuments: 0, unknownQueries: 1 });
    expect(dataset.qrels.has('q99')).toBe(false);
  });
});
