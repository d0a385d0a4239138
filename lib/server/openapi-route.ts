import type { FastifyInstance } from 'fastify';
import { packageVersion } from '../package-version';
import { openApiDocument } from './openapi';
import type { ServerContext, ServerPlugin } from './plugin';

/** `GET /openapi.json`, open to all: it tells nothing of models or keys. */
export const openApi: ServerPlugin = (app: FastifyInstance, { dialects, options }: ServerContext) => {
  let text: string | undefined;
  app.get('/openapi.json', { config: { public: true } }, (_, reply) => {
    text ??= JSON.stringify(
      openApiDocument({
        version: packageVersion(),
        dialects,
        api: options.api,
        maxDocuments: options.maxDocuments,
        isGuarded: options.apiKeys.length > 0,
        metrics: metricsOf(app, options.protectMetrics),
      }),
    );
    reply.type('application/json; charset=utf-8').send(text);
  });
};

/** Metrics are a plugin: a server may be without. */
function metricsOf(app: FastifyInstance, isProtected: boolean) {
  if (!app.hasRoute({ method: 'GET', url: '/metrics' })) return undefined;
  return isProtected ? 'guarded' : 'public';
}
