const PAGE_BITS = 20;
const PAGE_BYTES = 1 << PAGE_BITS;
const PAGE_MASK = PAGE_BYTES - 1;
/** Of the 4096 that addresses of 32 bits reach, so many that one more document, however long, finds room. */
const MAX_PAGES = 3584;
/** A slice ends with the address of the next one. */
const LINK_BYTES = 4;
const SMALLEST_SLICE = 8;
const LARGEST_SLICE = 4096;
/** Two varints of 32 bits. */
const LONGEST_POSTING = 10;

// What is kept of each term, side by side in one cache line's half: terms come in no order.
const FIELDS = 8;
/** Address of its first slice. */
const FIRST = 0;
/** Address of its next byte. */
const CURSOR = 1;
/** Bytes free in its last slice. */
const FREE = 2;
/** Bytes of its last slice. */
const SLICE = 3;
/** Bytes of all its postings. */
const BYTES = 4;
const COUNT = 5;
/** The least document that may come next. */
const NEXT = 6;

/**
 * For each term the documents that contain it, with how often: the postings lists of an inverted index, in memory.
 *
 * A posting is two or three bytes: the documents left out since the one before, shifted left by one, with a low bit that
 * says "once"; else the count follows. Both are varints, as in Lucene's postings of old. The bytes of a term lie in a
 * chain of slices that double from 8 bytes to 4 KB, cut from pages of 1 MB (Lucene's ByteBlockPool): lists of all terms
 * grow side by side, most terms cost 8 bytes, nothing is ever copied, and the garbage collector sees a few large arrays.
 *
 *     FIRST ─► │ bytes ... │ link ┼─► │ bytes ......... │ link ┼─► │ bytes ..│ free ..│ link │
 *                                                                       CURSOR ─┘
 */
export class Postings {
  readonly #pages: Uint8Array[] = [];
  /** Bytes used of the last page. */
  #used = PAGE_BYTES;
  #terms = 0;
  #state = new Uint32Array(64 * FIELDS);
  /** Where a posting is encoded, and a chain put together. */
  readonly #posting = new Uint8Array(LONGEST_POSTING);
  #chain = new Uint8Array(LARGEST_SLICE);

  /** Whether no more documents should be added. */
  get isAlmostFull(): boolean {
    return this.#pages.length >= MAX_PAGES;
  }

  /** Postings of a term. */
  count(term: number): number {
    return this.#state[term * FIELDS + COUNT] as number;
  }

