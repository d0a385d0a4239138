import { type LoadOptions, PRECISIONS } from '../options';
import { type OptionValues, readChoice, readInteger } from './command-line';

/** Options of every command that loads a model. */
export const MODEL_OPTIONS = {
  model: { type: 'string' },
  precision: { type: 'string' },
  threads: { type: 'string' },
} as const;

const MAX_THREADS = 1024;

export function readLoadOptions({
  precision,
  threads,
}: OptionValues<typeof MODEL_OPTIONS>): Pick<LoadOptions, 'precision' | 'threads'> {
  const chosen = readChoice('precision', precision, PRECISIONS);
  return {
    ...(chosen === undefined ? {} : { precision: chosen }),
    ...(threads === undefined ? {} : { threads: readInteger('threads', threads, MAX_THREADS) }),
  };
}

/** Commands bound what is under way themselves. */
export const UNBOUNDED_QUEUE = { maxQueuedTokens: Number.MAX_SAFE_INTEGER } as const;
