import { DeadlinePassed, withDeadline } from '../deadline';
import { CrossrankError } from '../errors';
import type { OnTimeout } from '../options';
import type { RankedDocument, RerankResponse } from '../response';
import { ChatClient, type ChatUsage } from './chat-client';
import { type ListwiseOptions, readListwiseOptions, type Windowing } from './listwise-options';
import { type Passage, permutationPrompt, quote } from './listwise-prompt';
import { parsePermutation } from './permutation';
import { type Ranker, type RankOptions, readRankCall } from './ranker';

/** A window of the pass, and what became of it. */
export interface ListwiseWindow {
  /** Place of its first document, from 0. */
  start: number;
  /** Place after its last document. */
  end: number;
  /**
   * `'ranked'`: in the model's order. `'malformed'`: the answer was not exactly a permutation, so the window kept the
   * order it had. `'failed'`: the endpoint gave no answer, or time was over. `'notAsked'`: the one before it failed.
   */
  outcome: 'ranked' | 'malformed' | 'failed' | 'notAsked';
  /** Why it was not ranked. */
  reason?: string;
}

/** The answer to {@link ListwiseReranker.rerank}. */
export interface ListwiseResponse<R> extends RerankResponse<R> {
  /** Whether a window was not ranked; {@link ListwiseResponse.windows} tells which and why. */
  degraded: boolean;
  /** Documents of which the model has ordered a window. Others have the score NaN. */
  scored: number;
  usage: RerankResponse<R>['usage'] & {
    /** Requests to the endpoint, retries included. */
    requests: number;
    /** As the endpoint counts them, over all windows; 0 where it does not. `tokens` is the sum of both. */
    promptTokens: number;
    completionTokens: number;
  };
  /** `queueMs` is the time waited before retries, `computeMs` the rest of what requests took. */
  timings: RerankResponse<R>['timings'];
  /** In the order they were asked, from the end to the front. */
  windows: ListwiseWindow[];
}

/** A call on its way. */
interface Pass {
  /** Indexes of the documents, best first as far as is known. */
  order: number[];
  /** Documents of which the model has ordered a window. */
  scored: Set<number>;
  windows: ListwiseWindow[];
  usage: ChatUsage;
}

/**
 * Orders documents with a chat model behind an OpenAI-compatible endpoint: RankGPT's permutation generation with a
 * sliding window, from the last documents to the first (Sun et al. 2023, arXiv:2304.09542).
 *
 * It costs a call to a large model for every window: give it the few that a first stage or a cross-encoder found best,
 * as the last stage of a `Cascade`. The order of the documents is its input, too: what falls back keeps it.
 *
 * A model's answer is never trusted. It is used where it is exactly a permutation of the window, such as
 * `[2] > [1] > [3]`; whatever else it says has no effect but the fallback of that window. Documents may try to command
 * the model; at worst they change the order.
 */
export class ListwiseReranker implements Ranker {
  readonly #windowing: Windowing;
  readonly #client: ChatClient;

  /** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` */
  constructor(options: ListwiseOptions) {
    const { windowing, endpoint } = readListwiseOptions(options);
    this.#windowing = windowing;
    this.#client = new ChatClient(endpoint);
  }

  /**
   * Orders documents by how well they answer a query.
   *
   * The score of a result is 1 / its rank: it says no more than the order does. A document that the model has not
   * ordered has the score NaN. `truncated` tells that `maxPassageCharacters` cut a document; how many tokens that are,
   * only the endpoint knows, so `tokensLost` is NaN then. `priority` has no meaning here.
   *
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_TIMEOUT` or `ERR_ENDPOINT`; with the reason of
   * `signal` when that is aborted
   */
  async rerank<T extends string | object>(
    query: string,
    documents: readonly T[],
    options: RankOptions<T> = {},
  ): Promise<ListwiseResponse<RankedDocument<T>>> {
    const started = performance.now();
    const { texts, kept } = readRankCall(query, documents, options);
    const { maxDocuments, maxPassageCharacters } = this.#windowing;
    const passages = texts.slice(0, maxDocuments).map((text) => quote(text, maxPassageCharacters));
    const pass = this.#newPass(passages.length);
    await this.#run(pass, quote(query, maxPassageCharacters).text, passages, options, started);
    return this.#response(pass, kept, passages, options, started);
  }

