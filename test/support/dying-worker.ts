import { BulkWorker } from '../../lib/bulk/bulk-worker';
import { rerankWork } from '../../lib/bulk/chunk-work';
import { RedisLink } from '../../lib/bulk/redis-link';
import { Reranker } from '../../lib/reranker';

const [url = '', deadly = '', model = ''] = process.argv.slice(2);

async function main(): Promise<void> {
  const reranker = await Reranker.load(model, { precision: 'fp32', threads: 1, cache: false });
  const work = await rerankWork(reranker);
  const link = await RedisLink.open(
    { url, waitMs: 60_000, say: console.error },
    new AbortController().signal,
  );
  const { identity } = work;
  await BulkWorker.start(
    link,
    {
      identity,
      answer: (chunk) => {
        if (JSON.stringify(chunk.items).includes(deadly)) process.kill(process.pid, 'SIGKILL');
        return work.answer(chunk);
      },
    },
    { queue: 'crossrank-rerank', concurrency: 1, lostAfterMs: 400, newModel: false },
  );
}

main();
