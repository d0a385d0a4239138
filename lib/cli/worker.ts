import type { BulkWorker } from '../bulk/bulk-worker';
import type { ChunkWork } from '../bulk/chunk-work';
import { requireBulkPeers } from '../bulk/peers';
import { defaultQueue } from '../bulk/protocol';
import { Embedder } from '../embedder';
import type { EmbedderInfo, RerankerInfo } from '../info';
import { Reranker } from '../reranker';
import {
  type OptionValues,
  readChoice,
  readInteger,
  readSeconds,
  readValues,
  UsageError,
} from './command-line';
import { untilInterrupted } from './interrupt';
import { downloadBar } from './model-folder';
import { MODEL_OPTIONS, readLoadOptions, UNBOUNDED_QUEUE } from './model-options';
import { Progress } from './progress';
import { REDIS_HELP, REDIS_OPTIONS, readQueue, readRedis } from './redis-options';

const OPTIONS = {
  embed: { type: 'boolean' },
  normalize: { type: 'string' },
  ...REDIS_OPTIONS,
  concurrency: { type: 'string' },
  'lost-after': { type: 'string' },
  'new-model': { type: 'boolean' },
  ...MODEL_OPTIONS,
} as const;

type Values = OptionValues<typeof OPTIONS>;

const REPORT_MS = 10_000;

export const help = `crossrank worker             answers the chunks of bulk jobs that come through Redis; see crossrank submit --help

Any number of workers, on any machines, share a queue. All of them need the same model in the same precision, so that it
does not matter who answers: one that differs is refused. SIGTERM and Ctrl-C let it finish the chunk at hand. A worker
that is killed costs its chunk's work: another one does it again. Needs the packages bullmq and ioredis.

  --embed                    turns texts into vectors (default: reranks)
  --queue NAME               (default crossrank-rerank, or crossrank-embed)
${REDIS_HELP}
  --redis-wait S             how long Redis may be away before the worker ends (default 3600)
  --concurrency N            chunks at a time; 2 keeps many threads busy between chunks (default 1)
  --lost-after S             how long a worker that no longer answers keeps its chunk (default 10)
  --new-model                takes the queue over from another model
  --normalize yes|no         whether vectors have length 1 (default as the model says)
  --model MODEL              a model folder, or ORGANISATION/NAME of the hub (default the embedded model)
  --precision P              auto, fp32, bf16x3, bf16 or int8 (default auto, which CPUs choose by themselves: name one
                             where machines differ)
  --threads N                (default all processors; where workers share a machine, its processors divided by them)

Example: crossrank worker --redis redis://queue.internal:6379 --threads 4`;

export async function run(args: readonly string[]): Promise<number> {
  const values = readValues(args, OPTIONS);
  const plan = readPlan(values);
  requireBulkPeers('crossrank worker');
  let nothing = 'stopped before the model was loaded';
  const code = await untilInterrupted(async (signal) => {
    const { RedisLink } = await import('../bulk/redis-link.js');
    const say = (text: string) => console.error(`crossrank: ${text}`);
    const link = await RedisLink.open({ ...plan.redis, say }, signal);
    try {
      await using model = await load(values, signal);
      nothing = 'stopped';
      await answerChunks(link, model, plan, signal);
      return 0;
    } finally {
      link.close();
    }
  }, nothing);
  return code;
}

type Link = import('../bulk/redis-link.js').RedisLink;

interface Plan {
  redis: { url: string; waitMs: number };
  worker: Parameters<typeof BulkWorker.start>[2];
}

interface Model extends AsyncDisposable {
  info: RerankerInfo | EmbedderInfo;
  work: ChunkWork;
}

function readPlan(values: Values): Plan {
  if (values.normalize !== undefined && values.embed === undefined) {
    throw new UsageError('--normalize is for vectors; it goes with --embed');
  }
  return {
    redis: readRedis(values, 3600),
    worker: {
      queue: readQueue(values.queue, defaultQueue(values.embed === undefined ? 'rerank' : 'embed')),
      concurrency: readInteger('concurrency', values.concurrency ?? '1', 64),
      lostAfterMs: 1000 * readSeconds('lost-after', values['lost-after'] ?? '10'),
      newModel: values['new-model'] !== undefined,
    },
  };
}

async function load(values: Values, signal: AbortSignal): Promise<Model> {
  const { embedWork, rerankWork } = await import('../bulk/chunk-work.js');
  const progress = new Progress();
  const hub = { onProgress: downloadBar(progress), signal };
  // Each pair comes once, so keeping scores would keep what nobody asks for.
  const options = { ...readLoadOptions(values), ...UNBOUNDED_QUEUE, cache: false, hub } as const;
  const normalize = readChoice('normalize', values.normalize, ['yes', 'no'] as const);
  const model =
    values.embed === undefined
      ? await Reranker.load(values.model, options)
      : await Embedder.load(values.model, {
          ...options,
          ...(normalize === undefined ? {} : { normalize: normalize === 'yes' }),
        });
  progress.clear();
  await model.warmUp();
  return {
    info: model.info(),
    work: model instanceof Reranker ? await rerankWork(model) : await embedWork(model),
    [Symbol.asyncDispose]: () => model.dispose(),
  };
}

/** Until a signal says so, Redis stays away, or this worker is unfit for its queue. */
async function answerChunks(
  link: Link,
  { info, work }: Model,
  { worker: options }: Plan,
  signal: AbortSignal,
): Promise<void> {
  const { BulkWorker } = await import('../bulk/bulk-worker.js');
  const worker = await BulkWorker.start(link, work, options);
  const { name, precision } = work.identity;
  console.log(`ready: ${name}, ${precision}, ${threadsOf(info)}, queue ${options.queue} at ${link.place}`);
  let reported = { ...worker.done };
  const report = setInterval(() => {
    const { chunks, items } = worker.done;
    if (chunks === reported.chunks) return;
    const rate = ((items - reported.items) * 1000) / REPORT_MS;
    console.log(`${chunks} chunks, ${items} items, ${rate.toFixed(1)} items a second`);
    reported = { ...worker.done };
  }, REPORT_MS);
  const end = AbortSignal.any([signal, link.failed, worker.unfit]);
  await new Promise<void>((resolve) => {
    if (end.aborted) resolve();
    else end.addEventListener('abort', () => resolve(), { once: true });
  });
  clearInterval(report);
  await worker.stop();
  const { chunks, items, failed } = worker.done;
  console.log(`ended: ${chunks} chunks, ${items} items${failed > 0 ? `, ${failed} failed` : ''}`);
  if (!signal.aborted) throw end.reason;
}

function threadsOf({ threads }: { threads: number }): string {
  return threads === 1 ? '1 thread' : `${threads} threads`;
}
