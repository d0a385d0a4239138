import { invalidArgument } from '../errors';
import {
  checkBoolean,
  checkChoice,
  checkFunction,
  checkInteger,
  checkNames,
  checkSignal,
  checkTimeout,
} from '../option-checks';
import type { RerankOptions } from '../options';
import type { Ranker } from '../ranking/ranker';
import type { Chunker } from './chunker';
import { parseFilter } from './filter';
import { checkFusionOptions, type FusionOptions } from './fusion';
import type { KeywordIndex } from './keyword-index';
import { type Preset, type SearchDepth, searchDepth } from './presets';
import type { Filter, StoredDocument, TextEmbedder, VectorStore } from './types';

/** What a {@link SearchPipeline} is made of. */
export interface PipelineOptions {
  embedder: TextEmbedder;
  /** Opened for the embedder's `space`. */
  store: VectorStore;
  /** `Reranker`, `Cascade`, `ListwiseReranker`, or yours. Without it results come in the first stage's order. */
  reranker?: Ranker;
  /** Searched beside the store; `index` and `remove` of the pipeline keep it in step. */
  keywords?: KeywordIndex;
  /** Options of every `rerank` call, such as `{ longDocuments: 'window' }`. */
  rerankOptions?: Omit<
    RerankOptions<StoredDocument>,
    'topK' | 'minScore' | 'text' | 'returnDocuments' | 'onTimeout' | 'timeoutMs' | 'signal'
  >;
  /**
   * Whole answers that are kept for the same question, until documents change through this pipeline: `false` for none.
   * What others change in a shared store is seen when an answer is too old.
   * @defaultValue `{ maxEntries: 1000, ttlMs: 3_600_000 }`
   */
  cache?: false | ResultCacheOptions;
}

export interface ResultCacheOptions {
  /** @defaultValue 1000 */
  maxEntries?: number;
  /** @defaultValue `3_600_000`, an hour */
  ttlMs?: number;
}

/** Options of {@link SearchPipeline.search}. */
export interface SearchOptions {
  /** Depths for a purpose; see {@link PRESETS}. @defaultValue `'realtime'`, 50 candidates and 5 results */
  preset?: Preset;
  /** How many results. @defaultValue the preset's */
  topK?: number;
  /** How many candidates are reranked. @defaultValue the preset's */
  initialK?: number;
  /** Which documents may be found. */
  filter?: Filter;
  /**
   * Whether keywords are searched beside vectors, and how both are fused.
   * @defaultValue `true` where the pipeline has a keyword index: reciprocal rank fusion
   */
  hybrid?: boolean | FusionOptions;
  /** Only results that the reranker scores at least this much; a first stage's order that stands in is not cut. */
  minScore?: number;
  /** `false`: results in the first stage's order. @defaultValue `true` where the pipeline has a reranker */
  rerank?: boolean;
  /** Milliseconds from the call on for all stages together. @defaultValue no limit */
  timeoutMs?: number;
  /**
   * When they pass while candidates are reranked: `'firstStage'`: the first stage's order; `'partial'`: what has been
   * scored, best first, then the rest in the first stage's order; `'error'`: reject with `ERR_TIMEOUT`. When they pass
   * before there are candidates, the call rejects.
   * @defaultValue `'firstStage'`
   */
  onTimeout?: 'firstStage' | 'partial' | 'error';
  signal?: AbortSignal;
  /** `false`: neither from the result cache nor into it. @defaultValue `true` */
  cache?: boolean;
}

/** Options of {@link SearchPipeline.index}. */
export interface IndexOptions {
  /** Cuts each document into chunks first. A document that became shorter loses its chunks that are no more. */
  chunker?: Chunker;
  /** Documents (or chunks) that are embedded and stored together. @defaultValue 128 */
  batchSize?: number;
  /** Called after every batch. */
  onProgress?: (progress: IndexProgress) => void;
  /** Ends indexing after the batch that is being stored; the call rejects with its reason. */
  signal?: AbortSignal;
}

/** How far {@link SearchPipeline.index} is, and what it has done in the end. */
export interface IndexProgress {
  /** Documents read from the input. */
  documents: number;
  /** Entries (documents or chunks) that were embedded and stored. */
  embedded: number;
  /** Entries that were in the store already, with the same text and metadata. */
  unchanged: number;
  elapsedMs: number;
}

