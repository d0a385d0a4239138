import { Reranker } from '../lib';
import { type Chunk, Chunker, type ChunkerOptions } from '../lib/search/chunker';
import type { Tokenizer } from '../lib/tokenize';
import { fixture } from './support/models';

let model: Reranker;
beforeAll(async () => {
  model = await Reranker.load(fixture('xlm-roberta'), { precision: 'fp32' });
});
afterAll(() => model.dispose());

/** A token a word or punctuation mark, and one a Chinese character: so that tests can count. */
const BY_WORD: Tokenizer = {
  async tokenize(texts) {
    return texts.map((text) => {
      const found = [...text.matchAll(/\p{Script=Han}|[\p{L}\p{N}_]+|[^\s]/gu)];
      return {
        ids: new Uint32Array(found.length),
        starts: Uint32Array.from(found, ({ index }) => index),
        ends: Uint32Array.from(found, (each) => each.index + each[0].length),
      };
    });
  },
};

const countOf = async (text: string, tokenizer = BY_WORD): Promise<number> =>
  ((await tokenizer.tokenize([text]))[0] as { ids: Uint32Array }).ids.length;

function chunk(text: string, options: Partial<ChunkerOptions> = {}): Promise<Chunk[]> {
  return new Chunker({ tokenizer: BY_WORD, ...options }).chunk({ id: 'doc', text });
}

/** Chunks of at most 16 tokens, no overlap, one a sentence where sentences have 9 tokens or more. */
const ownTexts = async (text: string, options: Partial<ChunkerOptions> = {}): Promise<string[]> => {
  const chunks = await chunk(text, { maxTokens: 16, overlapTokens: 0, minTokens: 0, ...options });
  return chunks.map(({ start, end }) => text.slice(start, end));
};

describe('sentences', () => {
  test('Chinese ones end with their own marks, a closing quote included', async () => {
    const sentences = [
      '今天天气很好，我们去公园散步吧！',
      '他说：“这本书真的非常有意思。”',
      '你知道检索增强生成是什么吗？',
      '数据库索引可以加快查询的速度；',
      '价格是3.5元，重量是12.75公斤……',
      '后来我们就一起回家吃晚饭了。',
    ];
    expect(await ownTexts(sentences.join(''))).toEqual(sentences);
  });

  test('English ones are not cut at abbreviations, decimals, initials, numbering or addresses', async () => {
    const sentences = [
      'Dr. Smith and Prof. J. R. Jones paid $3.14 for it.',
      'See https://example.org/a.b?x=1&y=2!z for more.',
      '"Is it really so?" she asked him very quietly.',
      'The U.S. Army, i.e. Fig. 3, wants e.g. this one.',
    ];
    expect(await ownTexts(sentences.join(' '), { maxTokens: 32 })).toEqual(sentences);
  });

  test('a text of both languages is cut by the marks of both', async () => {
    const sentences = [
      'RAG 是 retrieval-augmented generation 的缩写，也就是检索增强生成。',
      'It was introduced by Lewis et al. in the year 2020.',
      '我们用 v2.0 的 API，见 https://a.cn/x?y=1。',
      'OK, that is really all that I have to say!',
    ];
    expect(
      await ownTexts(`${sentences[0]}${sentences[1]} ${sentences[2]}${sentences[3]}`, { maxTokens: 24 }),
    ).toEqual(sentences);
  });

  test('a line break within a paragraph ends no sentence', async () => {
    const wrapped =
      'This sentence is wrapped\nover two lines of text. This one\nis wrapped over two lines too.';
    expect(await ownTexts(wrapped)).toEqual([
      'This sentence is wrapped\nover two lines of text.',
      'This one\nis wrapped over two lines too.',
    ]);
  });

  test('one that is too long is cut between clauses, words, and then characters', async () => {
    const clauses =
      'one two three four five six seven eight nine ten, eleven twelve thirteen fourteen fifteen sixteen';
    expect((await ownTexts(clauses))[0]).toBe('one two three four five six seven eight nine ten,');
    for (const part of await ownTexts('word '.repeat(50))) expect(part).toMatch(/^word( word)*$/);
    const families = '👨‍👩‍👧‍👦'.repeat(20);
    for (const part of await ownTexts(families)) expect(part).toMatch(/^(👨‍👩‍👧‍👦)+$/u);
    const chinese = '我们需要把这一句没有任何标点的非常非常长的句子切开来看看结果怎么样';
    for (const part of await ownTexts(chinese)) expect(await countOf(part)).toBeLessThanOrEqual(16);
    expect((await ownTexts(chinese)).join('')).toBe(chinese);
  });
});

