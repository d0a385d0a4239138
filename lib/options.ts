import { invalidArgument } from './errors';
import { checkHubOptions, type HubOptions } from './hub/options';
import { checkLongDocuments, type LongDocuments, type WindowOptions } from './long-documents';
import {
  checkBoolean,
  checkChoice,
  checkInteger,
  checkNames,
  checkSignal,
  checkTimeout,
} from './option-checks';

/**
 * Arithmetic of the matrix products and of attention. LayerNorm, softmax and the classifier head are fp32 in all.
 *
 * - `fp32`: the reference
 * - `bf16x3`: as exact as fp32 to the eye, from three bf16 products; needs AMX
 * - `bf16`: bf16 operands, fp32 sums; needs AMX or AVX512-BF16
 * - `int8`: a scale for each output of a weight and each row of activations; any CPU
 * - `auto`: `bf16` where the CPU has AMX or multiplies bf16 much faster than fp32, else `fp32`
 */
export type Precision = 'auto' | 'fp32' | 'bf16x3' | 'bf16' | 'int8';

/** Levels of instruction sets, weakest first; see {@link LoadOptions.cpu}. */
export type CpuLevel = 'generic' | 'avx2' | 'avxvnni' | 'avx512' | 'vnni' | 'bf16' | 'amx';

/**
 * What a call gets whose `timeoutMs` passes before all documents are scored; see {@link RerankOptions.onTimeout}.
 */
export type OnTimeout = 'error' | 'partial' | 'inputOrder';

/** How the result cache is bounded; see {@link LoadOptions.cache}. */
export interface CacheOptions {
  /** Memory it takes at most, in bytes; the least recently used scores go first. @defaultValue 32 MiB, some 600,000 pairs */
  maxBytes?: number;
  /** How long a score is kept, in milliseconds. @defaultValue `3_600_000`, an hour */
  ttlMs?: number;
}

/** Options of {@link Reranker.load}. */
export interface LoadOptions {
  /** @defaultValue `'auto'` */
  precision?: Precision;
  /**
   * Use kernels of this level at most, to compare or to rule one out; the environment variable `CROSSRANK_CPU` does the
   * same. A level that the CPU lacks is refused. `precision: 'auto'` follows.
   * @defaultValue the best that the CPU has
   */
  cpu?: CpuLevel;
  /**
   * Engine threads.
   * @defaultValue the processors this process may use: its affinity, and the CPU quota of its container
   */
  threads?: number;
  /**
   * How far engine threads stand back behind everything else, the event loop above all: from 0, not at all, to 19. On
   * Linux these are steps of `nice` below the process's own, elsewhere the nearest class of threads.
   * @defaultValue 0
   */
  nice?: number;
  /**
   * Tokens that one run of the model computes at most; a single longer pair runs alone.
   * @defaultValue 512 (an exported `.onnx`: 32 rows of up to 512 padded tokens)
   */
  maxTokensPerChunk?: number;
  /**
   * Unload the model when no call has run on it for so many milliseconds; the next call loads it again and waits for it.
   * Rerankers that share a model (the same files and options, in any thread) keep it as long as the one that wants it
   * longest.
   * @defaultValue never
   */
  idleUnloadMs?: number;
  /**
   * Bytes that all loaded models of the process may hold, as estimated from their files. What does not fit is refused
   * with `ERR_MEMORY` before it is loaded; models without a call are unloaded for it where that helps, the one that was
   * used least recently first, and their next call loads them again. It binds the loads that name it.
   * @defaultValue no limit
   */
  memoryBudget?: number;
  /**
   * Another ONNX Runtime library (1.18 or newer) than the one in the package; the environment variable
   * `CROSSRANK_ONNXRUNTIME` does the same. A process uses one.
   */
  onnxRuntimePath?: string;
  /**
   * What text means that spells a special token of the model, such as `[SEP]` or `</s>`. `'reference'` reads it as the
   * token, as transformers does; `'text'` reads it literally, so that a hostile document cannot end itself and forge
   * what follows.
   * @defaultValue `'reference'`
   */
  specialTokens?: 'reference' | 'text';
  /**
   * Whether loading checks the scores: `golden.json` beside the model, where there is one, in fp32, and, where another
   * precision runs, 192 built-in Chinese and English pairs in it and in fp32. Loading then takes seconds, and both
   * precisions are in memory at once. What does not hold is refused with `ERR_PRECISION`.
   * @defaultValue `false`
   */
  verify?: boolean;
  /**
   * Whether options left out (`precision`, `threads`, `maxTokensPerChunk`) are taken from what `crossrank tune` measured
   * for this model on this machine. The environment variable `CROSSRANK_PROFILE=off` switches that off too, and a level
   * named with `cpu` does.
   * @defaultValue `true`
   */
  profile?: boolean;
  /**
   * Work that may wait, in tokens of calls that are not answered yet. A call that goes beyond it rejects with
   * `ERR_QUEUE_FULL` at once and as a whole; one that is larger by itself is taken when nothing else waits.
   * @defaultValue about ten seconds of work at the speed measured so far
   */
  maxQueuedTokens?: number;
  /**
   * Scores are kept, so that a pair of the same query and document, cut the same way, is not scored again; and the
   * same pair in calls made at the same time is scored once. Scores have the same bits either way. `false` switches
   * all of this off.
   * @defaultValue 32 MiB, an hour
   */
  cache?: false | CacheOptions;
  /** Where a model named `ORGANISATION/NAME` is looked for and downloaded from; a folder on disk needs none of it. */
  hub?: HubOptions;
}

