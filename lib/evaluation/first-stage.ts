import type { Run, ScoredDocument } from './types';

/** A query of a data set. */
export interface EvaluatedQuery {
  id: string;
  text: string;
}

/** What finds the candidates that are reranked. */
export interface FirstStage {
  /**
   * Best first, each document once.
   * @param topK - the best so many at most
   */
  retrieve(query: EvaluatedQuery, topK: number, signal?: AbortSignal): Promise<readonly ScoredDocument[]>;
}

/** A first stage whose results are known: a run of {@link readRun}, or of yours, best first. */
export function stageOfRun(run: Run): FirstStage {
  return {
    async retrieve({ id }, topK) {
      return (run.get(id) ?? []).slice(0, topK);
    },
  };
}
