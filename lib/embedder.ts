import { type EmbeddingConfig, readEmbeddingConfig } from './embedding/model-config';
import { modelName } from './embedding/model-name';
import {
  checkEmbedderLoadOptions,
  checkEmbedOptions,
  type EmbedderLoadOptions,
  type EmbedTextOptions,
} from './embedding/options';
import { DEFAULT_MAX_LENGTH, Engine, embeddedModel, UNRANKED } from './engine';
import { CrossrankError, invalidArgument } from './errors';
import { loadedName } from './hub/model-id';
import { resolveModel } from './hub/resolve';
import { describe, type EmbedderInfo } from './info';
import { type EmbedResponse, timingsOf } from './response';
import type { EmbeddingSpace, TextEmbedder } from './search/types';
import { traceCall, traceLoad } from './telemetry/channels';
import type { EmbedderStats } from './telemetry/stats';
import type { Tokens } from './tokenize';

/** The embedded model. */
export const DEFAULT_EMBEDDER = 'multilingual-e5-small-zh-en';

/**
 * Turns texts into vectors whose cosine tells how alike the texts are: the bi-encoder of a first stage.
 *
 * It runs on the engine of {@link Reranker}: on threads of its own, calls made at the same time share them, and a text's
 * vector has the same bits, alone or in any batch.
 */
export class Embedder implements TextEmbedder {
  /** Which vectors these are: the model's folder name (in a Hugging Face cache, the repository's) and dimension. */
  readonly space: EmbeddingSpace;
  readonly #engine: Engine;
  readonly #config: EmbeddingConfig;

  private constructor(engine: Engine, config: EmbeddingConfig) {
    this.#engine = engine;
    this.#config = config;
    this.space = { model: modelName(engine.info.folder), dimension: engine.info.labels };
  }

  /**
   * Loads an embedding model: an encoder, and how its states are pooled.
   *
   * @param model - Path of a Hugging Face model folder, or a model of the hub, as {@link Reranker.load} takes; `modules.json` and what else
   * sentence-transformers saves is read where it is there. An exported graph has the output `last_hidden_state` or
   * `sentence_embedding`. Without it the embedded default model is loaded.
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_MODEL_NOT_FOUND`, `ERR_MODEL_INVALID`,
   * `ERR_MODEL_UNSUPPORTED`, `ERR_DOWNLOAD`, `ERR_PRECISION`, `ERR_MEMORY`, `ERR_RUNTIME` or `ERR_NATIVE_LOAD`; with
   * the reason of `hub.signal` when that is aborted
   */
  static async load(model?: string, options: EmbedderLoadOptions = {}): Promise<Embedder> {
    if (model !== undefined && (typeof model !== 'string' || model === '')) {
      throw invalidArgument('model', 'the path of a model folder or ORGANISATION/NAME', model);
    }
    checkEmbedderLoadOptions(options);
    const name = model === undefined ? embeddedModel(DEFAULT_EMBEDDER) : loadedName(model);
    return traceLoad(name, async () => Embedder.#load(await resolveModel(name, options.hub), options));
  }

  static async #load(folder: string, options: EmbedderLoadOptions): Promise<Embedder> {
    const stored = await readEmbeddingConfig(folder, options.pooling);
    const { pooling, prefixes } = stored;
    const normalize = options.normalize ?? stored.normalize;
    const { query = prefixes.query, document = prefixes.document } = options.prefixes ?? {};
    const config = { ...stored, normalize, prefixes: { query, document } };
    const engine = await Engine.open(folder, options, { pooling, normalize });
    try {
      checkGraph(engine, config, options);
    } catch (error) {
      await engine.dispose();
      throw error;
    }
    return new Embedder(engine, config);
  }

  /**
   * Embeds texts.
   *
   * @param texts - Any number; an empty text has an embedding, too.
   * @returns A vector of `space.dimension` values for each text, in input order: views of one buffer.
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_MODEL_INVALID`, `ERR_QUEUE_FULL`, `ERR_TIMEOUT`,
   * `ERR_RUNTIME` or `ERR_CLOSED`; with the reason of `signal` when that is aborted
   */
  async embed(texts: readonly string[], options: EmbedTextOptions = {}): Promise<Float32Array[]> {
    return (await this.embedWithUsage(texts, options)).embeddings;
  }