describe('blocks', () => {
  test('paragraphs, list items, lines of code and rows of tables are kept whole', async () => {
    const blocks = [
      'A paragraph of some nine words is this one',
      '- a list item without a full stop at all',
      '- another list item with as many words in it',
      '1. a numbered item that has some words as well',
    ];
    expect(await ownTexts(blocks.join('\n').replace('\n', '\n\n'))).toEqual(blocks);
    const lines = ['const a = f(1); // What? No.', 'return a.b?.c ?? d;', 'x = { y: [1, 2, 3] };'];
    for (const part of await ownTexts(`\`\`\`js\n${lines.join('\n')}\n# no heading\n\`\`\``)) {
      for (const line of part.split('\n')) expect([...lines, '```js', '# no heading', '```']).toContain(line);
    }
    const rows = ['| name | what it is. |', '| --- | --- |', '| a | Of A. And B. |', '| c | Of C. And D. |'];
    for (const part of await ownTexts(rows.join('\n'))) {
      for (const row of part.split('\n')) expect(rows).toContain(row);
    }
  });

  test('a chunk ends with a paragraph where that makes it half full', async () => {
    const text =
      'One two three four. Five six seven eight.\n\nNine ten eleven twelve. More words than fit are here.';
    expect(await ownTexts(text)).toEqual([
      'One two three four. Five six seven eight.',
      'Nine ten eleven twelve. More words than fit are here.',
    ]);
  });
});

describe('headings', () => {
  const words = (count: number, name: string) => `${Array.from({ length: count }, () => name).join(' ')}.`;
  const text = [
    '# Handbook',
    words(30, 'intro'),
    '## Install',
    words(30, 'linux'),
    words(30, 'macos'),
    '### Windows',
    words(30, 'windows'),
    '## Use',
    words(30, 'use'),
  ].join('\n\n');

  test('a section begins a chunk, and chunks further down repeat the headings that they do not contain', async () => {
    const chunks = await chunk(text, { maxTokens: 48, minTokens: 8, overlapTokens: 0 });
    expect(chunks.map((each) => each.text.replace(/(\w+)( \1)+/g, '$1'))).toEqual([
      '# Handbook\n\nintro.',
      '# Handbook\n\n## Install\n\nlinux.',
      '# Handbook\n## Install\n\nmacos.',
      '# Handbook\n## Install\n\n### Windows\n\nwindows.',
      '# Handbook\n\n## Use\n\nuse.',
    ]);
    for (const { start, end, text: embedded } of chunks) {
      expect(embedded.endsWith(text.slice(start, end))).toBe(true);
      expect(await countOf(embedded)).toBeLessThanOrEqual(48);
    }
  });

  test('keepHeadings: false leaves text alone', async () => {
    for (const each of await chunk(text, { maxTokens: 48, keepHeadings: false })) {
      expect(each.text).toBe(text.slice(each.start, each.end));
    }
  });

  test('short sections share a chunk, and a heading stays with what it stands above', async () => {
    const short = '# A\n\nOne.\n\n# B\n\nTwo.\n\n# C\n\nThree.';
    expect((await chunk(short)).map((each) => each.text)).toEqual([short]);
    const [first, second] = await chunk(`${words(12, 'a')}\n\n# Title\n\n${words(10, 'b')}`, {
      ...{ maxTokens: 16, minTokens: 0, overlapTokens: 0 },
    });
    expect(first?.text).toBe(words(12, 'a'));
    expect(second?.text).toBe(`# Title\n\n${words(10, 'b')}`);
  });
});

