import { Queue, QueueEvents } from 'bullmq';
import { orAbort } from '../deadline';
import type { Chunk, ChunkAnswer, ItemError } from './protocol';
import type { RedisLink } from './redis-link';

/** A chunk has been tried as often as it may. */
export class ChunkFailure extends Error {
  readonly reason: ItemError;

  constructor(reason: ItemError) {
    super(`${reason.code}: ${reason.message}`);
    this.reason = reason;
  }
}

interface Awaited {
  chunk: Chunk;
  resolve: (answer: ChunkAnswer) => void;
  reject: (error: unknown) => void;
}

const ATTEMPTS = 4;
const FIRST_RETRY_MS = 500;
const KEPT_SECONDS = 7 * 24 * 3600;
/** Each holds the answer it tells of, so that few are kept; what is missed is asked for. */
const KEPT_EVENTS = 100;
const RECONCILE_MS = 1000;
const DIED = /stalled more than/;

/** The chunks of a submission in Redis. */
export class ChunkQueue {
  readonly #link: RedisLink;
  readonly #submission: string;
  readonly #queue: Queue<Chunk, ChunkAnswer>;
  readonly #events: QueueEvents;
  readonly #awaited = new Map<string, Awaited>();
  readonly #timer: NodeJS.Timeout;
  #reconciling: Promise<void> | undefined;

  /** @param submission - what the ids of its jobs begin with; no whole number, and without a colon */
  constructor(link: RedisLink, queue: string, submission: string) {
    this.#link = link;
    this.#submission = submission;
    this.#queue = new Queue<Chunk, ChunkAnswer>(queue, {
      connection: link.client,
      streams: { events: { maxLen: KEPT_EVENTS } },
      defaultJobOptions: {
        attempts: ATTEMPTS,
        backoff: { type: 'exponential', delay: FIRST_RETRY_MS },
        removeOnComplete: { age: KEPT_SECONDS },
        removeOnFail: { age: KEPT_SECONDS },
        stackTraceLimit: 1,
      },
    });
    this.#events = new QueueEvents(queue, { connection: link.client });
    // The link tells it.
    this.#queue.on('error', () => undefined);
    this.#events.on('error', () => undefined);
    this.#events.on('completed', ({ jobId, returnvalue }) => {
      this.#settle(jobId, { answer: returnvalue as unknown as ChunkAnswer });
    });
    this.#events.on('failed', ({ jobId, failedReason }) => this.#settle(jobId, { failed: failedReason }));
    this.#timer = setInterval(() => this.#reconcileSoon(), RECONCILE_MS);
    link.client.on('ready', this.#reconcileSoon);
  }

  /** The id of a chunk's job; of a part of it with the part's place. */
  idOf(chunk: number, parts: readonly number[] = []): string {
    return [this.#submission, chunk, ...parts].join('-');
  }

  /**
   * Adds a chunk, or takes up the one that is there already, and waits for its answer.
   * @throws ChunkFailure; CrossrankError with `ERR_REDIS`; with the signal's reason
   */
  async answer(id: string, chunk: Chunk, signal: AbortSignal): Promise<ChunkAnswer> {
    const answered = new Promise<ChunkAnswer>((resolve, reject) =>
      this.#awaited.set(id, { chunk, resolve, reject }),
    );
    answered.catch(() => undefined);
    try {
      await orAbort(this.#link.orFail(this.#add(id, chunk)), signal);
      return await orAbort(answered, signal);
    } finally {
      this.#awaited.delete(id);
    }
  }

  /** Of chunks that are durably written. */
  async remove(ids: readonly string[]): Promise<void> {
    await this.#link.orFail(Promise.all(ids.map((id) => this.#queue.remove(id).catch(() => 0))));
  }

  /** Removes what is left in Redis of this submission: of chunks below `before`. */
  async sweep(before = Number.POSITIVE_INFINITY): Promise<void> {
    const { client } = this.#link;
    const keys = ['completed', 'failed', 'delayed'].map((state) => this.#queue.toKey(state));
    const sorted = await this.#link.orFail(Promise.all(keys.map((key) => client.zrange(key, '0', '-1'))));
    const waiting = await this.#link.orFail(client.lrange(this.#queue.toKey('wait'), '0', '-1'));
    const start = `${this.#submission}-`;
    const own = [...sorted.flat(), ...waiting].filter(
      (id) => id.startsWith(start) && Number.parseInt(id.slice(start.length), 10) < before,
    );
    await this.remove(own);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#link.client.off('ready', this.#reconcileSoon);
    if (this.#link.isGone) return; // both would wait for it
    await this.#reconciling;
    await this.#events.close();
    await this.#queue.close();
  }

  async #add(id: string, chunk: Chunk): Promise<void> {
    const job = await this.#queue.add('chunk', chunk, { jobId: id });
    // One that was there may have ended before its events were listened to.
    if (job.id !== undefined) await this.#reconcileOne(id);
  }

  readonly #reconcileSoon = (): void => {
    if (this.#link.isGone || this.#reconciling !== undefined) return;
    this.#reconciling = this.#reconcile()
      .catch((error) => this.#link.notice(error)) // the next time does it
      .finally(() => {
        this.#reconciling = undefined;
      });
  };

  async #reconcile(): Promise<void> {
    for (const id of [...this.#awaited.keys()]) await this.#reconcileOne(id);
  }

  async #reconcileOne(id: string): Promise<void> {
    const state = await this.#queue.getJobState(id);
    const awaited = this.#awaited.get(id);
    if (awaited === undefined) return; // answered meanwhile
    if (state === 'unknown') await this.#queue.add('chunk', awaited.chunk, { jobId: id });
    if (state !== 'completed' && state !== 'failed') return;
    const job = await this.#queue.getJob(id);
    if (job === undefined) return; // the next time finds it gone
    this.#settle(id, state === 'completed' ? { answer: job.returnvalue } : { failed: job.failedReason });
  }

  #settle(id: string, outcome: { answer: ChunkAnswer } | { failed: string }): void {
    const awaited = this.#awaited.get(id);
    if (awaited === undefined) return;
    this.#awaited.delete(id);
    if ('answer' in outcome) awaited.resolve(outcome.answer);
    else awaited.reject(new ChunkFailure(reasonOf(outcome.failed)));
  }
}

function reasonOf(failed: string): ItemError {
  if (DIED.test(failed)) {
    const message =
      'every worker that had it ended without an answer; what the last of them said, or the kernel’s log, tells why';
    return { code: 'ERR_WORKER_LOST', message };
  }
  const [, code = 'ERR_RUNTIME', message = failed] = /^(ERR_\w+): (.*)$/s.exec(failed) ?? [];
  return { code, message };
}
