import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import type { ApiName, Dialect } from './dialect';
import type { ModelPool } from './model-pool';
import type { ServerSettings } from './options';
import type { Served } from './served';

/** What the server tells of itself while it runs. */
export interface ServerContext {
  pool: ModelPool;
  options: ServerSettings;
  /** @internal In the order in which they are asked, see {@link Endpoint.claim}. */
  dialects: readonly Dialect[];
  /** Requests that are not answered yet. */
  activeRequests(): number;
  isClosing(): boolean;
}

/**
 * Something beside the APIs: metrics, logs, a page. It adds routes and hooks, before the server listens. In `onResponse`
 * hooks `request.served` tells what became of a request; those of `onRequest` come before any request is refused. A route with `config: { public: true }` needs no API key.
 */
export type ServerPlugin = (app: FastifyInstance, context: ServerContext) => void | Promise<void>;

export type ServerLogger = FastifyBaseLogger;

declare module 'fastify' {
  interface FastifyRequest {
    /** Filled in while the request is answered; whole in `onResponse`. */
    served: Served;
  }

  interface FastifyContextConfig {
    /** Answers without an API key. */
    public?: boolean;
    /** Whose errors it has, where its path is of no endpoint. */
    api?: ApiName;
  }
}
