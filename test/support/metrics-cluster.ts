import cluster, { type Worker } from 'node:cluster';
import { ClusterMetrics, WorkerMetrics } from '../../lib/server/metrics/cluster-metrics';
import { ServerMetrics } from '../../lib/server/metrics/server-metrics';
import { fixedPool, served } from './fixed-pool';

/**
 * Run as a program: three workers that count requests, each of them asked for the metrics of all, then one that ends and one that
 * comes in its place. Prints what each answered, as JSON.
 */
async function main(): Promise<void> {
  const metrics = new ClusterMetrics();
  const workers = await Promise.all([1, 2, 3].map((requests) => fork(requests)));
  const first = await Promise.all(workers.map(ask));
  const [leaving, staying] = workers as [Worker, Worker];
  const left = new Promise((resolve) => leaving.once('exit', resolve));
  leaving.kill('SIGKILL');
  await left;
  const afterLoss = await ask(staying);
  const fresh = await fork(10);
  const afterFresh = await ask(fresh);
  process.stdout.write(JSON.stringify({ first, afterLoss, afterFresh }));
  metrics.close();
  for (const worker of [...workers, fresh]) worker.kill();
}

function fork(requests: number): Promise<Worker> {
  const worker = cluster.fork({ REQUESTS: String(requests) });
  return new Promise((resolve) => worker.once('message', () => resolve(worker)));
}

function ask(worker: Worker): Promise<string> {
  return new Promise((resolve) => {
    worker.on('message', (message: { text?: string }) => {
      if (message.text !== undefined && !('crossrank' in message)) resolve(message.text);
    });
    worker.send({ ask: true });
  });
}

function work(requests: number): void {
  const metrics = new ServerMetrics(fixedPool({}), '1.2.3');
  const all = new WorkerMetrics(metrics);
  for (let i = 0; i < requests; i++) {
    metrics.started();
    metrics.ended({ served: served(), status: 200, durationMs: 5 });
  }
  process.on('message', (message: object) => {
    if ('ask' in message) void all.text().then((text) => process.send?.({ text }));
  });
  process.send?.({ ready: true });
}

if (cluster.isPrimary) void main();
else work(Number(process.env.REQUESTS));
