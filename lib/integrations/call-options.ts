import type { EmbedTextOptions } from '../embedding/options';
import { checkNames } from '../option-checks';
import type { RerankOptions } from '../options';

/**
 * What of a ranker's options an integration takes as they are. `topK`, `signal` and where a text is come in the
 * framework's own way. A `Reranker` knows all of them; another ranker refuses what it does not know.
 */
export type RankingOptions = Pick<RerankOptions, (typeof RANKING_OPTIONS)[number]>;

export const RANKING_OPTIONS = [
  'minScore',
  'maxLength',
  'truncate',
  'scores',
  'timeoutMs',
  'onTimeout',
  'priority',
  'cache',
  'longDocuments',
  'window',
] as const;

/** The same of an embedder's. */
export type EmbeddingOptions = Pick<EmbedTextOptions, (typeof EMBEDDING_OPTIONS)[number]>;

export const EMBEDDING_OPTIONS = ['maxLength', 'timeoutMs', 'priority', 'cache'] as const;

/** Checks names, and parts options that go to a call from the integration's own. */
export function splitOptions<Own extends object, Call extends object>(
  options: Own & Call,
  own: readonly (keyof Own & string)[],
  call: readonly (keyof Call & string)[],
): { own: Own; call: Call } {
  checkNames(options, [...own, ...call]);
  const entries = Object.entries(options);
  const isOwn = ([name]: [string, unknown]) => (own as readonly string[]).includes(name);
  return {
    own: Object.fromEntries(entries.filter(isOwn)) as Own,
    call: Object.fromEntries(entries.filter((entry) => !isOwn(entry))) as Call,
  };
}
