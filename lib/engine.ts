import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { answerOf } from './call';
import { CrossrankError } from './errors';
import {
  type NativeEngine,
  type NativeInfo,
  type NativeOutcome,
  type NativePooling,
  type NativeRequestOptions,
  nativeBinding,
  runtimeLibraries,
} from './native/binding';
import { packageRoot } from './native/load';
import type { EngineOptions, ScoringOptions } from './options';
import { emptyOutcome } from './response';
import { CallTimes, type RerankerStats } from './telemetry/stats';
import { usableProcessors } from './threads';
import { type Tokens, tokenizeTexts } from './tokenize';

/** Where pairs and texts are cut unless a call says otherwise, in tokens. */
export const DEFAULT_MAX_LENGTH = 512;
const DEFAULT_CACHE_BYTES = 32 * 1024 * 1024;
const DEFAULT_CACHE_TTL_MS = 3_600_000;

/** Of a call that wants everything, in input order. */
export const UNRANKED = {
  rank: false,
  topK: Number.POSITIVE_INFINITY,
  minScore: Number.NEGATIVE_INFINITY,
  onTimeout: 'error',
  windows: null,
} as const;

/** Texts of a call: documents, each with a query; or, without queries, texts by themselves. */
export interface EngineTexts {
  queries: readonly string[];
  documents: readonly string[];
  /** Index of each document's query; the first where it is undefined. */
  queryOf?: Uint32Array | undefined;
}

/** A loaded model, and what all classes over one do alike. */
export class Engine {
  readonly info: NativeInfo;
  readonly #native: NativeEngine;
  /** What messages call it. */
  readonly #owner: 'reranker' | 'embedder';
  readonly #hasCache: boolean;
  readonly #times = new CallTimes();
  #disposed: Promise<void> | undefined;

  private constructor(native: NativeEngine, owner: 'reranker' | 'embedder', hasCache: boolean) {
    this.#native = native;
    this.#owner = owner;
    this.#hasCache = hasCache;
    this.info = native.info();
  }

  /** @param pooling - makes it an embedder; null: a reranker */
  static async open(folder: string, options: EngineOptions, pooling: NativePooling | null): Promise<Engine> {
    const libraries = runtimeLibraries(options.onnxRuntimePath);
    const cache = options.cache ?? {};
    const native = await nativeBinding().load({
      folder,
      pooling,
      libraryPaths: libraries.paths,
      libraryRequired: libraries.required,
      literalSpecialTokens: options.specialTokens === 'text',
      precision: options.precision ?? 'auto',
      cpu: options.cpu ?? '',
      threads: options.threads ?? usableProcessors(),
      maxTokensPerChunk: options.maxTokensPerChunk ?? 0,
      maxQueuedTokens: options.maxQueuedTokens ?? 0,
      cacheBytes: cache === false ? 0 : (cache.maxBytes ?? DEFAULT_CACHE_BYTES),
      cacheTtlMs: cache === false ? 0 : (cache.ttlMs ?? DEFAULT_CACHE_TTL_MS),
      nice: options.nice ?? 0,
      idleUnloadMs: options.idleUnloadMs ?? null,
      memoryBudget: options.memoryBudget ?? null,
    });
    return new Engine(native, pooling === null ? 'reranker' : 'embedder', cache !== false);
  }

  isLoaded(): boolean {
    return this.#native.isLoaded();
  }

  async warmUp(): Promise<void> {
    this.#requireOpen();
    await this.#native.warmUp();
  }

  async tokenize(texts: readonly string[]): Promise<Tokens[]> {
    this.#requireOpen();
    return tokenizeTexts(this.#native, texts);
  }

  stats(): RerankerStats {
    return { ...this.#native.stats(), latencyMs: this.#times.summary() };
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#native.dispose();
    return this.#disposed;
  }

  /** @param started - `performance.now()` of the call */
  async run(
    { queries, documents, queryOf }: EngineTexts,
    options: Pick<ScoringOptions, 'priority' | 'cache' | 'timeoutMs' | 'signal'>,
    request: Omit<NativeRequestOptions, 'bulk' | 'share'>,
    started: number,
  ): Promise<NativeOutcome> {
    this.#requireOpen();
    if (documents.length === 0) return emptyOutcome();
    const { Request } = nativeBinding();
    const native = new Request(this.#native, queries, {
      ...request,
      bulk: options.priority === 'bulk',
      share: this.#hasCache && options.cache !== false,
    });
    const outcome = await answerOf(native, documents, queryOf, options, started);
    this.#times.record(outcome, performance.now() - started);
    return outcome;
  }

  #requireOpen(): void {
    if (this.#disposed === undefined) return;
    throw new CrossrankError('ERR_CLOSED', `the ${this.#owner} has been disposed`);
  }
}

/** The folder of a model that comes with the package. */
export function embeddedModel(name: string): string {
  const folder = join(packageRoot(), 'models', name);
  if (existsSync(folder)) return folder;
  throw new CrossrankError(
    'ERR_MODEL_NOT_FOUND',
    `the embedded model is missing at ${folder}; reinstall crossrank`,
  );
}
