import type { SearchResponse } from './response';

/** Answers of searches by what was asked, the least recently used given up first. */
export class ResultCache {
  readonly #entries = new Map<string, { response: SearchResponse; expires: number }>();
  readonly #maxEntries: number;
  readonly #ttlMs: number;
  #generation = 0;

  constructor(maxEntries: number, ttlMs: number) {
    this.#maxEntries = maxEntries;
    this.#ttlMs = ttlMs;
  }

  /** Changes with every {@link clear}: an answer that was begun before must not be kept after. */
  get generation(): number {
    return this.#generation;
  }

  get(key: string): SearchResponse | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.expires <= performance.now()) return undefined;
    this.#entries.set(key, entry); // the last in order is the one used last
    return copyOf(entry.response);
  }

  set(key: string, response: SearchResponse, generation: number): void {
    if (generation !== this.#generation || this.#maxEntries === 0) return;
    this.#entries.delete(key);
    this.#entries.set(key, { response: copyOf(response), expires: performance.now() + this.#ttlMs });
    if (this.#entries.size <= this.#maxEntries) return;
    const [oldest] = this.#entries.keys();
    this.#entries.delete(oldest as string);
  }

  clear(): void {
    this.#entries.clear();
    this.#generation++;
  }
}

/** What callers do to their answer must not reach the next one's. */
function copyOf(response: SearchResponse): SearchResponse {
  return structuredClone(response);
}
