import { isMainThread } from 'node:worker_threads';
import type { Pooling } from '../embedding/pooling-config';
import { CrossrankError, type ErrorCode, type QueueDepth } from '../errors';
import type { OnTimeout, Precision } from '../options';
import type { EngineStats } from '../telemetry/stats';
import { loadAddon, onnxRuntimeCandidates } from './load';

/** What `native/addon` exports. Arguments are not checked again there: `lib/` has done so. */
export interface NativeBinding {
  setErrorClass(errorClass: new (code: ErrorCode, message: string, details: QueueDepth) => Error): void;
  /** Ends the native work of this thread, or of the whole process, for good and waits for it. */
  stopWork(ofProcess: boolean): void;
  cpuFeatures(): string;
  load(options: NativeLoadOptions): Promise<NativeEngine>;
  Request: new (
    engine: NativeEngine,
    queries: readonly string[],
    options: NativeRequestOptions,
  ) => NativeRequest;
}

/** How an embedder makes one vector of a text's tokens. */
export interface NativePooling {
  pooling: Pooling;
  normalize: boolean;
}

export interface NativeLoadOptions {
  folder: string;
  /** null: a reranker */
  pooling: NativePooling | null;
  libraryPaths: readonly string[];
  libraryRequired: boolean;
  literalSpecialTokens: boolean;
  precision: Precision;
  /** Empty: the environment's CROSSRANK_CPU, or the fastest. */
  cpu: string;
  threads: number;
  /** 0: what suits the model */
  maxTokensPerChunk: number;
  /** 0: about ten seconds of work */
  maxQueuedTokens: number;
  /** 0: nothing is kept */
  cacheBytes: number;
  cacheTtlMs: number;
  nice: number;
  /** null: never */
  idleUnloadMs: number | null;
  /** In bytes; null: none */
  memoryBudget: number | null;
}

export interface NativeInfo {
  folder: string;
  modelType: string;
  architecture: string;
  packed: boolean;
  parameters: number;
  weightBytes: number;
  layers: number;
  hiddenSize: number;
  intermediateSize: number;
  heads: number;
  /** Scores of a pair; of an embedder, values of an embedding. */
  labels: number;
  vocabSize: number;
  maxLength: number;
  specialTokens: number;
  activation: 'sigmoid' | 'identity';
  /** An exported embedder whose graph pools. */
  poolsItself: boolean;
  threads: number;
  maxTokensPerChunk: number;
  precision: Exclude<Precision, 'auto'>;
  kernelLevel: string;
  linearKernel: string;
  attentionKernel: string;
  /** Empty where nothing is refused. */
  refusedFeatures: string;
  runtimeVersion: string;
  runtimePath: string;
}

export interface NativeEngine {
  info(): NativeInfo;
  stats(): EngineStats;
  /** Whether the model is in memory; not after dispose. */
  isLoaded(): boolean;
  warmUp(): Promise<void>;
  /**
   * Multiply-adds a second of matrices of the model's sizes and precision, and nothing else, on as many threads as the
   * model has: what the bench compares the whole with.
   */
  measureProducts(seconds: number): Promise<number>;
  dispose(): Promise<void>;
}

export interface NativeRequestOptions {
  maxTokens: number;
  truncateDocument: boolean;
  sigmoid: boolean;
  bulk: boolean;
  onTimeout: OnTimeout;
  /** Whether scores may come from the cache or from the same pair of another request. */
  share: boolean;
  rank: boolean;
  topK: number;
  minScore: number;
}

export interface NativeOutcome {
  /** Best first; absent when `rank` is false. */
  indexes?: Uint32Array;
  /** Best first, or `[pairs, labels]` in input order when `rank` is false. */
  scores: Float32Array;
  tokensLost?: Uint32Array;
  pairs: number;
  /** Of the pairs; the others' scores are NaN. */
  scored: number;
  cached: number;
  degraded: boolean;
  tokens: number;
  tokenizeMs: number;
  queueMs: number;
  computeMs: number;
}

export interface NativeRequest {
  /** Copies `documents[first .. end)`, each paired with `queries[queryOf[i]]`, or with query 0 where there is one. */
  addDocuments(documents: readonly string[], first: number, end: number, queryOf?: Uint32Array): void;
  /** Rejects with ERR_ABORTED, a code of the addon's alone, when it was cancelled without a time-out. */
  run(): Promise<NativeOutcome>;
  /** Has no effect before run, or on a request that has been answered. */
  cancel(timedOut: boolean): void;
}

let loaded: { binding: NativeBinding; addonPath: string } | undefined;

function addon(): { binding: NativeBinding; addonPath: string } {
  if (loaded === undefined) {
    const { binding, addonPath } = loadAddon();
    const native = binding as NativeBinding;
    loaded = { binding: native, addonPath };
    native.setErrorClass(CrossrankError);
    // process.exit() runs static destructors of native libraries while our threads may be at work in them. The main
    // thread's exit is the process's.
    process.once('exit', () => native.stopWork(isMainThread));
  }
  return loaded;
}

/** The native addon, loaded on first use. */
export function nativeBinding(): NativeBinding {
  return addon().binding;
}

/** Where to look for ONNX Runtime: what the user named and nothing else, or what came with the package. */
export function runtimeLibraries(named: string | undefined): { paths: string[]; required: boolean } {
  const path = named ?? process.env.CROSSRANK_ONNXRUNTIME;
  if (path !== undefined && path !== '') return { paths: [path], required: true };
  return { paths: onnxRuntimeCandidates(addon().addonPath), required: false };
}
