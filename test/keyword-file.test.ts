import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Frame, writeFrames } from '../lib/search/framed-file';
import { KeywordIndex } from '../lib/search/keyword-index';
import type { StoredDocument } from '../lib/search/types';
import { ROOT, temporaryFolder } from './support/models';

const DOCUMENTS: StoredDocument[] = [
  { id: 'mars', text: 'Mars is the red planet.', metadata: { lang: 'en', year: 2020, isPlanet: true } },
  { id: '__proto__', text: '半导体 lone \udfff surrogate', metadata: JSON.parse('{"__proto__":"zh"}') },
  { id: 'empty', text: '' },
];

function newPath(): string {
  return join(temporaryFolder(), 'index.keywords');
}

async function indexOf(documents: readonly StoredDocument[]): Promise<KeywordIndex> {
  const index = new KeywordIndex();
  await index.add(documents);
  return index;
}

async function savedBytes(index: KeywordIndex): Promise<Buffer> {
  const path = newPath();
  await index.save(path);
  return readFileSync(path);
}

/** How opening fails: `CODE: message`; `opened` where it does not. */
async function failure(path: string): Promise<string> {
  return KeywordIndex.open(path).then(
    () => 'opened',
    (error) => `${error.code}: ${error.message}`,
  );
}

describe('a saved index', () => {
  test('opens with the same documents, scores and bytes', async () => {
    const index = await indexOf(DOCUMENTS);
    const path = newPath();
    await index.save(path);
    const opened = await KeywordIndex.open(path);
    expect(await opened.get(DOCUMENTS.map(({ id }) => id))).toEqual(DOCUMENTS);
    for (const query of ['red planet', '半导体', 'surrogate', 'nothing']) {
      expect(await opened.query(query, { topK: 9 })).toEqual(await index.query(query, { topK: 9 }));
    }
    expect((await savedBytes(opened)).equals(readFileSync(path))).toBe(true);
  });

  test('opens where it has many frames, and goes on as before', async () => {
    // Several frames of documents, and of terms.
    const documents = Array.from({ length: 40 }, (_, i) => ({
      id: `d${i}`,
      text: Array.from({ length: 1000 }, (_, j) => `w${i % 20} ${'x'.repeat(25)}${i * 1000 + j}`).join(
        ' .......... ',
      ),
    }));
    const index = await indexOf(documents);
    const path = newPath();
    await index.save(path);
    expect(readFileSync(path).length).toBeGreaterThan(3 * 2 ** 20);
    const opened = await KeywordIndex.open(path);
    for (const each of [index, opened]) {
      await each.remove(['d1', 'd2', 'd3']);
      await each.add([{ id: 'd5', text: 'w1 w2 w3' }]);
    }
    const query = `w1 w2 w3 ${'x'.repeat(25)}39999`;
    const hits = await opened.query(query, { topK: 50 });
    expect(hits).toEqual(await index.query(query, { topK: 50 }));
    expect(hits.map(({ document }) => document.id).sort()).toEqual(['d21', 'd22', 'd23', 'd39', 'd5']);
    expect((await savedBytes(opened)).equals(await savedBytes(index))).toBe(true);
  });

  test('has no trace of what was removed', async () => {
    const index = await indexOf([{ id: 'secret', text: 'confidential' }, ...DOCUMENTS]);
    await index.remove(['secret']);
    const bytes = await savedBytes(index);
    expect(bytes.includes('secret') || bytes.includes('confidential')).toBe(false);
    expect(bytes.equals(await savedBytes(await indexOf(DOCUMENTS)))).toBe(true);
  });

  test('may be empty', async () => {
    const path = newPath();
    await new KeywordIndex().save(path);
    const opened = await KeywordIndex.open(path);
    expect(await opened.count()).toBe(0);
    expect(await opened.query('red', { topK: 1 })).toEqual([]);
  });

  test('has the changes asked for before it, and none asked for after', async () => {
    const path = newPath();
    const index = new KeywordIndex();
    await Promise.all([
      index.add([{ id: 'a', text: 'one' }]),
      index.save(path),
      index.add([{ id: 'b', text: 'two' }]),
    ]);
    expect(await (await KeywordIndex.open(path)).count()).toBe(1);
    expect(await index.count()).toBe(2);
  });

  test('has no texts where a store has them, and opens with that store only', async () => {
    const get = async (ids: readonly string[]) =>
      ids.map((id) => DOCUMENTS.find((document) => document.id === id));
    const index = await KeywordIndex.from(DOCUMENTS, { documents: { get } });
    const path = newPath();
    await index.save(path);
    expect(readFileSync(path).includes('Mars is the red planet.')).toBe(false);
    expect(await failure(path)).toMatch(/^ERR_INVALID_ARGUMENT: Expected the store that has the texts/);
    const opened = await KeywordIndex.open(path, { documents: { get } });
    expect((await opened.query('red', { topK: 1 }))[0]?.document).toEqual(DOCUMENTS[0]);
  });

  test('with texts opens with a store as well, and then keeps none', async () => {
    const path = newPath();
    await (await indexOf(DOCUMENTS)).save(path);
    const opened = await KeywordIndex.open(path, {
      documents: { get: async (ids) => ids.map(() => undefined) },
    });
    expect(await opened.query('red', { topK: 1 })).toEqual([]);
    expect((await savedBytes(opened)).includes('Mars is the red planet.')).toBe(false);
  });
});

