/** Far less than a count grows by, far more than rounding takes away. */
const NOTHING = 1e-6;

/**
 * Totals of counts that start again at zero with every engine: a model that was unloaded and loaded again goes on where
 * it was. As long as {@link update} is called between the last work of an engine and its end, nothing is lost; what was
 * not seen is missing, and the totals still never fall.
 */
export class GrowingCounts {
  #ended: number[] = [];
  #current: readonly number[] = [];

  /** @param counts - Of the engine there is now, always in the same order */
  update(counts: readonly number[]): void {
    const isNew = counts.some((count, i) => count < (this.#current[i] ?? 0) - NOTHING);
    if (isNew) this.#ended = this.totals();
    this.#current = counts;
  }

  /** Empty before the first update. */
  totals(): number[] {
    return this.#current.map((count, i) => count + (this.#ended[i] ?? 0));
  }
}