const PIPELINE_OPTIONS = ['embedder', 'store', 'reranker', 'keywords', 'rerankOptions', 'cache'];
const SEARCH_OPTIONS = [
  'preset',
  'topK',
  'initialK',
  'filter',
  'hybrid',
  'minScore',
  'rerank',
  'timeoutMs',
  'onTimeout',
  'signal',
  'cache',
];
const INDEX_OPTIONS = ['chunker', 'batchSize', 'onProgress', 'signal'];
const MAX_BATCH = 100_000;
const MAX_ENTRIES = 10_000_000;

function checkHas(name: string, value: unknown, methods: readonly string[], what: string): void {
  const object = value as Record<string, unknown> | null;
  const fits =
    typeof object === 'object' && object !== null && methods.every((m) => typeof object[m] === 'function');
  if (!fits) throw invalidArgument(name, what, value);
}

export function checkPipelineOptions(options: PipelineOptions): void {
  checkNames(options, PIPELINE_OPTIONS);
  checkHas('embedder', options.embedder, ['embed'], 'an Embedder');
  checkHas(
    'store',
    options.store,
    ['add', 'query', 'get', 'remove', 'count'],
    'a VectorStore such as MemoryStore',
  );
  if (options.reranker !== undefined) checkHas('reranker', options.reranker, ['rerank'], 'a Reranker');
  if (options.keywords !== undefined)
    checkHas('keywords', options.keywords, ['add', 'query'], 'a KeywordIndex');
  if (
    options.rerankOptions !== undefined &&
    (typeof options.rerankOptions !== 'object' || !options.rerankOptions)
  ) {
    throw invalidArgument('rerankOptions', 'an object', options.rerankOptions);
  }
  if (options.cache === undefined || options.cache === false) return;
  checkNames(options.cache, ['maxEntries', 'ttlMs'], 'cache');
  checkInteger('cache.maxEntries', options.cache.maxEntries, 1, MAX_ENTRIES);
  checkInteger('cache.ttlMs', options.cache.ttlMs, 1, Number.MAX_SAFE_INTEGER);
}

/** A search with everything decided. */
export interface SearchPlan extends SearchDepth {
  query: string;
  filter: Filter | undefined;
  /** Null: vectors alone. */
  fusion: FusionOptions | null;
  minScore: number | undefined;
  rerank: boolean;
  onTimeout: 'firstStage' | 'partial' | 'error';
  cache: boolean;
}

export function planSearch(
  query: string,
  options: SearchOptions,
  has: { keywords: boolean; reranker: boolean },
): SearchPlan {
  if (typeof query !== 'string') throw invalidArgument('query', 'a string', query);
  checkNames(options, SEARCH_OPTIONS);
  checkBoolean('rerank', options.rerank);
  checkBoolean('cache', options.cache);
  checkChoice('onTimeout', options.onTimeout, ['firstStage', 'partial', 'error']);
  checkTimeout(options.timeoutMs);
  checkSignal(options.signal);
  const { filter, hybrid = has.keywords, rerank = has.reranker, minScore } = options;
  if (filter !== undefined) parseFilter(filter);
  if (minScore !== undefined && (typeof minScore !== 'number' || Number.isNaN(minScore))) {
    throw invalidArgument('minScore', 'a number', minScore);
  }
  if (typeof hybrid === 'object') checkFusionOptions(hybrid);
  else checkBoolean('hybrid', hybrid);
  if (hybrid !== false && !has.keywords) {
    throw invalidArgument('hybrid', 'false, as the pipeline was made without keywords,', hybrid);
  }
  if (rerank && !has.reranker) {
    throw invalidArgument('rerank', 'false, as the pipeline was made without a reranker,', rerank);
  }
  return {
    query,
    filter,
    ...searchDepth(options),
    fusion: hybrid === false ? null : hybrid === true ? {} : hybrid,
    minScore,
    rerank,
    onTimeout: options.onTimeout ?? 'firstStage',
    cache: options.cache !== false,
  };
}

export function checkIndexOptions(options: IndexOptions): void {
  checkNames(options, INDEX_OPTIONS);
  if (options.chunker !== undefined) checkHas('chunker', options.chunker, ['chunk'], 'a Chunker');
  checkInteger('batchSize', options.batchSize, 1, MAX_BATCH);
  checkFunction('onProgress', options.onProgress);
  checkSignal(options.signal);
}