  #newPass(count: number): Pass {
    const windows = windowsOf(count, this.#windowing).map(
      ([start, end]): ListwiseWindow => ({ start, end, outcome: 'notAsked' }),
    );
    return {
      order: Array.from({ length: count }, (_, index) => index),
      scored: new Set(count === 1 ? [0] : []), // a lone document is the best without asking
      windows,
      usage: { requests: 0, backOffMs: 0, promptTokens: 0, completionTokens: 0 },
    };
  }

  /** Goes over all windows, and makes of what ends that early what the options say. */
  async #run(
    pass: Pass,
    query: string,
    passages: readonly Passage[],
    { timeoutMs, onTimeout = 'error', signal }: RankOptions<never>,
    started: number,
  ): Promise<void> {
    const deadline = timeoutMs === undefined ? undefined : started + timeoutMs;
    const left = deadline === undefined ? undefined : deadline - performance.now();
    try {
      await withDeadline(signal, left, async (limited) => {
        for (const window of pass.windows) {
          await this.#rankWindow(pass, window, query, passages, limited, deadline);
        }
      });
    } catch (error) {
      if (error instanceof DeadlinePassed) {
        const done = pass.windows.filter(
          ({ outcome }) => outcome === 'ranked' || outcome === 'malformed',
        ).length;
        const message = `timeoutMs passed with ${done} of ${pass.windows.length} windows ranked`;
        endEarly(pass, onTimeout, new CrossrankError('ERR_TIMEOUT', message));
      } else if (error instanceof CrossrankError && error.code === 'ERR_ENDPOINT') {
        endEarly(pass, this.#windowing.onError, error);
      } else {
        throw error;
      }
    }
  }

  async #rankWindow(
    { order, scored, usage }: Pass,
    window: ListwiseWindow,
    query: string,
    passages: readonly Passage[],
    signal: AbortSignal,
    deadline: number | undefined,
  ): Promise<void> {
    const indexes = order.slice(window.start, window.end);
    const texts = indexes.map((index) => (passages[index] as Passage).text);
    window.outcome = 'failed'; // until there is an answer
    const answer = await this.#client.complete(permutationPrompt(query, texts), usage, signal, deadline);
    const permutation = 'content' in answer ? parsePermutation(answer.content, indexes.length) : answer;
    if ('malformed' in permutation) {
      window.outcome = 'malformed';
      window.reason = permutation.malformed;
      return;
    }
    window.outcome = 'ranked';
    permutation.order.forEach((position, rank) => {
      order[window.start + rank] = indexes[position] as number;
    });
    for (const index of indexes) scored.add(index);
  }

  #response<T>(
    { order, scored, windows, usage }: Pass,
    documents: readonly T[],
    passages: readonly Passage[],
    { topK, minScore }: RankOptions<T>,
    started: number,
  ): ListwiseResponse<RankedDocument<T>> {
    const results = documents.map((_, rank): RankedDocument<T> => {
      const index = order[rank] ?? rank; // behind maxDocuments
      const truncated = passages[index]?.truncated ?? false;
      return {
        index,
        score: scored.has(index) ? 1 / (rank + 1) : Number.NaN,
        truncated,
        tokensLost: truncated ? Number.NaN : 0,
        document: documents[index] as T,
      };
    });
    const { requests, promptTokens, completionTokens, backOffMs } = usage;
    const totalMs = performance.now() - started;
    return {
      results: results.filter(({ score }) => minScore === undefined || score >= minScore).slice(0, topK),
      degraded: windows.some(({ outcome }) => outcome !== 'ranked'),
      scored: scored.size,
      usage: {
        pairs: documents.length,
        windows: scored.size,
        cached: 0,
        tokens: promptTokens + completionTokens,
        cachedTokens: 0,
        requests,
        promptTokens,
        completionTokens,
      },
      timings: { tokenizeMs: 0, queueMs: backOffMs, computeMs: totalMs - backOffMs, totalMs },
      windows,
    };
  }
}

/** From the end to the front; each overlaps the one before, and the last begins with the first document. */
function windowsOf(count: number, { windowSize, step }: Windowing): [start: number, end: number][] {
  const windows: [number, number][] = [];
  for (let end = count; end > 1; end -= step) {
    const start = Math.max(0, end - windowSize);
    windows.push([start, end]);
    if (start === 0) break;
  }
  return windows;
}

function endEarly(pass: Pass, how: OnTimeout, error: CrossrankError): void {
  if (how === 'error') throw error;
  for (const window of pass.windows) {
    if (window.outcome === 'failed') window.reason = error.message;
  }
  if (how === 'inputOrder') {
    pass.order.sort((a, b) => a - b);
    pass.scored.clear();
  }
}
