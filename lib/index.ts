/**
 * crossrank ranks documents by how well they answer a query, in process, on ONNX Runtime.
 *
 * @packageDocumentation
 */
export { CrossrankError, type ErrorCode, type QueueDepth } from './errors';
export type { RerankerInfo } from './info';
export type {
  CacheOptions,
  CpuLevel,
  LoadOptions,
  OnTimeout,
  Precision,
  RerankOptions,
  ScoringOptions,
} from './options';
export { Reranker } from './reranker';
export type { RankedDocument, RankedIndex, RerankResponse } from './response';
export type { CallTrace, LoadTrace } from './telemetry/channels';
export type { LatencySummary } from './telemetry/rolling-histogram';
export type { EngineStats, RerankerStats } from './telemetry/stats';
