/**
 * For Mastra (`@mastra/core` 1, `@mastra/rag` 2): {@link relevanceScorer} for `rerankWithScorer` and the vector query tool.
 *
 * @packageDocumentation
 */
import type { RelevanceScoreProvider } from '@mastra/core/relevance' with { 'resolution-mode': 'import' };
import { CrossrankError, invalidArgument } from '../errors';
import { checkNames } from '../option-checks';
import type { ScoringOptions } from '../options';
import type { Reranker } from '../reranker';
import { type Peer, requirePeer } from './peer';

const MASTRA: Peer = {
  name: '@mastra/core',
  versions: '1',
  install: '1',
  accepts: (major) => major === 1,
};

const OPTIONS = ['maxLength', 'truncate', 'scores', 'timeoutMs', 'signal', 'priority', 'cache'];

interface Waiting {
  pair: [query: string, text: string];
  resolve(score: number): void;
  reject(error: unknown): void;
}

/**
 * A reranker as a `RelevanceScoreProvider`. Mastra asks it for one document after the other; what is asked in one turn of
 * the event loop, all documents of a `rerankWithScorer` that is, goes to the engine as one call.
 *
 * `topK`, `weights` and `queryEmbedding` of `rerankWithScorer` are Mastra's own work. It reads a document's text from
 * `metadata.text`, and gives one without it the score 0 without asking. It has no signal: `signal` and `timeoutMs` here
 * end the work.
 *
 * @param options - Of `Reranker.predict`, for every call; but `scores` is `'sigmoid'` where it is left out, because Mastra
 * weighs the score with others from 0 to 1
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_MISSING_PACKAGE` or `ERR_PACKAGE_VERSION`; calls reject
 * with what `Reranker.predict` does, or with `ERR_MODEL_UNSUPPORTED` where the model has several labels
 */
export function relevanceScorer(
  reranker: Pick<Reranker, 'predict'>,
  options: ScoringOptions = {},
): RelevanceScoreProvider {
  checkNames(options, OPTIONS);
  requirePeer('crossrank/mastra', MASTRA);
  const scoring: ScoringOptions = { scores: 'sigmoid', ...options };
  let waiting: Waiting[] = [];

  async function scoreWaiting(): Promise<void> {
    const together = waiting;
    waiting = [];
    try {
      const scores = await reranker.predict(
        together.map(({ pair }) => pair),
        scoring,
      );
      if (scores.length !== together.length) {
        throw new CrossrankError(
          'ERR_MODEL_UNSUPPORTED',
          `the model has ${scores.length / together.length} labels, and relevance is one score a pair; load a reranker`,
        );
      }
      for (const [i, { resolve }] of together.entries()) resolve(scores[i] as number);
    } catch (error) {
      for (const { reject } of together) reject(error);
    }
  }

  return {
    async getRelevanceScore(query, text) {
      // Here, so that what is wrong with one document is not the others' failure.
      if (typeof query !== 'string') throw invalidArgument('query', 'a string', query);
      if (typeof text !== 'string') throw invalidArgument('text', 'a string', text);
      return new Promise<number>((resolve, reject) => {
        if (waiting.push({ pair: [query, text], resolve, reject }) === 1) queueMicrotask(scoreWaiting);
      });
    },
  };
}
