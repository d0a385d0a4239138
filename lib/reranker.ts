import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { textsOf } from './documents';
import { CrossrankError, invalidArgument } from './errors';
import {
  type NativeEngine,
  type NativeInfo,
  type NativeOutcome,
  nativeBinding,
  runtimeLibraries,
} from './native/binding';
import { packageRoot } from './native/load';
import {
  type CpuLevel,
  checkLoadOptions,
  checkRerankOptions,
  checkScoringOptions,
  type LoadOptions,
  type Precision,
  type RerankOptions,
  type ScoringOptions,
} from './options';
import { guardPrecision } from './precision/verify';
import { applyProfile } from './profile';
import { usableProcessors } from './threads';

/** A document's place in the answer to {@link Reranker.rerank}, without the document. */
export interface RankedIndex {
  /** Position in the documents that were passed in, from 0. */
  index: number;
  /** On the scale that the option `scores` asks for. */
  score: number;
  /** Whether the pair was longer than `maxLength` and the model saw only part of it. */
  truncated: boolean;
  /** Tokens of query and document that the model did not see. */
  tokensLost: number;
}

/** A document's place in the answer to {@link Reranker.rerank}. */
export interface RankedDocument<T> extends RankedIndex {
  /** The document as it was passed in. */
  document: T;
}

/** The answer to {@link Reranker.rerank}. */
export interface RerankResponse<R> {
  /** Best first; equal scores keep the order of the documents. */
  results: R[];
  usage: {
    /** (query, document) pairs scored. */
    pairs: number;
    /** Tokens computed, special tokens included. */
    tokens: number;
  };
  /** Wall time in milliseconds. */
  timings: {
    /** From the first text taken up to the last one tokenized. */
    tokenizeMs: number;
    /** Waiting for a free engine thread. */
    queueMs: number;
    /** From the first chunk's start to the last one's end. */
    computeMs: number;
    /** From the call to its answer. */
    totalMs: number;
  };
}

/** What {@link Reranker.info} tells. */
export interface RerankerInfo {
  /** Folder the model was loaded from. */
  model: string;
  /** `model_type` of config.json, such as `'xlm-roberta'`. */
  modelType: string;
  /** Such as `'XLMRobertaForSequenceClassification'`; the file name of an exported graph. */
  architecture: string;
  /** Whether the engine wrote the graph itself and runs it without padding; false for an exported `.onnx`. */
  packed: boolean;
  /** Number of weights; 0 for an exported `.onnx`. */
  parameters: number;
  layers: number;
  hiddenSize: number;
  heads: number;
  /** Scores a pair gets; a reranker has 1. */
  labels: number;
  /** The most tokens of a pair, special tokens included. */
  maxLength: number;
  /** What `scores: 'model'` does. */
  activation: 'sigmoid' | 'identity';
  /** That runs, after `'auto'` was resolved; `'model'`: as the exported graph was written. */
  precision: Exclude<Precision, 'auto'> | 'model';
  threads: number;
  maxTokensPerChunk: number;
  /** Path of the profile of `crossrank tune` that filled in options, or null where none did. */
  profile: string | null;
  kernels: {
    /** Level of instruction sets that was chosen; see {@link LoadOptions.cpu}. */
    level: CpuLevel;
    /** What multiplies matrices: `'onnxruntime'` in fp32, else such as `'avx512-vnni'` or `'amx-bf16'`. */
    linear: string;
    /** What computes attention, such as `'avx512'` or `'avx512-bf16'`. */
    attention: string;
    /** What the CPU has and the operating system refuses to this process, and why. */
    refused?: string;
  };
  /** Whether the model is in memory: not after `idleUnloadMs`, when another load needed the memory, or after dispose. */
  loaded: boolean;
  memory: {
    /** Bytes that the weights take: matrices as the precision keeps them, embedding tables as in the file. */
    weights: number;
  };
  onnxRuntime: { version: string; path: string };
}

