/**
 * crossrank finds the right passages for a question: it ranks documents by how well they answer a query, and is the whole
 * search around that, in process, on ONNX Runtime.
 *
 * @packageDocumentation
 */
export { Embedder } from './embedder';
export type { EmbedderLoadOptions, EmbedTextOptions } from './embedding/options';
export type { Pooling } from './embedding/pooling-config';
export type { Prefixes } from './embedding/prefixes';
export { CrossrankError, type ErrorCode, type QueueDepth } from './errors';
export type { EmbedderInfo, EngineInfo, RerankerInfo } from './info';
export type { LongDocuments, WindowOptions } from './long-documents';
export type {
  CacheOptions,
  CpuLevel,
  EngineOptions,
  LoadOptions,
  OnTimeout,
  Precision,
  RerankOptions,
  ScoringOptions,
} from './options';
export { Cascade, type CascadedDocument, type CascadeResponse, type StageReport } from './ranking/cascade';
export type { CascadeOptions, CascadeStage } from './ranking/cascade-options';
export { ListwiseReranker, type ListwiseResponse, type ListwiseWindow } from './ranking/listwise';
export type { ListwiseOptions } from './ranking/listwise-options';
export type { Ranker, RankOptions } from './ranking/ranker';
export { Reranker } from './reranker';
export type { RankedDocument, RankedIndex, RerankResponse, TextSpan } from './response';
export { type Chunk, Chunker, type ChunkerOptions, chunkId } from './search/chunker';
export { type FusedHit, type FusionOptions, type FusionSource, fuse } from './search/fusion';
export { type DocumentSource, KeywordIndex, type KeywordIndexOptions } from './search/keyword-index';
export { MemoryStore, type MemoryStoreOptions } from './search/memory-store';
export { SearchPipeline } from './search/pipeline';
export type {
  IndexOptions,
  IndexProgress,
  PipelineOptions,
  ResultCacheOptions,
  SearchOptions,
} from './search/pipeline-options';
export { PRESETS, type Preset, type SearchDepth } from './search/presets';
export { readDocuments } from './search/read-documents';
export type {
  DegradedReason,
  FirstStagePlace,
  SearchResponse,
  SearchResult,
  SearchTimings,
  SearchUpdate,
} from './search/response';
export { ChromaStore, type ChromaStoreOptions } from './search/stores/chroma-store';
export { LanceStore, type LanceStoreOptions } from './search/stores/lance-store';
export { QdrantStore, type QdrantStoreOptions } from './search/stores/qdrant-store';
export type {
  EmbeddedDocument,
  EmbeddingSpace,
  EmbedOptions,
  FieldCondition,
  Filter,
  Metadata,
  MetadataValue,
  QueryOptions,
  StoredDocument,
  StoreHit,
  TextEmbedder,
  VectorStore,
} from './search/types';
export { wordsOf } from './search/words';
export type { CallTrace, LoadTrace } from './telemetry/channels';
export type { LatencySummary } from './telemetry/rolling-histogram';
export type { EmbedderStats, EngineStats, RerankerStats } from './telemetry/stats';
export type { Tokenizer, Tokens } from './tokenize';
