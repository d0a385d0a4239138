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
export {
  type BootstrapOptions,
  type Estimate,
  type PairedEstimates,
  pairedBootstrap,
} from './evaluation/bootstrap';
export { evaluationChart } from './evaluation/chart';
export { type Dataset, type DatasetFolder, type DatasetOptions, openDataset } from './evaluation/dataset';
export { type EvaluatedRanker, evaluate } from './evaluation/evaluate';
export { type ReadRunOptions, readQrels, readRun, writeQrels, writeRun } from './evaluation/files';
export { type EvaluatedQuery, type FirstStage, stageOfRun } from './evaluation/first-stage';
export {
  computeMetrics,
  type MetricOptions,
  type MetricsResult,
  type MetricValues,
} from './evaluation/metrics';
export type { EvaluateOptions, EvaluationProgress } from './evaluation/options';
export type { DepthReport, EvaluationReport, MetricReport, QueryReport } from './evaluation/report';
export { type SearchSources, stageOfSearch } from './evaluation/search-stage';
export type { Qrels, Run, ScoredDocument } from './evaluation/types';
export type { DownloadProgress, HubOptions } from './hub/options';
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
export type {
  CallTimings,
  EmbedResponse,
  RankedDocument,
  RankedIndex,
  RerankResponse,
  ScoreResponse,
  TextSpan,
} from './response';
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
export type { ServerOptions as StoreServerOptions } from './search/stores/server-options';
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
export type { Summary as Percentiles } from './statistics';
export type { CallTrace, LoadTrace } from './telemetry/channels';
export type { LatencySummary } from './telemetry/rolling-histogram';
export type { EmbedderStats, EngineStats, RerankerStats, SizeCounts } from './telemetry/stats';
export type { Tokenizer, Tokens } from './tokenize';