const DEFAULT_MODEL = 'crossrank-mini';
const DEFAULT_MAX_LENGTH = 512;

/** UTF-16 units copied to native memory in one turn of the event loop: about 0.2 ms. */
const UNITS_PER_TURN = 256 * 1024;

/**
 * Scores (query, document) pairs with a cross-encoder and ranks documents by it.
 *
 * All work runs on threads of its own; calls made at the same time share them. A pair's score does not depend on what
 * else is scored: the same pair gives the same bits, alone or in any batch.
 */
export class Reranker {
  readonly #engine: NativeEngine;
  readonly #info: NativeInfo;
  readonly #profile: string | null;
  #disposed: Promise<void> | undefined;

  private constructor(engine: NativeEngine, profile: string | null) {
    this.#engine = engine;
    this.#profile = profile;
    this.#info = engine.info();
  }

  /**
   * Loads a model.
   *
   * @param model - Path of a Hugging Face model folder: `tokenizer.json`, and `config.json` with `model.safetensors`
   * (or shards with an index), or an exported `model.onnx`. Without it the embedded default model is loaded.
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_MODEL_NOT_FOUND`, `ERR_MODEL_INVALID`,
   * `ERR_MODEL_UNSUPPORTED`, `ERR_PRECISION`, `ERR_MEMORY`, `ERR_RUNTIME` or `ERR_NATIVE_LOAD`
   */
  static async load(model?: string, options: LoadOptions = {}): Promise<Reranker> {
    if (model !== undefined && (typeof model !== 'string' || model === '')) {
      throw invalidArgument('model', 'the path of a model folder', model);
    }
    checkLoadOptions(options);
    const folder = model === undefined ? defaultModelFolder() : resolve(model);
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
    const libraries = runtimeLibraries(options.onnxRuntimePath);
    const engine = await nativeBinding().load({
      folder,
      libraryPaths: libraries.paths,
      libraryRequired: libraries.required,
      literalSpecialTokens: options.specialTokens === 'text',
      precision: options.precision ?? 'auto',
      cpu: options.cpu ?? '',
      threads: options.threads ?? usableProcessors(),
      maxTokensPerChunk: options.maxTokensPerChunk ?? 0,
      nice: options.nice ?? 0,
      idleUnloadMs: options.idleUnloadMs ?? null,
      memoryBudget: options.memoryBudget ?? null,
    });
    return new Reranker(engine, profile);
  }

  /**
   * Ranks documents by how well they answer a query.
   *
   * @param documents - Strings, or objects whose text the option `text` picks. None gives no results.
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_MODEL_INVALID`, `ERR_MODEL_UNSUPPORTED` (the model
   * has more than one label), `ERR_RUNTIME` or `ERR_CLOSED`
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
    const texts = textsOf(documents, options.text);
    const kept = options.returnDocuments === false ? undefined : documents.slice(); // callers may change theirs meanwhile
    if (this.#info.labels !== 1) {
      throw new CrossrankError(
        'ERR_MODEL_UNSUPPORTED',
        `the model has ${this.#info.labels} labels, and a ranking needs one score a pair; use predict()`,
      );
    }
    const outcome = await this.#run([query], texts, undefined, options, {
      rank: true,
      topK: options.topK ?? Number.POSITIVE_INFINITY,
      minScore: options.minScore ?? Number.NEGATIVE_INFINITY,
    });
    const results = toResults(outcome, kept);
    return {
      results,
      usage: { pairs: outcome.pairs, tokens: outcome.tokens },
      timings: {
        tokenizeMs: outcome.tokenizeMs,
        queueMs: outcome.queueMs,
        computeMs: outcome.computeMs,
        totalMs: performance.now() - started,
      },
    };
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
    checkScoringOptions(options, this.#lengthLimits());
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
    const outcome = await this.#run([...queries.keys()], documents, queryOf, options, {
      rank: false,
      topK: Number.POSITIVE_INFINITY,
      minScore: Number.NEGATIVE_INFINITY,
    });
    return outcome.scores;
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
    const info = this.#info;
    return {
      model: info.folder,
      modelType: info.modelType,
      architecture: info.architecture,
      packed: info.packed,
      parameters: info.parameters,
      layers: info.layers,
      hiddenSize: info.hiddenSize,
      heads: info.heads,
      labels: info.labels,
      maxLength: info.maxLength,
      activation: info.activation,
      precision: info.packed ? info.precision : 'model',
      threads: info.threads,
      maxTokensPerChunk: info.maxTokensPerChunk,
      profile: this.#profile,
      kernels: {
        level: info.kernelLevel as CpuLevel,
        linear: info.linearKernel,
        attention: info.attentionKernel,
        ...(info.refusedFeatures === '' ? {} : { refused: info.refusedFeatures }),
      },
      loaded: this.#engine.isLoaded(),
      memory: { weights: info.weightBytes },
      onnxRuntime: { version: info.runtimeVersion, path: info.runtimePath },
    };
  }

  /**
   * Ends this reranker, and frees the model where no other holds it. Calls that are not answered yet reject with
   * `ERR_CLOSED`, as later ones do; calls of other rerankers on the same model go on.
   * @returns when all of its native work has ended; calling it again returns the same promise
   */
  dispose(): Promise<void> {
    this.#disposed ??= this.#engine.dispose();
    return this.#disposed;
  }