  /** @returns the number of a new term, one more than the last */
  addTerm(): number {
    const term = this.#terms++;
    const state = term * FIELDS;
    if (state === this.#state.length) this.#state = doubled(this.#state);
    const slice = this.#allocate(SMALLEST_SLICE);
    this.#state[state + FIRST] = slice;
    this.#state[state + CURSOR] = slice;
    this.#state[state + SLICE] = SMALLEST_SLICE;
    this.#state[state + FREE] = SMALLEST_SLICE - LINK_BYTES;
    return term;
  }

  /**
   * @param document - Higher than all that this term has
   * @param frequency - At least 1
   */
  append(term: number, document: number, frequency: number): void {
    const state = this.#state;
    const at = term * FIELDS;
    const skipped = document - (state[at + NEXT] as number);
    let length = writeVarint(this.#posting, 0, skipped * 2 + (frequency === 1 ? 1 : 0));
    if (frequency !== 1) length = writeVarint(this.#posting, length, frequency);
    for (let done = 0; done < length; ) {
      if (state[at + FREE] === 0) this.#addSlice(at);
      const address = state[at + CURSOR] as number;
      const page = this.#pages[address >>> PAGE_BITS] as Uint8Array;
      const free = state[at + FREE] as number;
      const part = Math.min(length - done, free);
      for (let i = 0; i < part; i++) page[(address & PAGE_MASK) + i] = this.#posting[done + i] as number;
      state[at + CURSOR] = address + part;
      state[at + FREE] = free - part;
      done += part;
    }
    state[at + BYTES] = (state[at + BYTES] as number) + length;
    state[at + COUNT] = (state[at + COUNT] as number) + 1;
    state[at + NEXT] = document + 1;
  }

  /**
   * Reads the list of a term.
   * @param documents - Room for {@link count} values
   * @param frequencies - Room for {@link count} values
   */
  read(term: number, documents: Uint32Array, frequencies: Uint32Array): void {
    decodePostings(this.encoded(term), 0, this.count(term), documents, frequencies);
  }

  /** The bytes of a term's list, valid until the next call. */
  encoded(term: number): Uint8Array {
    const length = this.#state[term * FIELDS + BYTES] as number;
    if (length > this.#chain.length) this.#chain = new Uint8Array(length * 2);
    let address = this.#state[term * FIELDS + FIRST] as number;
    let sliceBytes = SMALLEST_SLICE;
    for (let done = 0; ; ) {
      const page = this.#pages[address >>> PAGE_BITS] as Uint8Array;
      const offset = address & PAGE_MASK;
      const end = offset + sliceBytes - LINK_BYTES;
      const part = Math.min(length - done, end - offset);
      this.#chain.set(page.subarray(offset, offset + part), done);
      done += part;
      if (done === length) return this.#chain.subarray(0, length);
      address = readAddress(page, end);
      sliceBytes = Math.min(sliceBytes * 2, LARGEST_SLICE);
    }
  }

  /** @param at - Where the state of the term begins */
  #addSlice(at: number): void {
    const end = this.#state[at + CURSOR] as number;
    const sliceBytes = Math.min((this.#state[at + SLICE] as number) * 2, LARGEST_SLICE);
    const slice = this.#allocate(sliceBytes);
    writeAddress(this.#pages[end >>> PAGE_BITS] as Uint8Array, end & PAGE_MASK, slice);
    this.#state[at + CURSOR] = slice;
    this.#state[at + SLICE] = sliceBytes;
    this.#state[at + FREE] = sliceBytes - LINK_BYTES;
  }

  /** @returns the address of so many bytes within one page */
  #allocate(bytes: number): number {
    if (this.#used + bytes > PAGE_BYTES) {
      this.#pages.push(new Uint8Array(PAGE_BYTES));
      this.#used = 0;
    }
    const address = (this.#pages.length - 1) * PAGE_BYTES + this.#used;
    this.#used += bytes;
    return address;
  }
}

/**
 * Reads postings as {@link Postings.encoded} gives them.
 * @returns the offset after the last of them; beyond the end where `bytes` ends before
 */
export function decodePostings(
  bytes: Uint8Array,
  start: number,
  count: number,
  documents: Uint32Array,
  frequencies: Uint32Array,
): number {
  let offset = start;
  let document = -1;
  for (let i = 0; i < count; i++) {
    let value = bytes[offset++] as number;
    if (value >= 0x80) {
      value &= 0x7f;
      let shift = 7;
      let byte: number;
      do {
        byte = bytes[offset++] as number;
        value |= (byte & 0x7f) << shift;
        shift += 7;
      } while (byte >= 0x80);
    }
    document += (value >>> 1) + 1;
    documents[i] = document;
    let frequency = 1;
    if ((value & 1) === 0) {
      frequency = 0;
      let shift = 0;
      let byte: number;
      do {
        byte = bytes[offset++] as number;
        frequency |= (byte & 0x7f) << shift;
        shift += 7;
      } while (byte >= 0x80);
    }
    frequencies[i] = frequency;
  }
  return offset;
}

function writeVarint(bytes: Uint8Array, offset: number, value: number): number {
  let rest = value;
  let end = offset;
  for (; rest >= 0x80; rest >>>= 7) bytes[end++] = (rest & 0x7f) | 0x80;
  bytes[end++] = rest;
  return end;
}

function readAddress(page: Uint8Array, offset: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = page.subarray(offset, offset + LINK_BYTES);
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

function writeAddress(page: Uint8Array, offset: number, address: number): void {
  for (let i = 0; i < LINK_BYTES; i++) page[offset + i] = address >>> (8 * i);
}

/** A copy with twice the room. */
export function doubled<A extends Uint32Array | Uint8Array>(array: A): A {
  const larger = new (array.constructor as new (length: number) => A)(array.length * 2);
  larger.set(array);
  return larger;
}
