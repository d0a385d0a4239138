import { CrossrankError, invalidArgument } from './errors';
import type { NativeWindows } from './native/binding';
import { checkChoice, checkInteger, checkNames } from './option-checks';

/** What becomes of documents that do not fit; see {@link RerankOptions.longDocuments}. */
export type LongDocuments = 'truncate' | 'window' | 'chunk';

/**
 * How {@link RerankOptions.longDocuments} `'window'` cuts a document.
 *
 * All windows of a document are equally long: the last one begins as early as it must to end with the document's last
 * token. The query stands whole beside each of them. Only where it would leave less than 64 tokens (or less than half,
 * where `maxLength` is small) is it cut, to leave as many; with `truncate: 'document'` the call is refused instead. That
 * the best window is the document's score is the MaxP of Dai and Callan, "Deeper Text Understanding for IR with
 * Contextual Neural Language Modeling", SIGIR 2019.
 */
export interface WindowOptions {
  /** Tokens of a window; fewer where `maxLength` and the query leave less. @defaultValue 400 */
  tokens?: number;
  /**
   * Tokens from the start of one window to the next one's, at most `tokens`. It shrinks in proportion where windows have
   * to be shorter.
   * @defaultValue half of `tokens`
   */
  stride?: number;
  /** Windows of a document at most: its first ones; `tokensLost` tells what follows. @defaultValue all */
  maxWindows?: number;
  /**
   * A score that is good enough, on the scale of `scores`. The windows of a document are then scored one after another,
   * in the order of the text, and the first one that reaches it is the last one scored: `windows` tells how many were,
   * and `tokensLost` what follows. Saves work where most answers come early, and takes longer where few documents are
   * long. What a document gets does not depend on others.
   * @defaultValue none: all are scored
   */
  stopScore?: number;
}

const DEFAULT_WINDOW_TOKENS = 400;
const LONG_DOCUMENTS = ['truncate', 'window', 'chunk'] as const;
const WINDOW_OPTIONS = ['tokens', 'stride', 'maxWindows', 'stopScore'];

/** @param maxTokens - The model's limit. */
export function checkLongDocuments(
  longDocuments: LongDocuments | undefined,
  window: WindowOptions | undefined,
  maxTokens: number,
): void {
  checkChoice('longDocuments', longDocuments, LONG_DOCUMENTS);
  if (window === undefined) return;
  checkNames(window, WINDOW_OPTIONS, 'window');
  if (longDocuments !== 'window') {
    throw new CrossrankError(
      'ERR_INVALID_ARGUMENT',
      `The option window has no effect with longDocuments: '${longDocuments ?? 'truncate'}'; ask for 'window' or leave it out`,
    );
  }
  checkInteger('window.tokens', window.tokens, 1, maxTokens);
  checkInteger('window.stride', window.stride, 1, window.tokens ?? DEFAULT_WINDOW_TOKENS);
  checkInteger('window.maxWindows', window.maxWindows, 1, Number.MAX_SAFE_INTEGER);
  const { stopScore } = window;
  if (stopScore !== undefined && (typeof stopScore !== 'number' || Number.isNaN(stopScore))) {
    throw invalidArgument('window.stopScore', 'a number', stopScore);
  }
}

export function nativeWindows({
  tokens = DEFAULT_WINDOW_TOKENS,
  stride = Math.ceil(tokens / 2),
  maxWindows,
  stopScore,
}: WindowOptions = {}): NativeWindows {
  return { tokens, stride, maxWindows: maxWindows ?? null, stopScore: stopScore ?? null };
}
