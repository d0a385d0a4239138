/** Texts share buffers of so many bytes; one that is longer has its own. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Texts by number, as UTF-8 in a few large buffers: a million of them are a few thousand objects to the garbage
 * collector, and Latin letters take a byte.
 */
export class TextArena {
  readonly #chunks: Buffer[] = [];
  #free = 0; // bytes at the end of the last chunk
  #count = 0;
  #places = new Uint32Array(3 * 16); // chunk, start and length of each

  get count(): number {
    return this.#count;
  }

  /** Lone surrogates become U+FFFD, as in every UTF-8 file. */
  push(text: string): void {
    const length = Buffer.byteLength(text);
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || this.#free < length) {
      chunk = Buffer.allocUnsafeSlow(Math.max(length, CHUNK_BYTES));
      this.#chunks.push(chunk);
      this.#free = chunk.length;
    }
    const start = chunk.length - this.#free;
    chunk.write(text, start);
    this.#setPlace(this.#chunks.length - 1, start, length);
    this.#free -= length;
  }

  /** The bytes themselves, not a copy. */
  bytes(i: number): Buffer {
    const chunk = this.#chunks[this.#places[3 * i] as number] as Buffer;
    const start = this.#places[3 * i + 1] as number;
    return chunk.subarray(start, start + (this.#places[3 * i + 2] as number));
  }

  get(i: number): string {
    return this.bytes(i).toString();
  }

  /** Forgets all texts from this number on. */
  truncate(count: number): void {
    this.#count = Math.min(this.#count, count);
  }

  #setPlace(chunk: number, start: number, length: number): void {
    const at = 3 * this.#count;
    if (at === this.#places.length) {
      const longer = new Uint32Array(2 * at);
      longer.set(this.#places);
      this.#places = longer;
    }
    this.#places[at] = chunk;
    this.#places[at + 1] = start;
    this.#places[at + 2] = length;
    this.#count++;
  }
}
