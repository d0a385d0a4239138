import { invalidArgument } from '../errors';
import { checkChoice, checkNames } from '../option-checks';
import type { Ranker } from './ranker';

/** A stage of a {@link Cascade}. */
export interface CascadeStage {
  /** A `Reranker`, a `ListwiseReranker`, another cascade, or a class of yours. */
  ranker: Ranker;
  /**
   * The best so many go on to the next stage: a whole number of documents, or a fraction below 1 of those that this
   * stage was given, rounded up. Of all stages but the last.
   */
  keep?: number;
  /**
   * The next stage is not asked where this one leaves no doubt: where each of the first `topK` leads the next by at
   * least so much, on this stage's scale of scores. (See `marginOf`; without `topK`, each survivor.) A single survivor
   * leaves no doubt either. Only survivors count: the next stage could bring no other document up. Calls with `minScore`
   * ask every stage.
   * @defaultValue none: every stage is asked
   */
  margin?: number;
  /**
   * What `margin` has to decide. `'order'`: each of the first `topK` leads the next, so the answer stands as it is.
   * `'set'`: the one at `topK` leads the one behind it, so it is clear which documents the answer holds, and their order
   * is this stage's; without `topK`, or where no survivor is behind it, there is no such lead, and the next stage is
   * asked. The same where `topK` is 1.
   * @defaultValue `'order'`
   */
  marginOf?: 'order' | 'set';
}

/** Options of {@link Cascade}. */
export interface CascadeOptions {
  /** At least two, cheapest first. */
  stages: readonly CascadeStage[];
  /**
   * What a call gets when a stage behind the first fails: `'error'`, what that rejects with; `'previousStage'`, the order
   * of the stage before, `degraded`, with the error in the response. The first stage's error is always the call's.
   * @defaultValue `'error'`
   */
  onError?: 'error' | 'previousStage';
}

/** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` */
export function readCascadeOptions(options: CascadeOptions): Required<CascadeOptions> {
  checkNames(options, ['stages', 'onError']);
  const { stages, onError = 'error' } = options;
  checkChoice('onError', onError, ['error', 'previousStage'] as const);
  if (!Array.isArray(stages) || stages.length < 2) {
    throw invalidArgument('stages', 'an array of at least two stages', stages);
  }
  stages.forEach((stage, number) => {
    checkStage(stage, `stages[${number}]`, number === stages.length - 1);
  });
  return { stages: stages.map((stage) => ({ ...stage })), onError };
}

function checkStage(stage: CascadeStage, name: string, isLast: boolean): void {
  checkNames(stage, ['ranker', 'keep', 'margin', 'marginOf'], name);
  const { ranker, keep, margin, marginOf } = stage;
  if (typeof ranker?.rerank !== 'function') {
    throw invalidArgument(`${name}.ranker`, 'an object with the method rerank', ranker);
  }
  if (isLast) {
    for (const [option, value] of Object.entries({ keep, margin, marginOf })) {
      if (value !== undefined)
        throw invalidArgument(`${name}.${option}`, 'nothing (no stage follows)', value);
    }
    return;
  }
  if (!(Number.isFinite(keep) && (keep as number) > 0 && ((keep as number) < 1 || Number.isInteger(keep)))) {
    throw invalidArgument(`${name}.keep`, 'a number of documents or a fraction below 1', keep);
  }
  if (margin !== undefined && !(Number.isFinite(margin) && margin > 0)) {
    throw invalidArgument(`${name}.margin`, 'a positive number', margin);
  }
  checkChoice(`${name}.marginOf`, marginOf, ['order', 'set'] as const);
}
