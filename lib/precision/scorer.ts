import type { Precision, ScoringOptions } from '../options';

/** What comparing precisions needs of a loaded model; `Reranker` has it. */
export interface Scorer {
  info(): { model: string; labels: number; precision: RunningPrecision };
  predict(pairs: readonly (readonly [string, string])[], options?: ScoringOptions): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** A precision that a model can run in; `'model'`: as an exported graph was written. */
export type RunningPrecision = Exclude<Precision, 'auto'> | 'model';

/** Loads the model in question in a precision. */
export type Open = (precision: Precision) => Promise<Scorer>;
