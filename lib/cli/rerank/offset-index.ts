/** Entries of a segment: 8 MB. */
const SEGMENT_ENTRIES = 1 << 20;
const FIRST_ENTRIES = 1 << 12;

/** A part of the index; entries are `hash * 2^32 + offset - base`, in their order when it is sealed. */
interface Segment {
  base: number;
  /** Number of its first entry in the whole index. */
  first: number;
  entries: BigUint64Array;
  /** The same memory: the lower half of each entry, then the upper one. */
  halves: Uint32Array;
  length: number;
}

/**
 * Where in a file the line of an id begins, in 8 bytes for each id: a hash of the id and the offset. Different ids may
 * share a hash, so whoever asks compares the id of the line that is there.
 */
export class OffsetIndex {
  readonly #segments: Segment[] = [];
  #size = 0;

  /** How many ids it knows. */
  get size(): number {
    return this.#size;
  }

  /** @param offset - not below that of the id before */
  add(id: string, offset: number): void {
    let segment = this.#segments.at(-1);
    if (segment === undefined || segment.length === SEGMENT_ENTRIES || offset - segment.base > 0xffffffff) {
      if (segment !== undefined) sealSegment(segment);
      segment = { base: offset, first: this.#size, length: 0, ...room(FIRST_ENTRIES) };
      this.#segments.push(segment);
    } else if (segment.length === segment.entries.length) {
      const { entries } = segment;
      Object.assign(segment, room(2 * entries.length));
      segment.entries.set(entries);
    }
    const { halves, length, base } = segment;
    halves[2 * length] = offset - base;
    halves[2 * length + 1] = hashOf(id);
    segment.length++;
    this.#size++;
  }

  /** Call it after the last `add`, before the first `candidates`. */
  seal(): void {
    const last = this.#segments.at(-1);
    if (last !== undefined) sealSegment(last);
  }

  /** Where the id may be, and each entry's own number, from 0 to `size`. Most often there is one or none. */
  *candidates(id: string): Generator<{ entry: number; offset: number }> {
    const hash = hashOf(id);
    for (const { base, first, halves, length } of this.#segments) {
      for (let i = lowerBound(halves, length, hash); i < length && halves[2 * i + 1] === hash; i++) {
        yield { entry: first + i, offset: base + (halves[2 * i] as number) };
      }
    }
  }
}

function room(entries: number): Pick<Segment, 'entries' | 'halves'> {
  const buffer = new ArrayBuffer(8 * entries);
  return { entries: new BigUint64Array(buffer), halves: new Uint32Array(buffer) };
}

function sealSegment({ entries, length }: Segment): void {
  entries.subarray(0, length).sort();
}

function lowerBound(halves: Uint32Array, length: number, hash: number): number {
  let low = 0;
  for (let high = length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((halves[2 * middle + 1] as number) < hash) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** FNV-1a over UTF-16 units, then the finalizer of MurmurHash3, which spreads what differs in few bits. */
function hashOf(id: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
