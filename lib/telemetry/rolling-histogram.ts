import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

/** Percentiles of times in milliseconds; zeros where nothing was recorded. */
export interface LatencySummary {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** Histograms hold whole microseconds, from 1 to an hour, with two significant digits: 14 KB each. */
const UNITS_PER_MS = 1000;
const LONGEST = 3_600_000 * UNITS_PER_MS;
const DIGITS = 2;

/**
 * Times of the last minutes, in HDR histograms (Tene 2014, as Node has them) of one interval each: the oldest falls out
 * as a whole when a new interval begins.
 */
export class RollingHistogram {
  readonly #intervalMs: number;
  readonly #now: () => number;
  readonly #histograms: RecordableHistogram[];
  /** Number of the interval that is recorded now, counted from the clock's start. */
  #current: number;

  constructor(intervalMs = 60_000, intervals = 5, now: () => number = () => performance.now()) {
    this.#intervalMs = intervalMs;
    this.#now = now;
    this.#histograms = Array.from({ length: intervals }, newHistogram);
    this.#current = this.#interval();
  }

  record(ms: number): void {
    this.#advance();
    const units = Math.round(ms * UNITS_PER_MS);
    this.#of(this.#current).record(Math.min(LONGEST, Math.max(1, units)));
  }

  summary(): LatencySummary {
    this.#advance();
    const all = newHistogram();
    for (const histogram of this.#histograms) all.add(histogram);
    if (all.count === 0) return { count: 0, p50: 0, p95: 0, p99: 0, max: 0 };
    const ms = (units: number) => units / UNITS_PER_MS;
    return {
      count: all.count,
      p50: ms(all.percentile(50)),
      p95: ms(all.percentile(95)),
      p99: ms(all.percentile(99)),
      max: ms(all.max),
    };
  }

  #advance(): void {
    const interval = this.#interval();
    const passed = Math.min(interval - this.#current, this.#histograms.length);
    for (let i = 0; i < passed; i++) this.#of(interval - i).reset();
    this.#current = interval;
  }

  #interval(): number {
    return Math.floor(this.#now() / this.#intervalMs);
  }

  #of(interval: number): RecordableHistogram {
    return this.#histograms[interval % this.#histograms.length] as RecordableHistogram;
  }
}

function newHistogram(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: LONGEST, figures: DIGITS });
}
