import { isCallOver } from './call';
import { type Ranking, rankByChunks } from './chunk-ranking';
import { textsOf } from './documents';
import { DEFAULT_MAX_LENGTH, Engine, embeddedModel, UNRANKED } from './engine';
import { CrossrankError, invalidArgument } from './errors';
import { loadedName } from './hub/model-id';
import { resolveModel } from './hub/resolve';
import { describe, type RerankerInfo } from './info';
import { nativeWindows } from './long-documents';
import type { NativeOutcome } from './native/binding';
import {
  checkLoadOptions,
  checkRerankOptions,
  checkScoringOptions,
  type LoadOptions,
  type RerankOptions,
  type ScoringOptions,
} from './options';
import { guardPrecision } from './precision/verify';
import { applyProfile } from './profile';
import {
  type RankedDocument,
  type RankedIndex,
  type RerankResponse,
  type ScoreResponse,
  timingsOf,
  toResults,
} from './response';
import { type CallTrace, traceCall, traceLoad } from './telemetry/channels';
import type { RerankerStats } from './telemetry/stats';
import type { Tokens } from './tokenize';

/** The embedded model. */
export const DEFAULT_RERANKER = 'crossrank-mini';

/**
 * Scores (query, document) pairs with a cross-encoder and ranks documents by it.
 *
 * All work runs on threads of its own; calls made at the same time share them. A pair's score does not depend on what
 * else is scored: the same pair gives the same bits, alone or in any batch.
 */
export class Reranker {
  readonly #engine: Engine;
  readonly #profile: string | null;

  private constructor(engine: Engine, profile: string | null) {
    this.#engine = engine;
    this.#profile = profile;
  }

  /**
   * Loads a model.
   *
   * @param model - Path of a Hugging Face model folder: `tokenizer.json`, and `config.json` with `model.safetensors`
   * (or shards with an index), or an exported `model.onnx`. Where there is no such folder, a model of the hub,
   * `ORGANISATION/NAME` or `ORGANISATION/NAME@REVISION`: it is downloaded where it is not in the Hugging Face cache.
   * Without it the embedded default model is loaded.
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_MODEL_NOT_FOUND`, `ERR_MODEL_INVALID`,
   * `ERR_MODEL_UNSUPPORTED`, `ERR_DOWNLOAD`, `ERR_PRECISION`, `ERR_MEMORY`, `ERR_RUNTIME` or `ERR_NATIVE_LOAD`; with
   * the reason of `hub.signal` when that is aborted
   */
  static async load(model?: string, options: LoadOptions = {}): Promise<Reranker> {
    if (model !== undefined && (typeof model !== 'string' || model === '')) {
      throw invalidArgument('model', 'the path of a model folder or ORGANISATION/NAME', model);
    }
    checkLoadOptions(options);
    const name = model === undefined ? embeddedModel(DEFAULT_RERANKER) : loadedName(model);
    return traceLoad(name, async () => Reranker.#load(await resolveModel(name, options.hub), options));
  }

  static async #load(folder: string, options: LoadOptions): Promise<Reranker> {
    const applied = await applyProfile(folder, options);
    const reranker = await Reranker.#open(folder, applied.options, applied.profile);
    if (options.verify !== true) return reranker;
    try {
      await guardPrecision(reranker, (precision) => Reranker.#open(folder, { ...options, precision }, null));
    } catch (error) {
      await reranker.dispose();
      throw error;
    }
    return reranker;
  }

  static async #open(folder: string, options: LoadOptions, profile: string | null): Promise<Reranker> {
    return new Reranker(await Engine.open(folder, options, null), profile);
  }

