import cluster, { type Worker } from 'node:cluster';
import { CrossrankError } from '../errors';
import { ClusterMetrics } from './metrics/cluster-metrics';

/** What workers have in which to end beyond the drain of their servers. */
const LAST_MS = 5000;
const FIRST_BACK_OFF_MS = 1000;
const LONGEST_BACK_OFF_MS = 30_000;
/** Workers in a row that ended before they listened: then it is not their bad luck. */
const MAX_FAILURES = 5;

/** How many processes share the port, and how they start. */
export interface ClusterOptions {
  workers: number;
  /** As the servers of the workers have it, in milliseconds. */
  drainMs: number;
  /** Told when all workers listen, and of each that has ended and is replaced. */
  onEvent: (event: { listening: { address: string; port: number } } | { replaced: string }) => void;
}

/**
 * The primary process of `--workers N`: its workers are this program again, with the same arguments, and share one port.
 * It serves nothing itself. Workers start one after the other, so that the first one's failure is told once; one that ends
 * is replaced, after a back-off that doubles while replacements fail, too.
 */
export class Cluster {
  readonly #options: ClusterOptions;
  readonly #metrics = new ClusterMetrics();
  #failures = 0;
  #closing = false;
  /** Rejects when workers cannot be kept up. */
  readonly failed: Promise<never>;
  #fail: (error: Error) => void = () => undefined;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => undefined); // whoever waits for it is told
  }

  /** @throws CrossrankError with `ERR_RUNTIME` where a worker does not come up; it has said why itself */
  async start(): Promise<void> {
    let address: { address: string; port: number } | undefined;
    for (let i = 0; i < this.#options.workers && !this.#closing; i++) {
      const worker = cluster.fork();
      const heard = await listening(worker);
      if (heard === undefined) throw new CrossrankError('ERR_RUNTIME', 'a worker ended before it listened');
      address = heard;
      this.#watch(worker);
    }
    if (address !== undefined) this.#options.onEvent({ listening: address });
  }

  /** Has all workers finish what they do, and waits for them; those that take too long are ended. */
  async close(): Promise<void> {
    this.#closing = true;
    const workers = Object.values(cluster.workers ?? {}) as Worker[];
    await Promise.all(
      workers.map(async (worker) => {
        const gone = new Promise((resolve) => worker.once('exit', resolve));
        worker.process.kill('SIGTERM');
        const timer = setTimeout(() => worker.process.kill('SIGKILL'), this.#options.drainMs + LAST_MS);
        await gone;
        clearTimeout(timer);
      }),
    );
    this.#metrics.close();
  }

  #watch(worker: Worker): void {
    worker.once('exit', (code, signal) => {
      if (this.#closing) return;
      this.#options.onEvent({ replaced: `worker ${worker.process.pid} ended (${signal ?? code})` });
      void this.#replace();
    });
  }

  async #replace(): Promise<void> {
    if (this.#failures > 0) {
      const backOff = Math.min(FIRST_BACK_OFF_MS * 2 ** (this.#failures - 1), LONGEST_BACK_OFF_MS);
      await new Promise((resolve) => setTimeout(resolve, backOff).unref());
    }
    if (this.#closing) return;
    const worker = cluster.fork();
    if ((await listening(worker)) !== undefined) {
      this.#failures = 0;
      this.#watch(worker);
    } else if (!this.#closing && ++this.#failures < MAX_FAILURES) {
      await this.#replace();
    } else if (!this.#closing) {
      const message = `${MAX_FAILURES} workers in a row ended before they listened`;
      this.#fail(new CrossrankError('ERR_RUNTIME', message));
    }
  }
}

/** Where the worker listens; undefined where it ended before. */
function listening(worker: Worker): Promise<{ address: string; port: number } | undefined> {
  return new Promise((resolve) => {
    worker.once('listening', ({ address, port }) => resolve({ address, port }));
    worker.once('exit', () => resolve(undefined));
  });
}
