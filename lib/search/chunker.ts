import { types } from 'node:util';
import { invalidArgument } from '../errors';
import { checkBoolean, checkInteger, checkNames } from '../option-checks';
import type { Tokenizer, Tokens } from '../tokenize';
import { checkDocuments } from './checks';
import { type ChunkSizes, planChunks } from './chunk-plan';
import { TokenMap } from './token-map';
import type { StoredDocument } from './types';

/** Options of {@link Chunker}. */
export interface ChunkerOptions {
  /** What counts tokens: the `Embedder` that chunks are for, a `Reranker`, or a tokenizer of yours. */
  tokenizer: Tokenizer;
  /**
   * Tokens of a chunk at most, as they are counted in the whole document; a chunk by itself may have one or two more, and
   * a model adds its special tokens.
   * @defaultValue 256
   */
  maxTokens?: number;
  /** A chunk begins with the last whole sentences of the one before, as far as they have so many tokens. @defaultValue 32 */
  overlapTokens?: number;
  /** A section shorter than this shares a chunk with the next one. @defaultValue 32, or a quarter of `maxTokens` */
  minTokens?: number;
  /** Whether {@link Chunk.text} begins with the headings that the chunk stands under. @defaultValue `true` */
  keepHeadings?: boolean;
}

/** The id of a document's chunk: that of the document, `#`, and the chunk's number, from 0. */
export function chunkId(documentId: string, number: number): string {
  return `${documentId}#${number}`;
}

/** A part of a document, as a store can keep it. */
export interface Chunk extends StoredDocument {
  /** As {@link chunkId} gives: `handbook#12`. */
  id: string;
  /**
   * What to embed and to score: the chunk's own text, `document.text.slice(start, end)`, and, before it, separated by an
   * empty line, the Markdown headings that it stands under and does not contain, one a line, the outermost first.
   */
  text: string;
  documentId: string;
  /** Where its own text lies in the document's, in UTF-16 code units. */
  start: number;
  end: number;
}

const DEFAULT_MAX_TOKENS = 256;
const DEFAULT_OVERLAP_TOKENS = 32;
const DEFAULT_MIN_TOKENS = 32;
const LEAST_TOKENS = 16;
const MOST_TOKENS = 1 << 20;
const CHUNKER_OPTIONS = ['tokenizer', 'maxTokens', 'overlapTokens', 'minTokens', 'keepHeadings'];

/** Units of text that are tokenized in one call, and the most that are held of a stream beside one document. */
const UNITS_AT_ONCE = 256 * 1024;

/**
 * Cuts documents into chunks for an index, between paragraphs and sentences.
 *
 * - A chunk takes as many whole sentences as fit, and ends with a paragraph rather than within one where that makes it at
 *   least half full. A sentence that is too long by itself is cut between lines, clauses or words, else between
 *   characters; a character (grapheme) is cut only where it alone is too long, a surrogate pair never.
 * - Sentences are those of Unicode (`Intl.Segmenter`), corrected for Chinese semicolons, abbreviations, numbering,
 *   addresses and wrapped lines. Lines of code blocks and tables count as sentences.
 * - A Markdown heading (`#` to `######`) begins a chunk, unless what is before it is shorter than `minTokens`. Chunks
 *   further down its section repeat it, and those above it, in {@link Chunk.text}, the innermost first to be kept where
 *   all of them would take more than a quarter of `maxTokens`.
 * - Everything in a document that is not white space is in at least one chunk; one of white space alone has none.
 *
 * Cutting runs in the event loop, a few milliseconds a turn; tokens are counted on other threads.
 */
export class Chunker {
  readonly #tokenizer: Tokenizer;
  readonly #sizes: ChunkSizes;

  /** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` */
  constructor(options: ChunkerOptions) {
    checkNames(options, CHUNKER_OPTIONS);
    const { tokenizer, maxTokens = DEFAULT_MAX_TOKENS, keepHeadings = true } = options;
    if (typeof tokenizer?.tokenize !== 'function') {
      throw invalidArgument('tokenizer', 'an object with tokenize(texts), such as a Reranker,', tokenizer);
    }
    checkInteger('maxTokens', maxTokens, LEAST_TOKENS, MOST_TOKENS);
    const most = Math.floor(maxTokens / 2);
    checkInteger('overlapTokens', options.overlapTokens, 0, most);
    checkInteger('minTokens', options.minTokens, 0, most);
    checkBoolean('keepHeadings', keepHeadings);
    this.#tokenizer = tokenizer;
    this.#sizes = {
      maxTokens,
      keepHeadings,
      overlapTokens: options.overlapTokens ?? Math.min(DEFAULT_OVERLAP_TOKENS, most),
      minTokens: options.minTokens ?? Math.min(DEFAULT_MIN_TOKENS, Math.floor(maxTokens / 4)),
    };
  }

  /**
   * The chunks of one document, in the order of its text.
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`; what the tokenizer rejects with
   */
  async chunk(document: StoredDocument): Promise<Chunk[]> {
    checkDocuments([document], 'document');
    const [tokens] = await this.#tokenizer.tokenize([document.text]);
    return this.#cut(document, tokens);
  }

  /**
   * The chunks of many documents, in their order, as they are asked for: of a stream no more is held than what is
   * tokenized at once, about 256 K characters, or one document that is longer.
   * @throws as {@link Chunker.chunk}, and what the stream throws
   */
  async *chunkAll(
    documents: Iterable<StoredDocument> | AsyncIterable<StoredDocument>,
  ): AsyncGenerator<Chunk, void, undefined> {
    let batch: StoredDocument[] = [];
    let units = 0;
    for await (const document of documents) {
      checkDocuments([document], 'document');
      batch.push(document);
      units += document.text.length;
      if (units < UNITS_AT_ONCE) continue;
      yield* this.#cutAll(batch);
      batch = [];
      units = 0;
    }
    yield* this.#cutAll(batch);
  }

  async *#cutAll(documents: readonly StoredDocument[]): AsyncGenerator<Chunk, void, undefined> {
    const tokens = await this.#tokenizer.tokenize(documents.map(({ text }) => text));
    for (const [i, document] of documents.entries()) yield* await this.#cut(document, tokens[i]);
  }

  async #cut({ id, text, metadata }: StoredDocument, tokens: Tokens | undefined): Promise<Chunk[]> {
    if (!types.isUint32Array(tokens?.starts)) {
      throw invalidArgument('tokenizer', 'Tokens with Uint32Array starts for each text', tokens);
    }
    const planned = await planChunks(text, new TokenMap(tokens as Tokens), this.#sizes);
    return planned.map(({ start, end, headings }, number) => {
      const lines = headings.map((heading) => text.slice(heading.start, heading.end));
      const own = text.slice(start, end);
      return {
        id: chunkId(id, number),
        text: lines.length === 0 ? own : `${lines.join('\n')}\n\n${own}`,
        ...(metadata === undefined ? {} : { metadata: { ...metadata } }),
        documentId: id,
        start,
        end,
      };
    });
  }
}
