/**
 * The life of a bulk job
 *
 * 1. `crossrank worker` loads a model and writes into Redis whose scores its queue gives (`identity.ts`). A worker with
 *    another model is refused there.
 * 2. `crossrank submit` reads its input once, line by line, and cuts it into chunks of some hundred pairs. So many chunks
 *    are under way at a time and no more: neither its memory nor that of Redis grows with the input. It alone reads, and
 *    it alone writes.
 * 3. A chunk is a job of BullMQ whose id says which it is, `SUBMISSION-NUMBER`: adding it again changes nothing.
 * 4. A worker answers a chunk as a whole. An item that the model refuses has its error in the answer, beside the results
 *    of the others. Whatever else fails is tried again after a while, by whichever worker comes.
 * 5. A worker that dies holds its chunk until its lock runs out; another worker takes it then. A chunk that workers died
 *    with too often is cut into parts, down to one item, which is then set aside with its error (`cli/submit/`).
 * 6. Answers come as events, which may be lost; so now and then, and whenever Redis has come back, `submit` asks for the
 *    state of every chunk it waits for, and adds those anew that Redis does not know any more (`chunk-queue.ts`).
 * 7. `submit` writes answers in the order of the input: output first, then a line of its journal, each made durable; then
 *    the job is removed from Redis. Killed between any two of these steps, it goes on from the last line of the journal:
 *    what the output has beyond it is cut off, chunks that were answered meanwhile are taken as they are, and those that
 *    had been written already are removed.
 *
 * So nothing depends on Redis keeping anything: it may lose all, and costs what is under way. Each item is written once,
 * whoever scored it how often, as a pair has the same score on each worker of a queue.
 */

import type { CrossrankError } from '../errors';

/** Of the shapes below; a worker and a submission of different ones do not understand each other. */
export const PROTOCOL = 1;

export type BulkKind = 'rerank' | 'embed';

/** Options of a chunk that change its results; the model's own stand in its identity. */
export interface BulkRerankOptions {
  topK?: number;
  minScore?: number;
  maxLength?: number;
  longDocuments?: 'truncate' | 'window' | 'chunk';
  scores?: 'model' | 'raw' | 'sigmoid';
}

export interface BulkEmbedOptions {
  kind?: 'query' | 'document';
  maxLength?: number;
}

export interface QueryItem {
  query: string;
  documents: string[];
}

interface ChunkJob {
  protocol: number;
  /** {@link stampOf} the identity that the submission was begun with. */
  model: string;
}

export interface RerankChunk extends ChunkJob {
  kind: 'rerank';
  options: BulkRerankOptions;
  items: QueryItem[];
}

export interface EmbedChunk extends ChunkJob {
  kind: 'embed';
  options: BulkEmbedOptions;
  items: string[];
}

export type Chunk = RerankChunk | EmbedChunk;

/** Code and message of an error, as JSON carries them. */
export interface ItemError {
  code: string;
  message: string;
}

/** Best first, as `rerank` has it. */
export interface Ranked {
  /** Positions in the documents. */
  index: number[];
  /** Float32 as base64: the bits arrive as they are, in a third of the characters of a decimal number. */
  scores: string;
  /** Places in `index` whose document was cut. */
  truncated: number[];
  /** Start and end of each, where there are spans. */
  spans?: (readonly [number, number] | null)[];
}

export interface Embedded {
  /** As `Ranked.scores`. */
  vector: string;
}

export type ItemAnswer = Ranked | Embedded | { error: ItemError };

/** Of a chunk: an answer for each item, or what is wrong with all of them. */
export type ChunkAnswer = { answers: ItemAnswer[]; tokens: number } | { refused: ItemError };

export function itemError({ code, message }: CrossrankError): ItemError {
  return { code, message };
}

/** The queue of a kind that nobody named. */
export function defaultQueue(kind: BulkKind): string {
  return `crossrank-${kind}`;
}