describe('chunks', () => {
  test('overlap is whole sentences, as far as they fit', async () => {
    const sentences = Array.from({ length: 12 }, (_, i) => `Sentence ${i} has six tokens.`);
    const chunks = await chunk(sentences.join(' '), { maxTokens: 24, overlapTokens: 8, minTokens: 0 });
    expect(chunks.map((each) => each.text)).toEqual(
      [0, 3, 6, 9].map((first, i) => sentences.slice(Math.max(0, i === 0 ? 0 : first), first + 4).join(' ')),
    );
    for (const [i, { start }] of chunks.entries()) {
      if (i > 0) expect(start).toBeLessThan((chunks[i - 1] as Chunk).end);
    }
  });

  test('say where they come from, and carry the metadata', async () => {
    const metadata = { lang: 'en', year: 2024 };
    const document = { id: 'a/b', text: 'One sentence. '.repeat(40), metadata };
    const chunks = await new Chunker({ tokenizer: BY_WORD, maxTokens: 32 }).chunk(document);
    expect(chunks.length).toBeGreaterThan(3);
    for (const [i, each] of chunks.entries()) {
      expect(each).toMatchObject({ id: `a/b#${i}`, documentId: 'a/b', metadata });
      expect(document.text.slice(each.start, each.end)).toBe(each.text);
    }
    expect(chunks[0]?.metadata).not.toBe(metadata);
    expect(await chunk('')).toEqual([]);
    expect(await chunk(' \n\t\u3000\n')).toEqual([]);
    expect(await chunk('x')).toEqual([{ id: 'doc#0', documentId: 'doc', text: 'x', start: 0, end: 1 }]);
  });
});

/** Numbers below a limit, the same in every run. */
function random(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state * 48271) % 2147483647;
    return state % limit;
  };
}

const PARTS = [
  'word',
  ' ',
  ' ',
  '. ',
  '\n',
  '\n\n',
  '? ',
  '。',
  '；',
  '……',
  '，',
  '！”',
  '中文',
  '检索',
  '# ',
  '## Title\n',
  '\n### ',
  '```\n',
  '~~~',
  '- ',
  '1. ',
  '| a | b |\n',
  'Dr. ',
  'e.g. ',
  '3.14',
  'https://a.b/c?d=e',
  '👍🏽',
  '👨‍👩‍👧‍👦',
  '🇩🇪',
  '\ud83d',
  '\udc4d',
  'e\u0301'.repeat(3),
  '\u0000',
  '\ufeff',
  '\u200b',
  '\r\n',
  '\u2028',
  'x'.repeat(90),
  '好'.repeat(70),
  '\t',
  '(',
  ')',
  '"',
  '…',
];

describe('over random texts', () => {
  test('all that is not white space is in a chunk, in order, within limits, between whole characters', async () => {
    const next = random(7);
    for (let round = 0; round < 150; round++) {
      const text = Array.from({ length: next(250) }, () => PARTS[next(PARTS.length)]).join('');
      const maxTokens = 16 + next(60);
      const options = {
        ...{ maxTokens, overlapTokens: next(maxTokens >> 1), minTokens: next(maxTokens >> 1) },
        ...{ keepHeadings: next(2) === 0, tokenizer: round % 3 === 0 ? model : BY_WORD },
      };
      const chunks = await chunk(text, options);
      let covered = 0;
      let before = -1;
      for (const { start, end, text: embedded } of chunks) {
        expect(start).toBeGreaterThan(before);
        expect(text.slice(covered, Math.max(start, covered)).trim()).toBe('');
        expect(end).toBeGreaterThan(covered);
        expect(isPairAt(text, start) || isPairAt(text, end)).toBe(false);
        expect(embedded.endsWith(text.slice(start, end))).toBe(true);
        covered = end;
        before = start;
        if (options.tokenizer === BY_WORD) expect(await countOf(embedded)).toBeLessThanOrEqual(maxTokens);
      }
      expect(text.slice(covered).trim()).toBe('');
    }
  });
});