describe('a file that is not whole is refused:', () => {
  test('cut at any byte', async () => {
    const bytes = await savedBytes(await indexOf(DOCUMENTS));
    const path = newPath();
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(path, bytes.subarray(0, length));
      expect([length, await failure(path)]).toEqual([length, expect.stringMatching(/^ERR_INDEX_INVALID: /)]);
    }
  });

  test('a bit of any byte turned', async () => {
    const bytes = await savedBytes(await indexOf(DOCUMENTS));
    const path = newPath();
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes);
      changed[i] = (changed[i] as number) ^ (1 << (i % 8));
      writeFileSync(path, changed);
      expect([i, await failure(path)]).toEqual([i, expect.stringMatching(/^ERR_INDEX_INVALID: /)]);
    }
  });

  test('with something after its end', async () => {
    const path = newPath();
    writeFileSync(path, Buffer.concat([await savedBytes(await indexOf(DOCUMENTS)), Buffer.of(0)]));
    expect(await failure(path)).toMatch(/^ERR_INDEX_INVALID: .*after its end/);
  });

  test('another kind of file', async () => {
    const path = newPath();
    writeFileSync(path, `${JSON.stringify({ an: 'index?' })}\n`.repeat(100));
    expect(await failure(path)).toMatch(/^ERR_INDEX_INVALID: .*it is no keyword index; make the index again/);
  });
});

describe('frames that do not fit together are refused, though their hash is right:', () => {
  const header = { words: 1, han: null, documents: 2, terms: 1, hasTexts: true };
  const rows = [
    ['a', 1, null, 'x'],
    ['b', 2, null, 'x x'],
  ];
  const terms = [['x', 2]];
  const postings = [1, 0, 2]; // document 0 once, document 1 twice

  interface Parts {
    header: unknown;
    rows: unknown;
    terms: unknown;
    postings: number[];
    extra: Frame[];
  }

  async function failureOf(changes: Partial<Parts>): Promise<string> {
    const parts = { header, rows, terms, postings, extra: [], ...changes };
    const path = newPath();
    await writeFrames(path, [
      { kind: 1, payload: Buffer.from(JSON.stringify(parts.header)) },
      { kind: 2, payload: Buffer.from(JSON.stringify(parts.rows)) },
      { kind: 3, payload: Buffer.from(JSON.stringify(parts.terms)) },
      { kind: 4, payload: Buffer.from(parts.postings) },
      ...parts.extra,
    ]);
    return failure(path);
  }

  test('they open as they are', async () => {
    expect(await failureOf({})).toBe('opened');
  });

  test.each<[string, Partial<Parts>]>([
    ['a header that is none', { header: 5 }],
    ['a header that is null', { header: null }],
    ['fewer documents', { rows: rows.slice(1) }],
    ['more documents', { rows: [...rows, ['c', 0, null, '']] }],
    ['an absurd number of documents', { header: { ...header, documents: 1e300 } }],
    ['no number of documents', { header: { ...header, documents: '2' } }],
    ['an id twice', { rows: [rows[0], ['a', 2, null, 'x x']] }],
    ['an empty id', { rows: [rows[0], ['', 2, null, 'x x']] }],
    ['no text', { rows: [rows[0], ['b', 2, null, null]] }],
    ['a text that is none', { rows: [rows[0], ['b', 2, null, 7]] }],
    ['metadata that is none', { rows: [rows[0], ['b', 2, 'en', 'x x']] }],
    ['rows that are none', { rows: { length: 2 } }],
    ['a row that is none', { rows: [rows[0], 5] }],
    ['negative words', { rows: [rows[0], ['b', -2, null, 'x x']] }],
    ['more words than postings', { rows: [rows[0], ['b', 3, null, 'x x']] }],
    ['fewer words than postings', { rows: [rows[0], ['b', 1, null, 'x x']] }],
    ['another number of terms', { header: { ...header, terms: 2 } }],
    ['a term that is none', { terms: [[7, 2]] }],
    ['terms that are none', { terms: 7 }],
    ['more postings than documents', { terms: [['x', 3]] }],
    ['an absurd number of postings', { terms: [['x', 1e300]] }],
    [
      'a term twice',
      {
        rows: [rows[0], ['b', 3, null, 'x x x']],
        terms: [
          ['x', 2],
          ['x', 1],
        ],
        postings: [1, 0, 2, 3],
      },
    ],
    ['no postings', { terms: [['x', 0]], postings: [] }],
    ['postings beyond the documents', { postings: [1, 2, 2] }],
    ['a frequency of 0', { rows: [rows[0], ['b', 0, null, '']], postings: [1, 0, 0] }],
    ['postings that end early', { postings: [1, 0] }],
    ['postings that never end', { postings: [1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff] }],
    ['bytes after the postings', { postings: [1, 0, 2, 1] }],
    ['a second header', { extra: [{ kind: 1, payload: Buffer.from(JSON.stringify(header)) }] }],
    ['an unknown frame', { extra: [{ kind: 9, payload: Buffer.alloc(0) }] }],
    ['no JSON', { extra: [{ kind: 3, payload: Buffer.from('{') }] }],
  ])('%s', async (_, changes) => {
    expect(await failureOf(changes)).toMatch(/^ERR_INDEX_INVALID: .* does not open: it is damaged/);
  });

  test('texts cut by another version, or Chinese by another method', async () => {
    expect(await failureOf({ header: { ...header, words: 0 } })).toMatch(
      /^ERR_INDEX_INVALID: .*another version/,
    );
    expect(await failureOf({ header: { ...header, han: 'bigrams' } })).toMatch(
      /^ERR_INDEX_INVALID: .*Chinese was cut by bigrams/,
    );
  });
});

