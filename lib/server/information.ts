import type { FastifyInstance } from 'fastify';
import { packageVersion } from '../package-version';
import { usableProcessors } from '../threads';
import { RequestFailure } from './failure';
import type { ServedModel } from './model-pool';
import type { ServerContext, ServerPlugin } from './plugin';
import { lengthOf } from './run';

/** Where nothing limits requests but the queue, TEI's field wants a number. */
const MANY = 2 ** 31 - 1;
/** Of a name that is not known. */
const MAX_SHOWN = 100;

/** `GET` of what is served and how it is: `/health` and `/info` as text-embeddings-inference has them, `/v1/models` as OpenAI. */
export const information: ServerPlugin = (app: FastifyInstance, context: ServerContext) => {
  const { pool } = context;
  const started = Math.floor(Date.now() / 1000);
  const version = packageVersion();

  app.get('/health', { config: { public: true } }, (_, reply) => {
    reply.send();
  });

  app.get('/info', async () => {
    const [first] = pool.list();
    if (first === undefined) throw new RequestFailure('unsupported', 'this server has no models');
    return first.task === 'rerank' ? rerankerInfo(context, version) : embedderInfo(context, version);
  });

  const describe = ({ name }: ServedModel) => ({
    id: name,
    object: 'model',
    created: started,
    owned_by: 'crossrank',
  });
  app.get('/v1/models', { config: { api: 'openai' } }, () => ({
    object: 'list',
    data: pool.list().map(describe),
  }));

  // A name may have slashes, and not every client escapes them.
  app.get<{ Params: { '*': string } }>('/v1/models/*', { config: { api: 'openai' } }, ({ params }) => {
    const served = pool.list().find(({ name }) => name === params['*']);
    if (served !== undefined) return describe(served);
    const asked = JSON.stringify(params['*'].slice(0, MAX_SHOWN));
    throw new RequestFailure('unknown-model', `no model is called ${asked}`, { field: 'model' });
  });
};

async function rerankerInfo(context: ServerContext, version: string): Promise<object> {
  const { model, reranker } = await context.pool.reranker(undefined);
  const info = reranker.info();
  return {
    ...common(context, version),
    model_id: model.name,
    model_dtype: info.precision,
    model_type: { reranker: { id2label: { 0: 'LABEL_0' }, label2id: { LABEL_0: 0 } } },
    max_input_length: lengthOf({}, reranker, { maxLength: context.options.maxLength }),
    max_batch_tokens: info.maxTokensPerChunk,
  };
}

async function embedderInfo(context: ServerContext, version: string): Promise<object> {
  const { model, embedder } = await context.pool.embedder(undefined);
  const info = embedder.info();
  return {
    ...common(context, version),
    model_id: model.name,
    model_dtype: info.precision,
    model_type: { embedding: { pooling: info.pooling } },
    max_input_length: lengthOf({}, embedder, { maxLength: context.options.maxLength }),
    max_batch_tokens: info.maxTokensPerChunk,
  };
}

function common({ options }: ServerContext, version: string): object {
  return {
    model_sha: null,
    max_concurrent_requests: MANY,
    max_batch_requests: null,
    max_client_batch_size: options.maxDocuments,
    auto_truncate: true,
    tokenization_workers: options.engine.threads ?? usableProcessors(),
    version,
    sha: null,
    docker_label: null,
  };
}
