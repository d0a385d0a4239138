import { isMainThread } from 'node:worker_threads';
import type { Pooling } from '../embedding/pooling-config';
import { CrossrankError, type ErrorCode, type QueueDepth } from '../errors';
import type { OnTimeout, Precision } from '../options';
import type { EngineStats } from '../telemetry/stats';
import type { Tokens } from '../tokenize';
import { loadAddon, onnxRuntimeCandidates } from './load';

/** What `native/addon` exports. Arguments are not checked again there: `lib/` has done so. */
export interface NativeBinding {
  setErrorClass(errorClass: new (code: ErrorCode, message: string, details: QueueDepth) => Error): void;
  /** Ends the native work of this thread, or of the whole process, for good and waits for it. */
  stopWork(ofProcess: boolean): void;
  cpuFeatures(): string;
  /** Throws what a load of this config.json would, whatever its weights are; an exported graph needs none. */
  checkConfig(json: string, embeds: boolean): void;
  load(options: NativeLoadOptions): Promise<NativeEngine>;
  Request: new (
    engine: NativeEngine,
    queries: readonly string[],
    options: NativeRequestOptions,
  ) => NativeRequest;
  VectorIndex: new (dimension: number, threads: number) => NativeVectorIndex;
  FileLock: new () => NativeFileLock;
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
  /** On a thread of its own; loads the model where it is not in memory. */
  tokenize(texts: readonly string[]): Promise<Tokens[]>;
  /**
   * Multiply-adds a second of matrices of the model's sizes and precision, and nothing else, on as many threads as the
   * model has: what the bench compares the whole with.
   */
  measureProducts(seconds: number): Promise<number>;
  dispose(): Promise<void>;
}

export interface NativeWindows {
  tokens: number;
  stride: number;
  /** null: all */
  maxWindows: number | null;
  /** null: none stops */
  stopScore: number | null;
}

export interface NativeRequestOptions {
  maxTokens: number;
  truncateDocument: boolean;
  /** null: what is too long is truncated */
  windows: NativeWindows | null;
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
  /** Of each score's document; of each pair where `rank` is false. */
  tokensLost: Uint32Array;
  /** Of each ranked document, where there are `windows`: how many were scored, and where the best one lies. */
  windowsOf?: Uint32Array;
  starts?: Uint32Array;
  ends?: Uint32Array;
  pairs: number;
  /** Of the pairs; the others' scores are NaN. */
  scored: number;
  /** Scored: as many as pairs, but where documents were cut. */
  windows: number;
  cached: number;
  degraded: boolean;
  /** Computed for this request. */
  tokens: number;
  /** Of the cached windows. */
  cachedTokens: number;
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

/** Rows are numbered in the order in which they were appended. */
export interface NativeVectorIndex {
  /**
   * Brings rows to unit length and appends them; they are not found before `show`.
   * @returns false where a value is not finite: then nothing was appended
   */
  append(rows: Float32Array): boolean;
  /**
   * Appends what `read` told, as it is.
   * @returns false where a row is neither of unit length nor zeros: then nothing was appended
   */
  appendUnit(rows: Float32Array): boolean;
  appendFrom(other: NativeVectorIndex, rows: Uint32Array): void;
  read(rows: Uint32Array): Float32Array;
  show(first: number, end: number): void;
  hide(rows: Uint32Array): void;
  /**
   * The best `topK`, best first, and all others that score as the last of them, of the rows shown when it was called.
   * @param filter - bit r % 8 of byte r / 8: whether row r may be found; rows past its end may not
   */
  query(
    vector: Float32Array,
    topK: number,
    filter: Uint8Array | undefined,
    scan: NativeScan,
  ): Promise<NativeHits>;
  /** Gives the memory back once the last query is answered. */
  dispose(): void;
}

/** `quantized` looks at int8 copies first; it and `plain` find the same. */
export type NativeScan = 'fastest' | 'quantized' | 'plain';

export interface NativeHits {
  rows: Uint32Array;
  scores: Float32Array;
}

/** Held until it is released, or its thread or process ends. */
export interface NativeFileLock {
  /** @returns false where it is held already, by another process or in this one */
  acquire(path: string): boolean;
  release(): void;
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

/** Where it was loaded from. */
export function nativeAddonPath(): string {
  return addon().addonPath;
}

/** Where to look for ONNX Runtime: what the user named and nothing else, or what came with the package. */
export function runtimeLibraries(named: string | undefined): { paths: string[]; required: boolean } {
  const path = named ?? process.env.CROSSRANK_ONNXRUNTIME;
  if (path !== undefined && path !== '') return { paths: [path], required: true };
  return { paths: onnxRuntimeCandidates(addon().addonPath), required: false };
}
