import { CrossrankError, invalidArgument } from '../errors';
import { type Frame, invalidIndex, readFrames, writeFrames } from './framed-file';
import type { InvertedIndex } from './inverted-index';
import { KeywordDocuments } from './keyword-documents';
import { decodePostings } from './postings';
import type { Metadata } from './types';
import { type HanMethod, hanMethod, WORDS_VERSION } from './words';

// Kinds of frames, in the order of the file; the latter three repeat.
/** JSON, a {@link Header}. */
const HEADER = 1;
/** JSON, an array of {@link DocumentRow}. */
const DOCUMENTS = 2;
/** JSON, an array of {@link TermRow}. */
const TERMS = 3;
/** The postings of the terms before, one after the other, as `Postings` encodes them. */
const POSTINGS = 4;

/** Where a frame ends: what is done in one turn of the event loop. */
const FRAME_BYTES = 1 << 18;

interface Header {
  /** {@link WORDS_VERSION}. */
  words: number;
  /** How the Chinese in it was cut; null where there is none. */
  han: HanMethod | null;
  documents: number;
  terms: number;
  hasTexts: boolean;
}

type DocumentRow = [id: string, words: number, metadata: Metadata | null, text: string | null];
type TermRow = [word: string, postings: number];

/** @param documents - None of them removed */
export function saveKeywords(path: string, documents: KeywordDocuments, hasTexts: boolean): Promise<void> {
  return writeFrames(path, framesOf(documents, hasTexts));
}

function* framesOf(documents: KeywordDocuments, hasTexts: boolean): Generator<Frame> {
  const header: Header = {
    words: WORDS_VERSION,
    han: documents.words.hasWord(/\p{sc=Han}/u) ? hanMethod() : null,
    documents: documents.count,
    terms: documents.words.terms,
    hasTexts,
  };
  yield jsonFrame(HEADER, header);
  yield* documentFrames(documents);
  yield* termFrames(documents.words);
}

function* documentFrames(documents: KeywordDocuments): Generator<Frame> {
  let rows: DocumentRow[] = [];
  let bytes = 0;
  for (const [{ id, metadata, text }, words] of documents.entries()) {
    rows.push([id, words, metadata ?? null, text ?? null]);
    bytes += 64 + id.length + (text?.length ?? 0);
    if (bytes < FRAME_BYTES) continue;
    yield jsonFrame(DOCUMENTS, rows);
    rows = [];
    bytes = 0;
  }
  yield jsonFrame(DOCUMENTS, rows);
}

function* termFrames(index: InvertedIndex): Generator<Frame> {
  let rows: TermRow[] = [];
  let lists: Uint8Array[] = [];
  let bytes = 0;
  for (const { word, count, encoded } of index.encodedLists()) {
    rows.push([word, count]);
    lists.push(encoded.slice());
    bytes += word.length + encoded.length;
    if (bytes < FRAME_BYTES) continue;
    yield jsonFrame(TERMS, rows);
    yield { kind: POSTINGS, payload: Buffer.concat(lists) };
    rows = [];
    lists = [];
    bytes = 0;
  }
  yield jsonFrame(TERMS, rows);
  yield { kind: POSTINGS, payload: Buffer.concat(lists) };
}

function jsonFrame(kind: number, value: unknown): Frame {
  return { kind, payload: Buffer.from(JSON.stringify(value)) };
}

/**
 * @param hasStore - Whether texts come from a store, and those of the file are not kept
 * @throws {@link CrossrankError} with `ERR_INDEX_INVALID`, `ERR_STORE`, or `ERR_INVALID_ARGUMENT` where neither the file
 * nor a store has texts
 */
export async function openKeywords(path: string, hasStore: boolean): Promise<KeywordDocuments> {
  const reader = new KeywordReader(path, hasStore);
  for await (const { kind, payload } of readFrames(path)) {
    try {
      reader.take(kind, payload);
    } catch (error) {
      // What is read here is known to be whole only at the end, so that it may be anything.
      throw error instanceof CrossrankError ? error : invalidIndex(path, 'it is damaged');
    }
  }
  return reader.finish();
}

