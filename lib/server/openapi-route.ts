import type { FastifyInstance } from 'fastify';
import type { EmbedderInfo } from '../info';
import { packageVersion } from '../package-version';
import type { ModelPool } from './model-pool';
import { openApiDocument } from './openapi';
import type { ServerContext, ServerPlugin } from './plugin';

/** `GET /openapi.json`, open to all: it tells nothing of keys, and of models only how many values an embedding may have. */
export const openApi: ServerPlugin = (app: FastifyInstance, { dialects, options, pool }: ServerContext) => {
  let text = '';
  let written: number | undefined | null = null;
  app.get('/openapi.json', { config: { public: true } }, (_, reply) => {
    const maxDimensions = longestEmbedding(pool);
    if (written !== maxDimensions) {
      text = JSON.stringify(
        openApiDocument({
          version: packageVersion(),
          dialects,
          api: options.api,
          maxDocuments: options.maxDocuments,
          maxDimensions,
          isGuarded: options.apiKeys.length > 0,
          metrics: metricsOf(app, options.protectMetrics),
          hasPage: app.hasRoute({ method: 'GET', url: '/' }),
        }),
      );
      written = maxDimensions;
    }
    reply.type('application/json; charset=utf-8').send(text);
  });
};

/** Values of an embedding, of the model that has most; undefined while there is one that is not loaded yet. */
function longestEmbedding(pool: ModelPool): number | undefined {
  const infos = pool
    .list()
    .filter(({ task }) => task === 'embed')
    .map((model) => model.info() as EmbedderInfo | undefined);
  if (infos.length === 0 || infos.includes(undefined)) return undefined;
  return Math.max(...infos.map((info) => (info as EmbedderInfo).dimension));
}

/** Metrics are a plugin: a server may be without. */
function metricsOf(app: FastifyInstance, isProtected: boolean) {
  if (!app.hasRoute({ method: 'GET', url: '/metrics' })) return undefined;
  return isProtected ? 'guarded' : 'public';
}