describe('a place that cannot be read or written is told:', () => {
  test('no file', async () => {
    expect(await failure(newPath())).toMatch(/^ERR_STORE: cannot read .*ENOENT/);
  });

  test('a folder', async () => {
    expect(await failure(temporaryFolder())).toMatch(/^ERR_STORE: cannot read .*EISDIR/);
  });

  test('no folder to save to', async () => {
    const saved = (await indexOf(DOCUMENTS)).save(join(temporaryFolder(), 'missing', 'index'));
    await expect(saved).rejects.toMatchObject({
      code: 'ERR_STORE',
      message: expect.stringMatching(/cannot write .*ENOENT/),
    });
  });

  test('a folder in its place, and nothing is left beside it', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'index', 'full'), { recursive: true });
    const index = await indexOf(DOCUMENTS);
    await expect(index.save(join(folder, 'index'))).rejects.toMatchObject({ code: 'ERR_STORE' });
    expect(readdirSync(folder)).toEqual(['index']);
    await index.save(join(folder, 'other'));
    expect(readdirSync(folder).sort()).toEqual(['index', 'other']);
  });
});

describe('a process that is killed while it saves', () => {
  /** Saves over `path`, and is killed by its own hand at the given write, or instead of the given call. */
  function saveAndDie(path: string, at: { write?: number; call?: 'sync' | 'rename' }): void {
    const script = `
      const promises = require('node:fs/promises');
      const { KeywordIndex } = require(${JSON.stringify(join(ROOT, 'dist/lib/search/keyword-index.js'))});
      const [path, at] = JSON.parse(process.argv[1]);
      const die = () => process.kill(process.pid, 'SIGKILL');
      async function main() {
        const file = await promises.open(process.execPath);
        const handle = Object.getPrototypeOf(file);
        await file.close();
        const { write } = handle;
        let writes = 0;
        handle.write = function (...args) {
          return ++writes === at.write ? write.call(this, args[0], 0, 3).then(die) : write.apply(this, args);
        };
        if (at.call === 'sync') handle.sync = die;
        if (at.call === 'rename') promises.rename = die;
        const index = new KeywordIndex();
        await index.add([{ id: 'new', text: 'new words' }]);
        await index.save(path);
      }
      main();`;
    const { signal, stderr } = spawnSync(process.execPath, ['-e', script, JSON.stringify([path, at])], {
      encoding: 'utf8',
    });
    expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
  }

  test.each([
    { write: 1 },
    { write: 5 },
    { write: 11 },
    { call: 'sync' as const },
    { call: 'rename' as const },
  ])('at %j leaves the old file', async (at) => {
    const path = newPath();
    await (await indexOf(DOCUMENTS)).save(path);
    saveAndDie(path, at);
    const opened = await KeywordIndex.open(path);
    expect(await opened.count()).toBe(DOCUMENTS.length);
    expect(await opened.query('red', { topK: 5 })).toHaveLength(1);
    await opened.save(path);
    expect(await (await KeywordIndex.open(path)).count()).toBe(DOCUMENTS.length);
  });
});
