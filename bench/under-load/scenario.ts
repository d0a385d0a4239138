import { type LoadOptions, Reranker } from '../../lib';
import type { ChosenModel } from '../models';

/** What every scenario is given. */
export interface Settings {
  model: ChosenModel;
  /** Precision and threads. */
  options: LoadOptions;
  rounds: number;
  /** Time at saturation. */
  seconds: number;
  /** Requests of the soak. */
  soak: number;
}

/** Tells how far a scenario is: a share between 0 and 1. */
export type Show = (share: number) => void;

/** Requests at the same time, and documents of each. */
export const CALLERS = 64;
export const DOCUMENTS = 20;

/** Tokens a document, as in `npm run bench`. */
export const USUAL_LENGTH = { min: 60, max: 130 };

/**
 * Without a cache, since speed is that of scoring, and without a bound on the queue, since the load is chosen here; both
 * may be given.
 */
export function loadModel({ model, options }: Settings, more: LoadOptions = {}): Promise<Reranker> {
  return Reranker.load(model.folder, {
    profile: false,
    cache: false,
    maxQueuedTokens: Number.MAX_SAFE_INTEGER,
    ...options,
    ...more,
  });
}