/** Load options of every model, whatever it is loaded for. */
export type EngineOptions = Omit<LoadOptions, 'verify' | 'profile'>;

/** Options shared by {@link Reranker.rerank} and {@link Reranker.predict}. */
export interface ScoringOptions {
  /**
   * Tokens of query, document and special tokens together; what is longer is cut.
   * @defaultValue 512, or the model's limit where that is lower
   */
  maxLength?: number;
  /**
   * What is cut: `'longest_first'` the longer of the two (the default of sentence-transformers), `'document'` the
   * document alone.
   * @defaultValue `'longest_first'`
   */
  truncate?: 'longest_first' | 'document';
  /**
   * Scale of the scores: `'model'` as the model's config asks, `'raw'` logits, `'sigmoid'` between 0 and 1.
   * @defaultValue `'model'`
   */
  scores?: 'model' | 'raw' | 'sigmoid';
  /**
   * Milliseconds from the call on after which it ends with `ERR_TIMEOUT`, or as {@link RerankOptions.onTimeout} says.
   * What waits of it leaves the queue, and what runs of it is ended.
   * @defaultValue none
   */
  timeoutMs?: number;
  /**
   * Ends the call when it is aborted: the call rejects with the signal's reason, as it does without any work where the
   * signal is aborted already.
   */
  signal?: AbortSignal;
  /**
   * `'interactive'` calls go before `'bulk'` ones, which get an eighth of the work while both wait.
   * @defaultValue `'interactive'`
   */
  priority?: 'interactive' | 'bulk';
  /**
   * `false`: every pair is scored for this call, and nothing of it is kept; see {@link LoadOptions.cache}.
   * @defaultValue `true` where the reranker has a cache
   */
  cache?: boolean;
}

/** Options of {@link Reranker.rerank}. */
export interface RerankOptions<T = unknown> extends ScoringOptions {
  /** Return the best `topK` documents; more than there are is all of them. @defaultValue all */
  topK?: number;
  /** Return only documents that score at least this much, on the scale of `scores`. @defaultValue none */
  minScore?: number;
  /**
   * Where the text of a document object is: the name of a field, or a function that returns it.
   * @defaultValue `'text'`
   */
  text?: string | ((document: T) => string);
  /** Whether results carry the document itself. @defaultValue `true` */
  returnDocuments?: boolean;
  /**
   * What becomes of a document that is longer than `maxLength` and the query leave room for; one that is not gets the
   * same score in all three. `'truncate'`: what does not fit is not seen, as `truncate` says. `'window'`: it is cut into
   * windows of its tokens, and `'chunk'`: into chunks at the ends of paragraphs and sentences; all are scored, the best
   * score is the document's, and the result's `span` tells where it is.
   * @defaultValue `'truncate'`
   */
  longDocuments?: LongDocuments;
  /** How windows are cut; only with `longDocuments: 'window'`. */
  window?: WindowOptions;
  /**
   * What the call gets when `timeoutMs` passes before all documents are scored. `'error'`: `ERR_TIMEOUT`. `'partial'`:
   * what was scored, best first, and then the rest in input order. `'inputOrder'`: the documents in input order. The
   * response of the latter two is `degraded`; a document that was not scored has the score NaN, and is left out where
   * there is a `minScore`. With these two, documents are scored in input order: put the best candidates first.
   * @defaultValue `'error'`
   */
  onTimeout?: OnTimeout;
}

export const PRECISIONS = ['auto', 'fp32', 'bf16x3', 'bf16', 'int8'] as const;
/** Weakest first. */
export const CPU_LEVELS = ['generic', 'avx2', 'avxvnni', 'avx512', 'vnni', 'bf16', 'amx'] as const;
const MAX_THREADS = 1024;
const MAX_CHUNK_TOKENS = 1 << 20;
const MAX_CACHE_BYTES = 2 ** 40;
const MAX_CACHE_TTL_MS = 366 * 86_400_000;
const MAX_NICE = 19;
/** A year: what is longer is never. */
const MAX_IDLE_MS = 365 * 24 * 3600 * 1000;

