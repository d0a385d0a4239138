import cluster, { type Worker } from 'node:cluster';
import { AggregatorRegistry } from 'prom-client';
import { type MetricPart, ServerMetrics } from './server-metrics';

/**
 * Any worker may be asked for the metrics of all: `all?` goes to the primary, which sends `yours?` to each worker, waits
 * for their `mine`, adds them up and answers `all`.
 */
type Message =
  | { crossrank: 'metrics-all?'; id: number }
  | { crossrank: 'metrics-yours?'; round: number }
  | { crossrank: 'metrics-mine'; round: number; part: MetricPart }
  | { crossrank: 'metrics-all'; id: number; text: string };

/** A worker that has not answered by then counts as it did the last time. */
const WAIT_MS = 2000;

/** Types of metrics that are totals. */
const GROWING: ReadonlySet<string> = new Set(['counter', 'histogram']);

interface Round {
  number: number;
  missing: Set<number>;
  finish: () => void;
}

/** In the primary: what all workers count, and what those counted that have ended, since totals never fall. */
export class ClusterMetrics {
  readonly #parts = new Map<number, MetricPart>();
  #ended: MetricPart[] = [];
  #round: Round | undefined;
  #rounds = 0;
  #text: Promise<string> | undefined;

  constructor() {
    cluster.on('message', this.#onMessage);
    cluster.on('exit', this.#onExit);
  }

  /** The text of `/metrics`; who asks while another waits gets the same. */
  text(): Promise<string> {
    this.#text ??= this.#collect().finally(() => {
      this.#text = undefined;
    });
    return this.#text;
  }

  close(): void {
    cluster.off('message', this.#onMessage);
    cluster.off('exit', this.#onExit);
    this.#round?.finish();
  }

  async #collect(): Promise<string> {
    const workers = Object.values(cluster.workers ?? {}).filter((worker) =>
      worker?.isConnected(),
    ) as Worker[];
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, WAIT_MS).unref();
      const finish = () => {
        clearTimeout(timer);
        resolve();
      };
      const missing = new Set(workers.map(({ id }) => id));
      this.#round = { number: ++this.#rounds, missing, finish };
      for (const worker of workers)
        send(worker.process, { crossrank: 'metrics-yours?', round: this.#rounds });
      if (missing.size === 0) finish();
    });
    this.#round = undefined;
    await this.#sumEnded();
    return ServerMetrics.combine([...this.#parts.values(), ...this.#ended]);
  }

  /** However many workers have come and gone, they are one part. */
  async #sumEnded(): Promise<void> {
    const parts = this.#ended.length;
    if (parts < 2) return;
    const sum = await AggregatorRegistry.aggregate([...this.#ended]).getMetricsAsJSON();
    this.#ended.splice(0, parts, sum);
  }

  readonly #onMessage = (worker: Worker, message: unknown): void => {
    if (!isMessage(message)) return;
    if (message.crossrank === 'metrics-mine') {
      // What comes after a worker's end would be counted with what is kept of it.
      if (worker.isDead()) return;
      this.#parts.set(worker.id, message.part);
      if (message.round === this.#round?.number) this.#arrived(worker.id);
    } else if (message.crossrank === 'metrics-all?') {
      const { id } = message;
      // A worker that gets no answer tells its own.
      this.text().then(
        (text) => send(worker.process, { crossrank: 'metrics-all', id, text }),
        () => undefined,
      );
    }
  };

  readonly #onExit = (worker: Worker): void => {
    const part = this.#parts.get(worker.id);
    this.#parts.delete(worker.id);
    this.#arrived(worker.id);
    if (part === undefined) return;
    this.#ended.push(part.filter(({ type }) => GROWING.has(String(type))));
  };

  #arrived(worker: number): void {
    const round = this.#round;
    if (round?.missing.delete(worker) && round.missing.size === 0) round.finish();
  }
}

/** In a worker: answers the primary, and asks it for the metrics of all. */
export class WorkerMetrics {
  readonly #metrics: ServerMetrics;
  readonly #waiting = new Map<number, (text: string) => void>();
  #asked = 0;

  constructor(metrics: ServerMetrics) {
    this.#metrics = metrics;
    process.on('message', this.#onMessage);
  }

  /** The text of `/metrics`, of all workers; of this one alone where the primary does not answer. */
  text(): Promise<string> {
    return new Promise((resolve, reject) => {
      const id = ++this.#asked;
      const finish = (text: string) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(text);
      };
      const timer = setTimeout(() => this.#metrics.text().then(finish, reject), 2 * WAIT_MS).unref();
      this.#waiting.set(id, finish);
      send(process, { crossrank: 'metrics-all?', id });
    });
  }

  close(): void {
    process.off('message', this.#onMessage);
  }

  readonly #onMessage = (message: unknown): void => {
    if (!isMessage(message)) return;
    if (message.crossrank === 'metrics-all') this.#waiting.get(message.id)?.(message.text);
    if (message.crossrank !== 'metrics-yours?') return;
    const { round } = message;
    void this.#metrics.part().then((part) => send(process, { crossrank: 'metrics-mine', round, part }));
  };
}

/** Whoever has gone is not told: where it was waited for, its end or the time limit is the answer. */
function send(to: Pick<NodeJS.Process, 'connected' | 'send'>, message: Message): void {
  if (to.connected) to.send?.(message, undefined, undefined, () => undefined);
}

function isMessage(message: unknown): message is Message {
  return (
    typeof message === 'object' &&
    message !== null &&
    'crossrank' in message &&
    String(message.crossrank).startsWith('metrics-')
  );
}
