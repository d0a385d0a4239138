import type { Shape } from './shapes';
import { WORDS } from './words';

/** The tokenizer's files of a synthetic model: every word of {@link WORDS} is one token. */
export interface TokenizerFiles {
  tokenizer: object;
  config: object;
}

interface SpecialToken {
  id: number;
  content: string;
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const MARKS = ',.?!-0123456789';

export function tokenizerFiles(shape: Shape): TokenizerFiles {
  return shape.modelType === 'bert' ? wordPiece(shape.vocabSize) : unigram(shape.vocabSize);
}

/** As BERT's: lower case, WordPiece, `[CLS] A [SEP] B [SEP]`. */
function wordPiece(size: number): TokenizerFiles {
  const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
  const letters = [...LETTERS, ...MARKS].flatMap((letter) => [letter, `##${letter}`]);
  const pieces = [
    ...special,
    ...fill([...letters, ...WORDS], size - special.length, (text, i) => (i % 4 ? text : `##${text}`)),
  ];
  const [, , cls, sep] = special as [string, string, string, string, string];
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: special.map((content, id) => addedToken({ id, content })),
      normalizer: {
        type: 'BertNormalizer',
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: null,
        lowercase: true,
      },
      pre_tokenizer: { type: 'BertPreTokenizer' },
      post_processor: template([cls, 'A', sep, 'B', sep], { [cls]: 2, [sep]: 3 }, true),
      decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
      model: {
        type: 'WordPiece',
        unk_token: '[UNK]',
        continuing_subword_prefix: '##',
        max_input_chars_per_word: 100,
        vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      },
    },
    config: {
      tokenizer_class: 'BertTokenizerFast',
      model_max_length: 512,
      model_input_names: ['input_ids', 'token_type_ids', 'attention_mask'],
      pad_token: '[PAD]',
    },
  };
}

/** As XLM-RoBERTa's: Unigram over Metaspace, `<s> A </s></s> B </s>`. */
function unigram(size: number): TokenizerFiles {
  const special = ['<s>', '<pad>', '</s>', '<unk>'];
  const mask = { id: size - 1, content: '<mask>' };
  const letters = ['▁', ...LETTERS, ...MARKS];
  const words = WORDS.map((word) => `▁${word}`);
  const pieces = fill([...letters, ...words], size - special.length - 1, (text, i) =>
    i % 4 ? `▁${text}` : text,
  );
  const vocabulary = [...special, ...pieces, mask.content].map((piece, id): [string, number] => {
    if (id < special.length || id === mask.id) return [piece, 0];
    // Zipf: log probabilities fall with the rank; single letters are the last resort.
    return [piece, [...piece].length === 1 ? -20 : -3 - Math.log(id)];
  });
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: [...special.map((content, id) => ({ id, content })), mask].map(addedToken),
      normalizer: { type: 'NFKC' },
      pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace] },
      post_processor: template(['<s>', 'A', '</s>', '</s>', 'B', '</s>'], { '<s>': 0, '</s>': 2 }, false),
      decoder: metaspace,
      model: { type: 'Unigram', unk_id: 3, vocab: vocabulary, byte_fallback: false },
    },
    config: {
      tokenizer_class: 'XLMRobertaTokenizerFast',
      model_max_length: 512,
      model_input_names: ['input_ids', 'attention_mask'],
      pad_token: '<pad>',
    },
  };
}

/** `pair` spells the template: `A`, `B` and special tokens. */
function template(pair: readonly string[], ids: Record<string, number>, typed: boolean): object {
  const secondFrom = pair.indexOf('B');
  const parts = pair.map((name, i) => {
    const type_id = typed && i >= secondFrom ? 1 : 0;
    return name in ids ? { SpecialToken: { id: name, type_id } } : { Sequence: { id: name, type_id } };
  });
  const tokens = Object.entries(ids).map(([name, id]) => [name, { id: name, ids: [id], tokens: [name] }]);
  return {
    type: 'TemplateProcessing',
    single: parts.slice(0, 3),
    pair: parts,
    special_tokens: Object.fromEntries(tokens),
  };
}

function addedToken(token: SpecialToken): object {
  return { ...token, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
}

/** Completes `pieces` to `size` by made-up words of syllables. */
function fill(pieces: readonly string[], size: number, spell: (text: string, i: number) => string): string[] {
  const all = new Set(pieces);
  for (let i = 0; all.size < size; i++) all.add(spell(syllables(i), i));
  return [...all].slice(0, size);
}

export function syllables(n: number): string {
  const consonants = 'bdfgklmnprstvz';
  const vowels = 'aeiou';
  let text = '';
  for (let rest = n + consonants.length * vowels.length; rest > 0; ) {
    text +=
      (consonants[rest % consonants.length] as string) +
      vowels[Math.floor(rest / consonants.length) % vowels.length];
    rest = Math.floor(rest / (consonants.length * vowels.length));
  }
  return text;
}