function isPairAt(text: string, index: number): boolean {
  return /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(index - 1, index + 1));
}

describe('many documents', () => {
  const documents = Array.from({ length: 300 }, (_, i) => ({
    id: `d${i}`,
    text: `Sentence ${i} is this. `.repeat(60),
  }));

  test('come out as one by one, from an array or a stream', async () => {
    const chunker = new Chunker({ tokenizer: model, maxTokens: 64 });
    const expected: Chunk[] = [];
    for (const document of documents.slice(0, 20)) expected.push(...(await chunker.chunk(document)));
    for (const source of [documents.slice(0, 20), stream(documents.slice(0, 20))]) {
      const actual: Chunk[] = [];
      for await (const each of chunker.chunkAll(source)) actual.push(each);
      expect(actual).toEqual(expected);
    }
  });

  test('of a stream, no more is read ahead than what is tokenized at once', async () => {
    let read = 0;
    const counted = stream(documents, () => read++);
    const chunks = new Chunker({ tokenizer: BY_WORD }).chunkAll(counted);
    await chunks.next();
    const units = (documents[0] as { text: string }).text.length;
    expect(read).toBeLessThanOrEqual(Math.ceil((256 * 1024) / units) + 1);
    expect(read).toBeLessThan(documents.length);
    await chunks.return();
  });

  async function* stream<T>(items: T[], seen: () => void = () => {}): AsyncGenerator<T> {
    for (const item of items) {
      seen();
      yield item;
    }
  }
});

describe('refuses', () => {
  // biome-ignore lint/suspicious/noExplicitAny: these calls are wrong on purpose
  type Wrong = any;

  test.each<[string, Wrong, RegExp]>([
    ['no tokenizer', {}, /Expected an object with tokenize\(texts\).* for tokenizer but received undefined/],
    [
      'an unknown option',
      { tokenizer: BY_WORD, size: 5 },
      /Unknown option "size"; known are tokenizer, maxTokens/,
    ],
    ['chunks of 5 tokens', { tokenizer: BY_WORD, maxTokens: 5 }, /an integer from 16 .* for maxTokens/],
    [
      'an overlap of more than half',
      { tokenizer: BY_WORD, maxTokens: 64, overlapTokens: 33 },
      /from 0 to 32/,
    ],
    ['a minTokens of more than half', { tokenizer: BY_WORD, minTokens: 200 }, /from 0 to 128 for minTokens/],
    [
      'keepHeadings that is no boolean',
      { tokenizer: BY_WORD, keepHeadings: 1 },
      /a boolean for keepHeadings/,
    ],
  ])('%s', (_, options, message) => {
    expect(() => new Chunker(options)).toThrow(message);
  });

  test.each<[string, Wrong]>([
    ['a document without an id', { text: 'a' }],
    ['a text that is no string', { id: 'a', text: 5 }],
    ['metadata that is nested', { id: 'a', text: 'a', metadata: { a: {} } }],
  ])('%s', async (_, document) => {
    await expect(new Chunker({ tokenizer: BY_WORD }).chunk(document)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
  });

  test('what a tokenizer answers that is not tokens', async () => {
    const tokenizer = { tokenize: async () => [] };
    await expect(new Chunker({ tokenizer }).chunk({ id: 'a', text: 'a' })).rejects.toThrow(
      /Tokens .* for tokenizer/,
    );
  });
});
