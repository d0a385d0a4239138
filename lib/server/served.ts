import type { ApiName } from './dialect';
import type { FailureKind } from './failure';

/** What is known of a request when it ends, for logs, metrics and traces. Never texts. */
export interface Served {
  /** `x-request-id` of the client where it is sound, else a new one. */
  id: string;
  /** Undefined: of none of the APIs, such as `/health`. */
  api: ApiName | 'page' | undefined;
  /** Of the route, such as `/v1/rerank`, never as it was sent. */
  path: string | undefined;
  operation: 'rank' | 'score' | 'embed' | undefined;
  /** As it is served, never as it was sent. */
  model: string | undefined;
  /** Documents, pairs or texts. */
  items: number;
  tokens: number;
  /** Pairs whose score was there already. */
  cached: number;
  degraded: boolean;
  timings: { tokenizeMs: number; queueMs: number; computeMs: number; totalMs: number } | undefined;
  /** Of the scores that were sent. */
  scores: { count: number; min: number; max: number; mean: number } | undefined;
  failure: FailureKind | undefined;
  /** The client went away before its answer was sent. */
  disconnected: boolean;
}
