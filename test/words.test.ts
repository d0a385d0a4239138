import { hanMethod, wordsOf } from '../lib/search/words';

/** Words of each text, joined so that a failure reads well. */
function cut(text: string): string {
  return wordsOf(text).join(' ');
}

describe('words of texts with spaces', () => {
  test.each([
    ['case', 'The RED Planet', 'the red planet'],
    ['punctuation', 'state-of-the-art, "really"? (yes!)', 'state of the art really yes'],
    ['apostrophes, straight and curly', "don't l’homme", 'don t l homme'],
    ['numbers', '3.14 1,000 80', '3 14 1 000 80'],
    ['identifiers', 'max_tokens getUserName std::vector', 'max token getusername std vector'],
    ['accents', 'café naïve Ångström Ёлка Ελλάδα', 'cafe naive angstrom елка ελλαδα'],
    ['width and ligatures', 'Ｃａｆｅ　１２３ ﬁne x²', 'cafe 123 fine x2'],
    ['soft hyphens', 'co\u00adoperate', 'cooperate'],
    ['a capital I with a dot', 'İstanbul', 'istanbul'],
    ['scripts whose marks are vowels', 'हिन्दी में', 'हिन्दी में'],
    ['right to left', 'שלום עולם', 'שלום עולם'],
    ['words that objects have', '__proto__ constructor toString', 'proto constructor tostring'],
  ])('%s', (_, text, words) => {
    expect(cut(text)).toBe(words);
  });

  // The rules and their exceptions, from the table of Harman (1991).
  test('English plurals are singulars', () => {
    expect(cut('planets queries houses')).toBe('planet query house');
    expect(cut('status class gas his')).toBe('status class gas his');
    expect(cut('heroes trees daies')).toBe('heroe tree daie');
  });

  test('composed and decomposed letters are the same', () => {
    expect(wordsOf('caf\u00e9 \uac00\uac01')).toEqual(wordsOf('cafe\u0301 \u1100\u1161\u1100\u1161\u11a8'));
  });

  test('a word of any length counts by its first 64 letters', () => {
    expect(wordsOf('x'.repeat(1_000_000))).toEqual(['x'.repeat(64)]);
    expect(wordsOf('𝔵é'.repeat(1000))).toEqual(['xe'.repeat(32)]);
  });
});

describe('no words', () => {
  test.each([
    ['an empty text', ''],
    ['white space', ' \t\n\u3000\u00a0'],
    ['punctuation', '...!? ——《》「」、。'],
    ['emoji', '😀🎉👩‍👩‍👧‍👦🇩🇪'],
    ['halves of surrogate pairs', '\ud83d \ude00'],
    ['marks alone', '\u0301\u3099'],
  ])('%s', (_, text) => {
    expect(wordsOf(text)).toEqual([]);
  });

  test('emoji part words', () => {
    expect(cut('red😀planet')).toBe('red planet');
  });
});

describe('words of texts without spaces', () => {
  test('Chinese is cut into words, and long words into shorter ones as well', () => {
    expect(hanMethod()).toBe('jieba');
    expect(cut('日本半导体产业')).toBe('日本 半导 导体 半导体 产业');
    expect(cut('北京大学在海淀区')).toContain('北京大学');
  });

  test('Chinese beside Latin letters and digits', () => {
    expect(cut('上世纪80年代的iPhones手机。RAG检索')).toBe('上 世纪 80 年代 的 iphone 手机 rag 检索');
    expect(wordsOf(`手机${'x'.repeat(1000)}`)).toEqual(['手机', 'x'.repeat(64)]);
  });

  test('characters beyond the first plane are whole', () => {
    const words = wordsOf('𠮷野家');
    expect(words.join('')).toBe('𠮷野家');
    expect(words.every((word) => !/[\ud800-\udfff]/u.test(word))).toBe(true);
  });

  test('kanji are cut alike alone and in a sentence', () => {
    const alone = wordsOf('機械学習');
    expect(wordsOf('機械学習を学ぶ').slice(0, alone.length)).toEqual(alone);
  });

  test('katakana words stay whole, half width or full', () => {
    expect(wordsOf('コンピューターを買う')).toContain('コンピューター');
    expect(wordsOf('ｺﾝﾋﾟｭｰﾀｰ')).toEqual(wordsOf('コンピューター'));
  });

  test('Thai is cut by a dictionary', () => {
    expect(wordsOf('ภาษาไทยง่ายมาก')).toContain('ไทย');
  });

  test('a Korean word is found beneath its particle', () => {
    const word = wordsOf('한국어');
    expect(word).toEqual(['한국', '국어']);
    expect(wordsOf('한국어를 배우다')).toEqual([...word, '어를', '배우', '우다']);
    expect(wordsOf('나')).toEqual(['나']);
  });

  test('without jieba Chinese becomes pairs of characters', () => {
    jest.isolateModules(() => {
      jest.doMock('@node-rs/jieba', () => {
        throw new Error('Cannot find native binding');
      });
      const words = require('../lib/search/words') as typeof import('../lib/search/words');
      expect(words.hanMethod()).toBe('bigrams');
      expect(words.wordsOf('半导体 RAG 水')).toEqual(['半导', '导体', 'rag', '水']);
    });
    jest.dontMock('@node-rs/jieba');
  });
});

test('a huge text of one script or many is cut', () => {
  expect(wordsOf('word '.repeat(200_000))).toHaveLength(200_000);
  expect(wordsOf('半导体'.repeat(50_000)).length).toBeGreaterThan(50_000);
  const mixed = 'a半カ한ไ1';
  expect(wordsOf(mixed.repeat(20_000)).length).toBeGreaterThan(100_000);
});