/** Of every model, whatever it is loaded for. */
export const ENGINE_OPTIONS = [
  'precision',
  'cpu',
  'threads',
  'maxTokensPerChunk',
  'nice',
  'idleUnloadMs',
  'memoryBudget',
  'onnxRuntimePath',
  'specialTokens',
  'maxQueuedTokens',
  'cache',
  'hub',
];
const LOAD_OPTIONS = [...ENGINE_OPTIONS, 'verify', 'profile'];
const CACHE_OPTIONS = ['maxBytes', 'ttlMs'];
const SCORING_OPTIONS = ['maxLength', 'truncate', 'scores', 'timeoutMs', 'signal', 'priority', 'cache'];
const RERANK_OPTIONS = [
  ...SCORING_OPTIONS,
  'topK',
  'minScore',
  'text',
  'returnDocuments',
  'onTimeout',
  'longDocuments',
  'window',
];

export function checkLoadOptions(options: LoadOptions): void {
  checkNames(options, LOAD_OPTIONS);
  checkEngineOptions(options);
  checkBoolean('verify', options.verify);
  checkBoolean('profile', options.profile);
}

export function checkEngineOptions(options: EngineOptions): void {
  checkChoice('precision', options.precision, PRECISIONS);
  checkChoice('cpu', options.cpu, CPU_LEVELS);
  checkInteger('threads', options.threads, 1, MAX_THREADS);
  checkInteger('maxTokensPerChunk', options.maxTokensPerChunk, 1, MAX_CHUNK_TOKENS);
  checkInteger('nice', options.nice, 0, MAX_NICE);
  checkInteger('idleUnloadMs', options.idleUnloadMs, 0, MAX_IDLE_MS);
  checkInteger('memoryBudget', options.memoryBudget, 1, Number.MAX_SAFE_INTEGER);
  if (options.onnxRuntimePath !== undefined && typeof options.onnxRuntimePath !== 'string') {
    throw invalidArgument('onnxRuntimePath', 'a path', options.onnxRuntimePath);
  }
  checkChoice('specialTokens', options.specialTokens, ['reference', 'text'] as const);
  checkInteger('maxQueuedTokens', options.maxQueuedTokens, 1, Number.MAX_SAFE_INTEGER);
  checkCache(options.cache);
  checkHubOptions(options.hub);
}

function checkCache(cache: LoadOptions['cache']): void {
  if (cache === undefined || cache === false) return;
  if (typeof cache !== 'object' || cache === null || Array.isArray(cache)) {
    throw invalidArgument('cache', 'false or an object', cache);
  }
  checkNames(cache, CACHE_OPTIONS);
  checkInteger('cache.maxBytes', cache.maxBytes, 1, MAX_CACHE_BYTES);
  checkInteger('cache.ttlMs', cache.ttlMs, 1, MAX_CACHE_TTL_MS);
}

export function checkScoringOptions(options: ScoringOptions, limits: { min: number; max: number }): void {
  checkNames(options, SCORING_OPTIONS);
  checkScoring(options, limits);
}

export function checkRerankOptions<T>(options: RerankOptions<T>, limits: { min: number; max: number }): void {
  checkNames(options, RERANK_OPTIONS);
  checkScoring(options, limits);
  checkRanking(options);
  checkBoolean('returnDocuments', options.returnDocuments);
  checkLongDocuments(options.longDocuments, options.window, limits.max);
}

/** What a ranking returns, and when; of any ranker. */
export function checkRanking<T>(
  options: Pick<RerankOptions<T>, 'topK' | 'minScore' | 'text' | 'onTimeout'>,
): void {
  if (options.topK !== undefined && !(Number.isInteger(options.topK) && options.topK > 0)) {
    throw invalidArgument('topK', 'a positive integer', options.topK);
  }
  if (
    options.minScore !== undefined &&
    (typeof options.minScore !== 'number' || Number.isNaN(options.minScore))
  ) {
    throw invalidArgument('minScore', 'a number', options.minScore);
  }
  if (options.text !== undefined && typeof options.text !== 'string' && typeof options.text !== 'function') {
    throw invalidArgument('text', 'the name of a field or a function', options.text);
  }
  checkChoice('onTimeout', options.onTimeout, ['error', 'partial', 'inputOrder'] as const);
}

function checkScoring(options: ScoringOptions, limits: { min: number; max: number }): void {
  checkInteger('maxLength', options.maxLength, limits.min, limits.max);
  checkChoice('truncate', options.truncate, ['longest_first', 'document'] as const);
  checkChoice('scores', options.scores, ['model', 'raw', 'sigmoid'] as const);
  checkCall(options);
  checkBoolean('cache', options.cache);
}

/** When a call ends, and what goes before it; of any call. */
export function checkCall(options: Pick<ScoringOptions, 'timeoutMs' | 'signal' | 'priority'>): void {
  checkTimeout(options.timeoutMs);
  checkSignal(options.signal);
  checkChoice('priority', options.priority, ['interactive', 'bulk'] as const);
}