  /** `await using reranker = await Reranker.load()` */
  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #lengthLimits(): { min: number; max: number } {
    return { min: this.#info.specialTokens + 2, max: this.#info.maxLength };
  }

  async #run(
    queries: readonly string[],
    documents: readonly string[],
    queryOf: Uint32Array | undefined,
    options: ScoringOptions,
    ranking: { rank: boolean; topK: number; minScore: number },
  ): Promise<NativeOutcome> {
    if (this.#disposed !== undefined)
      throw new CrossrankError('ERR_CLOSED', 'the reranker has been disposed');
    if (documents.length === 0) return emptyOutcome();
    const scale = options.scores ?? 'model';
    const { Request } = nativeBinding();
    const request = new Request(this.#engine, queries, {
      maxTokens: options.maxLength ?? Math.min(DEFAULT_MAX_LENGTH, this.#info.maxLength),
      truncateDocument: options.truncate === 'document',
      sigmoid: scale === 'sigmoid' || (scale === 'model' && this.#info.activation === 'sigmoid'),
      ...ranking,
    });
    for (let first = 0; first < documents.length; ) {
      let end = first;
      for (let units = 0; end < documents.length && units < UNITS_PER_TURN; end++) {
        units += 64 + (documents[end] as string).length;
      }
      request.addDocuments(documents, first, end, queryOf);
      first = end;
      if (first < documents.length) await nextTurn();
    }
    return await request.run();
  }
}

function emptyOutcome(): NativeOutcome {
  return {
    indexes: new Uint32Array(0),
    scores: new Float32Array(0),
    tokensLost: new Uint32Array(0),
    pairs: 0,
    tokens: 0,
    tokenizeMs: 0,
    queueMs: 0,
    computeMs: 0,
  };
}

function toResults<T>(
  outcome: NativeOutcome,
  documents: readonly T[] | undefined,
): (RankedDocument<T> | RankedIndex)[] {
  const { indexes = [], scores, tokensLost = [] } = outcome;
  return Array.from(indexes, (index, rank) => {
    const lost = tokensLost[rank] as number;
    const place = { index, score: scores[rank] as number, truncated: lost > 0, tokensLost: lost };
    return documents === undefined ? place : { ...place, document: documents[index] as T };
  });
}

function defaultModelFolder(): string {
  const folder = join(packageRoot(), 'models', DEFAULT_MODEL);
  if (!existsSync(folder)) {
    throw new CrossrankError(
      'ERR_MODEL_NOT_FOUND',
      `the embedded model is missing at ${folder}; reinstall crossrank`,
    );
  }
  return folder;
}
