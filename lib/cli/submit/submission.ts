import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { ChunkFailure, type ChunkQueue } from '../../bulk/chunk-queue';
import {
  type Chunk,
  type ChunkAnswer,
  type EmbedChunk,
  type ItemAnswer,
  type ItemError,
  PROTOCOL,
  type RerankChunk,
} from '../../bulk/protocol';
import { CrossrankError, type ErrorCode } from '../../errors';
import { inOrder } from '../in-order';
import { type CutChunk, chunksOf } from './chunks';
import type { DurableOutput } from './durable-output';
import type { BulkItem } from './items';

/** What is submitted, and what becomes of the answers. */
export interface SubmissionPlan<Sent> {
  /** Kind and options of its chunks. */
  task: Pick<Chunk, 'kind' | 'options'>;
  /** Of the queue's model. */
  stamp: string;
  /** Those that are not written yet. */
  items: AsyncIterable<BulkItem<Sent>>;
  chunkPairs: number;
  /** Chunks under way at a time. */
  inFlight: number;
  /** What the output begins with. */
  head: string | Uint8Array;
}

/** Into how many parts a chunk is cut that could not be answered. */
const PARTS = 8;

interface Answered<Sent> {
  chunk: CutChunk<Sent>;
  answers: ItemAnswer[];
  tokens: number;
  /** Jobs that it took. */
  jobs: string[];
}

export function newSubmission(): string {
  return `s${randomBytes(8).toString('hex')}`;
}

/** Sends chunks and writes what comes back: the single reader and the single writer; see `bulk/protocol.ts`. */
export class Submission<Sent> {
  readonly #queue: ChunkQueue;
  readonly #output: DurableOutput;
  readonly #plan: SubmissionPlan<Sent>;

  constructor(queue: ChunkQueue, output: DurableOutput, plan: SubmissionPlan<Sent>) {
    this.#queue = queue;
    this.#output = output;
    this.#plan = plan;
  }

  /**
   * Until all is written.
   * @param onWritten - is told after each chunk
   * @throws what the workers refuse all chunks with; CrossrankError with `ERR_OUTPUT`; with the signal's reason
   */
  async all(signal: AbortSignal, onWritten: () => void): Promise<void> {
    const { items, chunkPairs, inFlight } = this.#plan;
    const { chunks } = this.#output.position;
    await this.#queue.sweep(chunks); // written by a run that was killed before it could remove them
    // What fails once ends all: chunks under way are not waited for, as they are there at the next run.
    const stop = new AbortController();
    const ended = AbortSignal.any([signal, stop.signal]);
    setMaxListeners(0, ended); // each chunk under way listens, until it is answered
    const orStop = <T>(work: Promise<T>): Promise<T> =>
      work.catch((error) => {
        stop.abort(error);
        throw error;
      });
    const cut = chunksOf(items, { first: chunks, pairs: chunkPairs });
    for await (const answered of inOrder(cut, inFlight, (chunk) => orStop(this.#answer(chunk, ended)))) {
      await orStop(this.#write(answered));
      onWritten();
    }
    await this.#queue.sweep();
  }

  async #answer(chunk: CutChunk<Sent>, signal: AbortSignal): Promise<Answered<Sent>> {
    const answered: Answered<Sent> = { chunk, answers: [], tokens: 0, jobs: [] };
    const good = chunk.items.filter((item) => !('error' in item));
    const answers = good.length === 0 ? [] : await this.#ask(good, chunk.number, [], answered, signal);
    let next = 0;
    answered.answers = chunk.items.map((item) =>
      'error' in item ? { error: item.error } : (answers[next++] as ItemAnswer),
    );
    return answered;
  }

  /** The answers to items; where they cannot be had together, in parts, down to one, whose answer is its error then. */
  async #ask(
    items: readonly BulkItem<Sent>[],
    chunk: number,
    parts: readonly number[],
    answered: Answered<Sent>,
    signal: AbortSignal,
  ): Promise<ItemAnswer[]> {
    const id = this.#queue.idOf(chunk, parts);
    answered.jobs.push(id);
    let answer: ChunkAnswer;
    try {
      answer = await this.#queue.answer(id, this.#chunkOf(items), signal);
    } catch (error) {
      if (!(error instanceof ChunkFailure)) throw error;
      return this.#inParts(error, items, chunk, parts, answered, signal);
    }
    if ('refused' in answer) return this.#stopWith(answer.refused, id);
    answered.tokens += answer.tokens;
    return answer.answers;
  }

  async #inParts(
    { reason }: ChunkFailure,
    items: readonly BulkItem<Sent>[],
    chunk: number,
    parts: readonly number[],
    answered: Answered<Sent>,
    signal: AbortSignal,
  ): Promise<ItemAnswer[]> {
    if (reason.code === 'ERR_QUEUE_MISMATCH') {
      return this.#stopWith(reason, this.#queue.idOf(chunk, parts));
    }
    if (items.length === 1) return [{ error: reason }];
    const size = Math.ceil(items.length / PARTS);
    const count = Math.ceil(items.length / size);
    const answers = await Promise.all(
      Array.from({ length: count }, (_, i) =>
        this.#ask(items.slice(i * size, (i + 1) * size), chunk, [...parts, i], answered, signal),
      ),
    );
    return answers.flat();
  }

  /** All chunks would be answered this way; a later run asks anew. */
  async #stopWith({ code, message }: ItemError, id: string): Promise<never> {
    await this.#queue.remove([id]);
    throw new CrossrankError(code as ErrorCode, message);
  }

  #chunkOf(items: readonly BulkItem<Sent>[]): Chunk {
    const { task, stamp } = this.#plan;
    const sent = items.map((item) => ('error' in item ? undefined : item.sent));
    const { kind, options } = task;
    return { protocol: PROTOCOL, model: stamp, kind, options, items: sent } as RerankChunk | EmbedChunk;
  }

  async #write({ chunk, answers, tokens, jobs }: Answered<Sent>): Promise<void> {
    const output = this.#output.position.chunks === 0 ? [this.#plan.head] : [];
    let errors = '';
    let setAside = 0;
    for (const [i, item] of chunk.items.entries()) {
      const answer = answers[i] as ItemAnswer;
      output.push(item.write(answer));
      if (!('error' in answer)) continue;
      setAside++;
      const { line, id } = item;
      errors += `${JSON.stringify({ line, ...(id === undefined ? {} : { id }), error: answer.error })}\n`;
    }
    const { items, pairs } = chunk;
    await this.#output.append(joined(output), errors, { items: items.length, setAside, pairs, tokens });
    await this.#queue.remove(jobs);
  }
}

function joined(parts: readonly (string | Uint8Array)[]): string | Uint8Array {
  if (parts.every((part) => typeof part === 'string')) return parts.join('');
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
}
