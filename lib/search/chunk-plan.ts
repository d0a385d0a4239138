import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Range } from './blocks';
import { type Heading, type Segment, segmentsOf } from './segments';
import type { TokenMap } from './token-map';

/** How large chunks are, in tokens. */
export interface ChunkSizes {
  maxTokens: number;
  overlapTokens: number;
  minTokens: number;
  keepHeadings: boolean;
}

/** A stretch of a text, and the headings that it stands under, the outermost first. */
export interface PlannedChunk extends Range {
  headings: Range[];
}

/** Chunks put together in one turn of the event loop. */
const RUNS_PER_TURN = 64;

/** Segments `[first, end)`; those before `fresh` are in the chunk before it too. */
interface Run {
  first: number;
  fresh: number;
  end: number;
}

/** Cuts a text into chunks; see {@link Chunker} for what they promise. */
export async function planChunks(text: string, tokens: TokenMap, sizes: ChunkSizes): Promise<PlannedChunk[]> {
  await nextTurn(); // between many short texts too
  const planner = new Planner(text, tokens, sizes);
  return planner.plan();
}

class Planner {
  readonly #text: string;
  readonly #tokens: TokenMap;
  readonly #sizes: ChunkSizes;
  #segments: Segment[] = [];

  constructor(text: string, tokens: TokenMap, sizes: ChunkSizes) {
    this.#text = text;
    this.#tokens = tokens;
    this.#sizes = sizes;
  }

  async plan(): Promise<PlannedChunk[]> {
    const room = (under: Heading | undefined) => this.#sizes.maxTokens - this.#tokensOf(this.#shown(under));
    this.#segments = await segmentsOf(this.#text, this.#tokens, room);
    const runs: Run[] = [];
    for (let next = 0; next < this.#segments.length; ) {
      const run = this.#runFrom(next, runs.at(-1));
      this.#borrow(run, runs.at(-1));
      runs.push(run);
      next = run.end;
      if (runs.length % RUNS_PER_TURN === 0) await nextTurn();
    }
    return runs.map(({ first, end }) => ({
      ...this.#range(first, end),
      headings: this.#shown(this.#segments[first]?.under),
    }));
  }

  /** As many segments as fit, or those of a section; what is before a paragraph where that is not much less. */
  #runFrom(fresh: number, before: Run | undefined): Run {
    const { maxTokens } = this.#sizes;
    let first = this.#overlapOf(fresh, before);
    while (first < fresh && this.#cost(first, fresh + 1) > maxTokens) first++;
    let end = fresh + 1;
    while (end < this.#segments.length && !this.#sectionEnds(fresh, end)) {
      if (this.#cost(first, end + 1) > maxTokens) {
        end = this.#paragraphEnd(first, fresh, end);
        break;
      }
      end++;
    }
    return { first, fresh, end: this.#withoutHeadings(fresh, end) };
  }

  /** A heading stays with what it stands above, unless there are more of them than fit. */
  #withoutHeadings(fresh: number, end: number): number {
    if (end === this.#segments.length) return end;
    let last = end - 1;
    while (last > fresh && this.#isHeading(last)) last--;
    return this.#isHeading(last) ? end : last + 1;
  }

  #sectionEnds(fresh: number, end: number): boolean {
    return (
      this.#isHeading(end) && !this.#isHeading(end - 1) && this.#cost(fresh, end) >= this.#sizes.minTokens
    );
  }

  #paragraphEnd(first: number, fresh: number, end: number): number {
    for (let i = end; i > fresh && this.#cost(first, i) * 2 >= this.#sizes.maxTokens; i--) {
      if (this.#segments[i]?.border !== 'sentence') return i;
    }
    return end;
  }

  /** Where a chunk begins whose own segments begin at `fresh`: whole sentences of its section are repeated. */
  #overlapOf(fresh: number, before: Run | undefined): number {
    let first = fresh;
    if (before === undefined || this.#isHeading(fresh)) return first;
    while (
      first - 1 > before.first &&
      !this.#isHeading(first - 1) &&
      this.#count(first - 1, fresh) <= this.#sizes.overlapTokens
    ) {
      first--;
    }
    return first;
  }

  /** A rest of a section that is too short takes sentences from the chunk before it. */
  #borrow(run: Run, before: Run | undefined): void {
    const { minTokens, maxTokens } = this.#sizes;
    if (before === undefined || this.#isHeading(run.fresh)) return;
    while (
      this.#count(run.fresh, run.end) < minTokens &&
      before.end - 1 > before.fresh &&
      !this.#isHeading(before.end - 1) &&
      this.#count(before.fresh, before.end - 1) >= minTokens &&
      this.#cost(Math.min(run.first, before.end - 1), run.end) <= maxTokens
    ) {
      before.end--;
      run.fresh = before.end;
      run.first = Math.min(run.first, run.fresh);
    }
  }

  #isHeading(index: number): boolean {
    return this.#segments[index]?.border === 'section';
  }

  #range(first: number, end: number): Range {
    return {
      start: (this.#segments[first] as Segment).start,
      end: (this.#segments[end - 1] as Segment).end,
    };
  }

  #count(first: number, end: number): number {
    const range = this.#range(first, end);
    return this.#tokens.count(range.start, range.end);
  }

  /** With the headings before it. */
  #cost(first: number, end: number): number {
    return this.#count(first, end) + this.#tokensOf(this.#shown(this.#segments[first]?.under));
  }

  #tokensOf(headings: readonly Range[]): number {
    return headings.reduce((sum, { start, end }) => sum + this.#tokens.count(start, end), 0);
  }

  /** The innermost headings, as far as they take no more than a quarter of a chunk. */
  #shown(under: Heading | undefined): Range[] {
    const shown: Range[] = [];
    let left = this.#sizes.keepHeadings ? this.#sizes.maxTokens / 4 : 0;
    for (let heading = under; heading !== undefined; heading = heading.above) {
      left -= this.#tokens.count(heading.start, heading.end);
      if (left < 0) break;
      shown.unshift(heading);
    }
    return shown;
  }
}