  /**
   * As {@link Embedder.embed}, and tells what of each text was cut, what it took and how long.
   * @throws as {@link Embedder.embed}
   */
  async embedWithUsage(texts: readonly string[], options: EmbedTextOptions = {}): Promise<EmbedResponse> {
    const started = performance.now();
    const { info } = this.#engine;
    checkEmbedOptions(options, this.#lengthLimits());
    options.signal?.throwIfAborted();
    const documents = this.#prepare(texts, options.kind);
    const { priority = 'interactive' } = options;
    const trace = () => ({ method: 'embed', model: info.folder, pairs: texts.length, priority }) as const;
    return traceCall(trace, async () => {
      const request = {
        maxTokens: options.maxLength ?? this.#defaultMaxLength(),
        truncateDocument: false,
        sigmoid: false,
        ...UNRANKED,
      };
      const outcome = await this.#engine.run({ queries: [], documents }, options, request, started);
      const { scores, tokensLost, cached, tokens, cachedTokens } = outcome;
      const { dimension } = this.space;
      const embeddings = documents.map((_, i) => scores.subarray(i * dimension, (i + 1) * dimension));
      const usage = { texts: documents.length, cached, tokens, cachedTokens };
      return { embeddings, tokensLost, usage, timings: timingsOf(outcome, started) };
    });
  }

  /** The tokens of texts, without prefixes and special tokens, as {@link Reranker.tokenize}. */
  tokenize(texts: readonly string[]): Promise<Tokens[]> {
    return this.#engine.tokenize(texts);
  }

  /**
   * Loads the model where it has been unloaded, and runs each engine thread once, as {@link Reranker.warmUp}.
   * @throws {@link CrossrankError} with the codes of {@link Embedder.load}, or `ERR_CLOSED`
   */
  async warmUp(): Promise<void> {
    await this.#engine.warmUp();
  }

  /** What is loaded and how it runs. */
  info(): EmbedderInfo {
    const { info } = this.#engine;
    const { pooling, normalize, prefixes } = this.#config;
    return {
      ...describe(info, this.#engine.isLoaded()),
      dimension: info.labels,
      pooling: info.poolsItself ? 'model' : pooling,
      normalize,
      prefixes: { ...prefixes },
      defaultMaxLength: this.#defaultMaxLength(),
    };
  }

  /** What has been done so far, what waits, and how long calls of the last minutes took. */
  stats(): EmbedderStats {
    const { scores, ...stats } = this.#engine.stats();
    return stats;
  }

  /**
   * Ends this embedder, as {@link Reranker.dispose} does a reranker.
   * @returns when all of its native work has ended; calling it again returns the same promise
   */
  dispose(): Promise<void> {
    return this.#engine.dispose();
  }

  /** `await using embedder = await Embedder.load()` */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #defaultMaxLength(): number {
    const { min, max } = this.#lengthLimits();
    return Math.max(min, Math.min(this.#config.maxLength ?? DEFAULT_MAX_LENGTH, max));
  }

  #lengthLimits(): { min: number; max: number } {
    const { specialTokens, maxLength } = this.#engine.info;
    return { min: specialTokens + 1, max: maxLength };
  }

  /** A copy: callers may change theirs while it is being read. */
  #prepare(texts: readonly string[], kind: EmbedTextOptions['kind']): string[] {
    if (!Array.isArray(texts)) throw invalidArgument('texts', 'an array of strings', texts);
    const { prefixes, lowercase } = this.#config;
    const prefix = kind === undefined ? '' : prefixes[kind];
    const prepared = new Array<string>(texts.length);
    for (let i = 0; i < texts.length; i++) {
      const text: unknown = texts[i];
      if (typeof text !== 'string') throw invalidArgument(`texts[${i}]`, 'a string', text);
      prepared[i] = lowercase ? (prefix + text).toLowerCase() : prefix + text;
    }
    return prepared;
  }
}

/** Whether the graph that was loaded is what files and options say. */
function checkGraph(
  { info }: Engine,
  { dimension }: EmbeddingConfig,
  { pooling }: EmbedderLoadOptions,
): void {
  if (info.poolsItself) {
    if (pooling === undefined) return;
    throw new CrossrankError(
      'ERR_MODEL_UNSUPPORTED',
      `the exported model in ${info.folder} gives embeddings that it has pooled itself; leave out the option pooling`,
    );
  }
  if (dimension === undefined || dimension === info.labels) return;
  throw new CrossrankError(
    'ERR_MODEL_INVALID',
    `the pooling of the model in ${info.folder} is for ${dimension} dimensions, and the model has ${info.labels}; ` +
      'its files are of different models',
  );
}
