import { CrossrankError } from '../errors';
import { checkSpace } from './checks';
import { Deadline } from './deadline';
import { type Candidate, degradedReason, type FirstStageOutcome, findCandidates } from './first-stage';
import { indexDocuments } from './indexing';
import {
  checkIndexOptions,
  checkPipelineOptions,
  type IndexOptions,
  type IndexProgress,
  type PipelineOptions,
  planSearch,
  type SearchOptions,
  type SearchPlan,
} from './pipeline-options';
import type { DegradedReason, SearchResponse, SearchResult, SearchUpdate } from './response';
import { ResultCache } from './result-cache';
import type { StoredDocument } from './types';

const DEFAULT_CACHE_ENTRIES = 1000;
const DEFAULT_CACHE_TTL_MS = 3_600_000;
const EMPTY_STORE = 'the store holds no documents; add some with index()';

/**
 * The whole search: a first stage finds candidates by vectors, and by keywords where there is an index of them; a
 * reranker reads each with the query and puts the right ones first.
 *
 * The parts stay the caller's: several pipelines may share an embedder, a reranker or a store, and closing them is up to
 * whoever made them. Searches made at the same time are served together: their texts share the engines' runs, and their
 * vectors a pass over the store in memory.
 */
export class SearchPipeline {
  readonly #parts: PipelineOptions;
  readonly #cache: ResultCache;

  /** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, or `ERR_STORE_MISMATCH` */
  constructor(options: PipelineOptions) {
    checkPipelineOptions(options);
    checkSpace('the store', options.store.space, options.embedder.space);
    this.#parts = { ...options };
    const { maxEntries = DEFAULT_CACHE_ENTRIES, ttlMs = DEFAULT_CACHE_TTL_MS } =
      options.cache === false ? { maxEntries: 0 } : (options.cache ?? {});
    this.#cache = new ResultCache(maxEntries, ttlMs);
  }

  /**
   * Answers a query.
   *
   * A stage that fails does not fail the search while another can stand in: without the reranker the first stage's order
   * is the answer, without the store's answer the keyword index's, and the other way round; the response is then
   * `degraded`, and its `reasons` tell why.
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`; with `ERR_STORE`, `ERR_TIMEOUT` or another code where
   * there are no candidates to fall back to; with the reason of `signal` when that is aborted
   */
  async search(query: string, options: SearchOptions = {}): Promise<SearchResponse> {
    let last: SearchResponse | undefined;
    for await (const { response } of this.searchStream(query, options)) last = response;
    return last as SearchResponse;
  }

