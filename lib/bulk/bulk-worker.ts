import { type Job, Worker } from 'bullmq';
import { CrossrankError, messageOf } from '../errors';
import type { ChunkWork } from './chunk-work';
import { claimQueue, describe, replaceIdentity, stampOf } from './identity';
import { type Chunk, type ChunkAnswer, PROTOCOL } from './protocol';
import type { RedisLink } from './redis-link';

export interface BulkWorkerOptions {
  queue: string;
  /** Chunks at a time. */
  concurrency: number;
  /** How long a worker that no longer answers keeps its chunk, in milliseconds. */
  lostAfterMs: number;
  /** Takes the queue over from another model. */
  newModel: boolean;
}

/** What a worker has done. */
export interface WorkDone {
  chunks: number;
  items: number;
  /** Chunks that another worker did, or that are tried again. */
  failed: number;
}

/**
 * Chunks in a row after which a worker ends itself: it is the machine then, and not the texts. Fewer than a chunk has
 * tries, so that one such worker alone has no item set aside.
 */
const MAX_FAILURES_IN_A_ROW = 3;
/** A chunk comes back from workers that died with it so often; then it is cut into parts. */
const MAX_STALLED = 2;

/** A model that answers the chunks of a queue, until it is stopped. */
export class BulkWorker {
  readonly done: WorkDone = { chunks: 0, items: 0, failed: 0 };
  readonly #link: RedisLink;
  readonly #work: ChunkWork;
  readonly #worker: Worker<Chunk, ChunkAnswer>;
  readonly #stamp: string;
  readonly #ended = new AbortController();
  #failuresInARow = 0;

  private constructor(link: RedisLink, work: ChunkWork, options: BulkWorkerOptions) {
    this.#link = link;
    this.#work = work;
    this.#stamp = stampOf(work.identity);
    const { queue, concurrency, lostAfterMs } = options;
    this.#worker = new Worker<Chunk, ChunkAnswer>(queue, (job) => this.#answer(job), {
      connection: link.client,
      concurrency,
      lockDuration: lostAfterMs,
      stalledInterval: Math.max(1, Math.round(lostAfterMs / 2)),
      maxStalledCount: MAX_STALLED,
      runRetryDelay: 500,
    });
    // It goes on. The link says when Redis has gone; a chunk whose lock was lost meanwhile is done by whoever has it now.
    this.#worker.on('error', (error) => link.notice(error));
    this.#worker.on('failed', () => this.done.failed++);
  }

  /** @throws CrossrankError with `ERR_QUEUE_MISMATCH` or `ERR_REDIS` */
  static async start(link: RedisLink, work: ChunkWork, options: BulkWorkerOptions): Promise<BulkWorker> {
    const { queue, newModel } = options;
    if (newModel) await replaceIdentity(link, queue, work.identity);
    else await claimQueue(link, queue, work.identity);
    return new BulkWorker(link, work, options);
  }

  /**
   * Aborted when this worker should end: with `ERR_QUEUE_MISMATCH` when a chunk of another model has come, with the engine's
   * own error when chunk after chunk failed.
   */
  get unfit(): AbortSignal {
    return this.#ended.signal;
  }

  /** Finishes the chunks at hand; without Redis, nobody could take their answers. */
  async stop(): Promise<void> {
    await this.#worker.close(this.#link.isGone);
  }

  async #answer({ data, name }: Job<Chunk, ChunkAnswer>): Promise<ChunkAnswer> {
    if (data.protocol !== PROTOCOL || data.model !== this.#stamp) {
      const error = new CrossrankError(
        'ERR_QUEUE_MISMATCH',
        `the ${name} that came is for another model than ${describe(this.#work.identity)}, or of another version of ` +
          'crossrank: start this worker with the model and version of the others',
      );
      this.#ended.abort(error);
      throw error;
    }
    try {
      const answer = await this.#work.answer(data);
      this.done.chunks++;
      this.done.items += data.items.length;
      this.#failuresInARow = 0;
      return answer;
    } catch (error) {
      if (++this.#failuresInARow === MAX_FAILURES_IN_A_ROW) this.#ended.abort(error);
      const code = error instanceof CrossrankError ? error.code : 'ERR_RUNTIME';
      throw new Error(`${code}: ${messageOf(error)}`); // BullMQ keeps the message alone
    }
  }
}