  /**
   * Ranks documents by how well they answer a query.
   *
   * @param documents - Strings, or objects whose text the option `text` picks. None gives no results.
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_MODEL_INVALID`, `ERR_MODEL_UNSUPPORTED` (the model
   * has more than one label), `ERR_QUEUE_FULL`, `ERR_TIMEOUT`, `ERR_RUNTIME` or `ERR_CLOSED`; with the reason of
   * `signal` when that is aborted
   */
  async rerank<T extends string | object>(
    query: string,
    documents: readonly T[],
    options: RerankOptions<T> & { returnDocuments: false },
  ): Promise<RerankResponse<RankedIndex>>;
  async rerank<T extends string | object>(
    query: string,
    documents: readonly T[],
    options?: RerankOptions<T>,
  ): Promise<RerankResponse<RankedDocument<T>>>;
  async rerank<T extends string | object>(
    query: string,
    documents: readonly T[],
    options: RerankOptions<T> = {},
  ): Promise<RerankResponse<RankedDocument<T> | RankedIndex>> {
    const started = performance.now();
    if (typeof query !== 'string') throw invalidArgument('query', 'a string', query);
    checkRerankOptions(options, this.#lengthLimits());
    options.signal?.throwIfAborted();
    const texts = textsOf(documents, options.text);
    const kept = options.returnDocuments === false ? undefined : documents.slice(); // callers may change theirs meanwhile
    if (this.#engine.info.labels !== 1) {
      throw new CrossrankError(
        'ERR_MODEL_UNSUPPORTED',
        `the model has ${this.#engine.info.labels} labels, and a ranking needs one score a pair; use predict()`,
      );
    }
    const ranking = {
      rank: true,
      topK: options.topK ?? Number.POSITIVE_INFINITY,
      minScore: options.minScore ?? Number.NEGATIVE_INFINITY,
      onTimeout: options.timeoutMs === undefined ? 'error' : (options.onTimeout ?? 'error'),
      windows: options.longDocuments === 'window' ? nativeWindows(options.window) : null,
    } as const;
    return this.#traced('rerank', texts.length, options, async () => {
      const run = (documents: readonly string[], how: Ranking) =>
        this.#run([query], documents, undefined, options, how, started);
      const room = this.#maxTokens(options) - this.#engine.info.specialTokens;
      const isOver = () => isCallOver(options, started);
      const outcome =
        options.longDocuments === 'chunk'
          ? await rankByChunks({ query, documents: texts, room, tokenizer: this, isOver, run }, ranking)
          : await run(texts, ranking);
      const { degraded, scored, pairs, windows, cached, tokens, cachedTokens } = outcome;
      return {
        results: toResults(outcome, kept),
        degraded,
        scored,
        usage: { pairs, windows, cached, tokens, cachedTokens },
        timings: timingsOf(outcome, started),
      };
    });
  }

  /**
   * Scores pairs, as `CrossEncoder.predict` of sentence-transformers does.
   *
   * @param pairs - `[query, document]` each
   * @returns A score for each pair in input order; `[pairs, labels]` row by row where the model has several labels.
   * @throws as {@link Reranker.rerank}
   */
  async predict(
    pairs: readonly (readonly [string, string])[],
    options: ScoringOptions = {},
  ): Promise<Float32Array> {
    return (await this.score(pairs, options)).scores;
  }

  /**
   * As {@link Reranker.predict}, and tells what of each pair was cut, what it took and how long.
   * @throws as {@link Reranker.rerank}
   */
  async score(
    pairs: readonly (readonly [string, string])[],
    options: ScoringOptions = {},
  ): Promise<ScoreResponse> {
    const started = performance.now();
    checkScoringOptions(options, this.#lengthLimits());
    options.signal?.throwIfAborted();
    if (!Array.isArray(pairs)) throw invalidArgument('pairs', 'an array of [query, document]', pairs);
    const queries = new Map<string, number>();
    const queryOf = new Uint32Array(pairs.length);
    const documents = new Array<string>(pairs.length);
    for (let i = 0; i < pairs.length; i++) {
      const pair: unknown = pairs[i];
      if (
        !Array.isArray(pair) ||
        pair.length !== 2 ||
        typeof pair[0] !== 'string' ||
        typeof pair[1] !== 'string'
      ) {
        throw invalidArgument(`pairs[${i}]`, '[query, document], two strings,', pair);
      }
      const [query, document] = pair as [string, string];
      let index = queries.get(query);
      if (index === undefined) {
        index = queries.size;
        queries.set(query, index);
      }
      queryOf[i] = index;
      documents[i] = document;
    }
    return this.#traced('predict', pairs.length, options, async () => {
      const outcome = await this.#run([...queries.keys()], documents, queryOf, options, UNRANKED, started);
      const { scores, tokensLost, cached, tokens, cachedTokens } = outcome;
      const usage = { pairs: pairs.length, cached, tokens, cachedTokens };
      return { scores, tokensLost, usage, timings: timingsOf(outcome, started) };
    });
  }

  /**
   * The tokens of texts as the model's tokenizer makes them, without the special tokens around them, and where each lies
   * in its text. Runs on a thread of its own.
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_CLOSED`, or the codes of {@link Reranker.load} where
   * the model has to be loaded again
   */
  tokenize(texts: readonly string[]): Promise<Tokens[]> {
    return this.#engine.tokenize(texts);
  }

  /**
   * Loads the model where it has been unloaded, and runs each engine thread once with a full chunk and once with a
   * small one, so that the first call finds memory and weights in place.
   * @throws {@link CrossrankError} with the codes of {@link Reranker.load}, or `ERR_CLOSED`
   */
  async warmUp(): Promise<void> {
    await this.#engine.warmUp();
  }

  /** What is loaded and how it runs. */
  info(): RerankerInfo {
    const { labels, activation } = this.#engine.info;
    const engine = describe(this.#engine.info, this.#engine.isLoaded());
    return { ...engine, labels, activation, profile: this.#profile };
  }

  /** What has been done so far, what waits, and how long calls of the last minutes took. */
  stats(): RerankerStats {
    return this.#engine.stats();
  }

  /**
   * Ends this reranker, and frees the model where no other holds it. Calls that are not answered yet reject with
   * `ERR_CLOSED`, as later ones do; calls of other rerankers on the same model go on.
   * @returns when all of its native work has ended; calling it again returns the same promise
   */
  dispose(): Promise<void> {
    return this.#engine.dispose();
  }

  /** `await using reranker = await Reranker.load()` */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #lengthLimits(): { min: number; max: number } {
    return { min: this.#engine.info.specialTokens + 2, max: this.#engine.info.maxLength };
  }

  #maxTokens(options: ScoringOptions): number {
    return options.maxLength ?? Math.min(DEFAULT_MAX_LENGTH, this.#engine.info.maxLength);
  }

  #traced<R>(
    method: CallTrace['method'],
    pairs: number,
    { priority = 'interactive' }: ScoringOptions,
    run: () => Promise<R>,
  ): Promise<R> {
    return traceCall(() => ({ method, model: this.#engine.info.folder, pairs, priority }), run);
  }

  async #run(
    queries: readonly string[],
    documents: readonly string[],
    queryOf: Uint32Array | undefined,
    options: ScoringOptions,
    ranking: Ranking,
    started: number,
  ): Promise<NativeOutcome> {
    const { activation } = this.#engine.info;
    const scale = options.scores ?? 'model';
    const request = {
      maxTokens: this.#maxTokens(options),
      truncateDocument: options.truncate === 'document',
      sigmoid: scale === 'sigmoid' || (scale === 'model' && activation === 'sigmoid'),
      ...ranking,
    };
    return this.#engine.run({ queries, documents, queryOf }, options, request, started);
  }
}