  /**
   * As {@link SearchPipeline.search}, but yields the first stage's order as soon as it is there, for somebody who wants to
   * see something at once, and then the final answer. Reranking goes on meanwhile; leaving the loop ends it. An answer
   * from the cache, or one that is not reranked, comes as one update.
   */
  async *searchStream(query: string, options: SearchOptions = {}): AsyncGenerator<SearchUpdate, void, void> {
    const { keywords, reranker } = this.#parts;
    const plan = planSearch(query, options, {
      keywords: keywords !== undefined,
      reranker: reranker !== undefined,
    });
    options.signal?.throwIfAborted();
    const ending = new AbortController(); // by the caller's signal, or because nobody waits for the answer any more
    const onAbort = () => ending.abort(options.signal?.reason);
    options.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      yield* this.#updates(plan, new Deadline(options.timeoutMs, ending.signal), ending.signal);
    } finally {
      options.signal?.removeEventListener('abort', onAbort);
      ending.abort();
    }
  }

  async *#updates(
    plan: SearchPlan,
    deadline: Deadline,
    signal: AbortSignal,
  ): AsyncGenerator<SearchUpdate, void, void> {
    const key = plan.cache ? JSON.stringify(plan) : undefined;
    const kept = key === undefined ? undefined : this.#cache.get(key);
    if (kept !== undefined) {
      const timings = { ...kept.timings, totalMs: deadline.elapsed() };
      yield { stage: plan.rerank ? 'reranked' : 'firstStage', response: { ...kept, cached: true, timings } };
      return;
    }
    const { generation } = this.#cache;
    const first = await findCandidates(this.#parts, plan, deadline, signal);
    let response = await this.#firstStageResponse(first, plan, deadline);
    if (!plan.rerank || first.candidates.length === 0) {
      this.#keep(key, response, generation);
      yield { stage: 'firstStage', response };
      return;
    }
    const reranked = this.#rerank(first, plan, deadline, signal);
    reranked.catch(() => undefined); // it may fail while the consumer is busy with the first update
    yield { stage: 'firstStage', response };
    response = await reranked;
    this.#keep(key, response, generation);
    yield { stage: 'reranked', response };
  }

  /**
   * Adds documents to the store and the keyword index, a batch at a time: memory stays flat however many come. What is in
   * the store already, with the same text and metadata, is not embedded again, so an indexing that was interrupted goes
   * on where it was when it is called again with the same documents. When it fails, what was stored stays.
   *
   * @param documents - An array, or any (async) iterable, such as lines of a file
   * @returns what was done
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` (an id that came before in the same call, a document that
   * is none), with `ERR_STORE`, or the embedder's; with the reason of `signal`
   */
  async index(
    documents: Iterable<StoredDocument> | AsyncIterable<StoredDocument>,
    options: IndexOptions = {},
  ): Promise<IndexProgress> {
    checkIndexOptions(options);
    try {
      return await indexDocuments(this.#parts, documents, options, () => this.#cache.clear());
    } finally {
      this.#cache.clear();
    }
  }

  /** Removes documents from the store and the keyword index. @returns how many were in the store */
  async remove(ids: readonly string[]): Promise<number> {
    try {
      const removed = await this.#parts.store.remove(ids);
      await this.#parts.keywords?.remove(ids);
      return removed;
    } finally {
      this.#cache.clear();
    }
  }

  /** Forgets all answers that were kept, for instance because others changed the store. */
  clearCache(): void {
    this.#cache.clear();
  }

  #keep(key: string | undefined, response: SearchResponse, generation: number): void {
    if (key !== undefined && !response.degraded) this.#cache.set(key, response, generation);
  }

  async #firstStageResponse(
    { candidates, reasons, timings }: FirstStageOutcome,
    plan: SearchPlan,
    deadline: Deadline,
  ): Promise<SearchResponse> {
    const isEmpty = candidates.length === 0 && (await this.#isEmpty());
    return {
      results: candidates.slice(0, plan.topK).map(asResult),
      degraded: reasons.length > 0,
      reasons,
      cached: false,
      candidates: candidates.length,
      ...(isEmpty ? { notice: EMPTY_STORE } : {}),
      timings: { ...timings, rerankMs: 0, totalMs: deadline.elapsed() },
    };
  }

  /** A store that fails right now does not spoil an answer that is there. */
  async #isEmpty(): Promise<boolean> {
    return (await this.#parts.store.count().catch(() => undefined)) === 0;
  }

  async #rerank(
    first: FirstStageOutcome,
    plan: SearchPlan,
    deadline: Deadline,
    signal: AbortSignal,
  ): Promise<SearchResponse> {
    const started = deadline.elapsed();
    const reasons = [...first.reasons];
    let results: SearchResult[];
    try {
      const answer = await this.#rank(first.candidates, plan, deadline, signal);
      results = answer.results;
      reasons.push(...answer.reasons);
    } catch (error) {
      signal.throwIfAborted();
      const reason = degradedReason('rerank', error);
      if (reason.code === 'ERR_TIMEOUT' && plan.onTimeout === 'error') throw error;
      results = first.candidates.slice(0, plan.topK).map(asResult);
      reasons.push(reason);
    }
    const totalMs = deadline.elapsed();
    return {
      results,
      degraded: reasons.length > 0,
      reasons,
      cached: false,
      candidates: first.candidates.length,
      timings: { ...first.timings, rerankMs: totalMs - started, totalMs },
    };
  }

  async #rank(
    candidates: readonly Candidate[],
    plan: SearchPlan,
    deadline: Deadline,
    signal: AbortSignal,
  ): Promise<{ results: SearchResult[]; reasons: DegradedReason[] }> {
    const { reranker, rerankOptions } = this.#parts;
    if (reranker === undefined) throw new Error('planned without a reranker'); // planSearch refuses that
    const timeoutMs = deadline.remaining();
    if (timeoutMs === 0) throw new CrossrankError('ERR_TIMEOUT', 'timeoutMs passed before reranking began');
    const documents = candidates.map((candidate) => candidate.document);
    const answer = await reranker.rerank(plan.query, documents, {
      ...rerankOptions,
      topK: plan.topK,
      ...(plan.minScore === undefined ? {} : { minScore: plan.minScore }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      onTimeout: plan.onTimeout === 'partial' ? 'partial' : 'error',
      signal,
    });
    const results = answer.results.map(({ index, score, span }, i) => {
      const { document, firstStage } = candidates[index] as Candidate;
      return { rank: i + 1, score, document, firstStage, ...(span === undefined ? {} : { span }) };
    });
    if (!answer.degraded) return { results, reasons: [] };
    const message = `the reranker's answer is degraded: ${answer.scored} of ${candidates.length} candidates scored`;
    const code = deadline.remaining() === 0 ? 'ERR_TIMEOUT' : 'ERR_RUNTIME';
    // A cascade tells what a stage of it failed with.
    const { error = new CrossrankError(code, message) } = answer as { error?: unknown };
    return { results, reasons: [degradedReason('rerank', error)] };
  }
}

function asResult({ document, firstStage }: Candidate, index: number): SearchResult {
  return { rank: index + 1, score: firstStage.score, document, firstStage };
}
