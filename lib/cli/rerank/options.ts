import type { RerankOptions } from '../../options';
import { type OptionValues, readChoice, readInteger, readNumber } from '../command-line';

/** Options of every command that ranks documents. */
export const RERANK_OPTIONS = {
  'top-k': { type: 'string' },
  'min-score': { type: 'string' },
  'max-length': { type: 'string' },
  'long-documents': { type: 'string' },
  scores: { type: 'string' },
} as const;

export const COUNT_LIMIT = 1_000_000;
/** Documents of a run's query that are reranked, unless the caller says otherwise. */
export const DEFAULT_RUN_DEPTH = 1000;

export function readRerankOptions(values: OptionValues<typeof RERANK_OPTIONS>): RerankOptions {
  const longDocuments = readChoice('long-documents', values['long-documents'], [
    'truncate',
    'window',
    'chunk',
  ] as const);
  const scores = readChoice('scores', values.scores, ['model', 'raw', 'sigmoid'] as const);
  const topK = values['top-k'];
  const minScore = values['min-score'];
  const maxLength = values['max-length'];
  return {
    ...(topK === undefined ? {} : { topK: readInteger('top-k', topK, COUNT_LIMIT) }),
    ...(minScore === undefined ? {} : { minScore: readNumber('min-score', minScore) }),
    ...(maxLength === undefined ? {} : { maxLength: readInteger('max-length', maxLength, COUNT_LIMIT) }),
    ...(longDocuments === undefined ? {} : { longDocuments }),
    ...(scores === undefined ? {} : { scores }),
  };
}
