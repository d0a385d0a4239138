import type { Embedder } from '../embedder';
import type { EmbedderInfo, RerankerInfo } from '../info';
import type { Reranker } from '../reranker';
import type { EmbedderStats, RerankerStats } from '../telemetry/stats';

/** A model that is served, and what of it is known without loading it. */
export interface ServedModel {
  /** As clients call it, and as answers, logs and metrics do. */
  readonly name: string;
  readonly task: 'rerank' | 'embed';
  /** Whether a call on it would have to wait for a load first. */
  readonly loaded: boolean;
  /** Undefined until it has been loaded once. */
  info(): RerankerInfo | EmbedderInfo | undefined;
  stats(): RerankerStats | EmbedderStats | undefined;
}

/** The models of a server: found by name, loaded when they are first needed. */
export interface ModelPool {
  list(): readonly ServedModel[];
  /**
   * @param name - Of a request; undefined: the first model of that task
   * @throws RequestFailure with `unknown-model` or `unsupported`
   */
  reranker(name: string | undefined): Promise<{ model: ServedModel; reranker: Reranker }>;
  /** As {@link reranker}. */
  embedder(name: string | undefined): Promise<{ model: ServedModel; embedder: Embedder }>;
}
