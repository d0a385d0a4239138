/**
 * crossrank ranks documents by how well they answer a query, in process, on ONNX Runtime.
 *
 * @packageDocumentation
 */
export { CrossrankError, type ErrorCode, type QueueDepth } from './errors';
export type {
  CacheOptions,
  CpuLevel,
  LoadOptions,
  OnTimeout,
  Precision,
  RerankOptions,
  ScoringOptions,
} from './options';
export {
  type RankedDocument,
  type RankedIndex,
  Reranker,
  type RerankerInfo,
  type RerankResponse,
} from './reranker';