/** Puts an index together from frames. What does not fit together is refused, whatever the file's hash says. */
class KeywordReader {
  readonly #path: string;
  readonly #hasStore: boolean;
  readonly #documents = new KeywordDocuments();
  #header: Header | undefined;
  #terms: TermRow[] = [];
  /** By document: words that its postings have not accounted for yet. */
  #missing = new Uint32Array(0);
  /** Room for one postings list. */
  #list = { documents: new Uint32Array(0), frequencies: new Uint32Array(0) };

  constructor(path: string, hasStore: boolean) {
    this.#path = path;
    this.#hasStore = hasStore;
  }

  take(kind: number, payload: Buffer): void {
    if (kind === HEADER) this.#takeHeader(JSON.parse(payload.toString()));
    else if (kind === DOCUMENTS) for (const row of JSON.parse(payload.toString())) this.#takeDocument(row);
    else if (kind === TERMS) this.#terms = JSON.parse(payload.toString());
    else if (kind === POSTINGS) this.#takePostings(payload);
    else this.#check(false);
  }

  /** @returns the whole index */
  finish(): KeywordDocuments {
    const header = this.#header;
    if (header === undefined) throw invalidIndex(this.#path, 'it is damaged');
    this.#check(this.#documents.count === header.documents && this.#documents.words.terms === header.terms);
    this.#check(this.#missing.every((words) => words === 0));
    this.#checkUsable(header);
    return this.#documents;
  }

  #takeHeader(header: Header): void {
    this.#check(Number.isInteger(header.documents) && this.#header === undefined);
    this.#header = header;
    const room = () => new Uint32Array(header.documents);
    this.#missing = room();
    this.#list = { documents: room(), frequencies: room() };
  }

  /** A sound file may be of no use here. */
  #checkUsable({ words, han, hasTexts }: Header): void {
    if (words !== WORDS_VERSION) {
      throw invalidIndex(
        this.#path,
        'another version of crossrank made it, which cut texts into other words',
      );
    }
    if (han !== null && han !== hanMethod()) {
      throw invalidIndex(this.#path, `its Chinese was cut by ${han}, which is not what this machine has`);
    }
    if (!hasTexts && !this.#hasStore) {
      throw invalidArgument(
        'documents',
        `the store that has the texts, which ${this.#path} has not,`,
        undefined,
      );
    }
  }

  #takeDocument([id, words, metadata, text]: DocumentRow): void {
    const number = this.#documents.count;
    this.#check(typeof id === 'string' && id !== '' && !this.#documents.has(id));
    this.#check(number < this.#missing.length);
    this.#check(typeof metadata === 'object' && (text === null || typeof text === 'string'));
    this.#check(this.#header?.hasTexts === false || text !== null);
    this.#missing[number] = words;
    this.#check(this.#missing[number] === words);
    this.#documents.words.addDocument(words);
    const kept = this.#hasStore || text === null ? undefined : text;
    this.#documents.keep({ id, metadata: metadata ?? undefined, text: kept });
  }

  #takePostings(payload: Buffer): void {
    const { documents, frequencies } = this.#list;
    const index = this.#documents.words;
    let offset = 0;
    for (const [word, count] of this.#terms.splice(0)) {
      this.#check(typeof word === 'string' && word !== '');
      this.#check(Number.isInteger(count) && count > 0 && count <= documents.length);
      offset = decodePostings(payload, offset, count, documents, frequencies);
      this.#check(offset <= payload.length && (documents[count - 1] as number) < documents.length);
      for (let i = 0; i < count; i++) {
        const document = documents[i] as number;
        const frequency = frequencies[i] as number;
        this.#check(frequency > 0 && frequency <= (this.#missing[document] as number));
        this.#missing[document] = (this.#missing[document] as number) - frequency;
      }
      const known = index.terms;
      index.addList(word, { documents, frequencies, count });
      this.#check(index.terms === known + 1);
    }
    this.#check(offset === payload.length);
  }

  #check(holds: boolean): void {
    if (!holds) throw invalidIndex(this.#path, 'it is damaged');
  }
}
