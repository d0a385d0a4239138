import { setTimeout as delay } from 'node:timers/promises';
import { ChunkQueue } from '../../bulk/chunk-queue';
import { describe, type Identity, readIdentity, stampOf } from '../../bulk/identity';
import type { BulkEmbedOptions, BulkRerankOptions } from '../../bulk/protocol';
import { RedisLink } from '../../bulk/redis-link';
import { CrossrankError } from '../../errors';
import type { RerankOptions } from '../../options';
import { NPY_HEADER_BYTES, npyHeader, type VectorFormat } from '../embed/vector-writer';
import type { TextFormat } from '../input/texts';
import { byFlag, type MadeWith } from '../made-with';
import type { Progress } from '../progress';
import { RunTexts, type RunTextsTask } from '../rerank/run-texts';
import { DurableOutput, errorsOf, type Position } from './durable-output';
import { type BulkItem, batchItems, type Reading, runItems, textItems } from './items';
import { newSubmission, Submission, type SubmissionPlan } from './submission';

export type Way = 'batch' | 'run' | 'texts';

/** What `crossrank submit` was asked for. */
export interface SubmitTask {
  way: Way;
  path: string;
  output: string;
  /** Of the input. */
  bytes: number;
  inputs: { path: string; bytes: number; changed: Date }[];
  restart: boolean;
  queue: string;
  redis: { url: string; waitMs: number };
  chunkPairs: number;
  inFlight: number;
  fields: { text: string; id: string | undefined };
  /** Whether results of `--batch` carry their documents. */
  documents: boolean;
  rerank: RerankOptions;
  run: RunTextsTask & { initialK: number; tag: string };
  embed: { options: BulkEmbedOptions; format: VectorFormat; inputFormat: TextFormat | undefined };
}

/** What was done in all, by this run and those before. */
export interface SubmitReport extends Pick<Position, 'items' | 'setAside' | 'pairs' | 'tokens' | 'chunks'> {
  /** Items that were written already. */
  kept: number;
  output: string;
  /** Where items were set aside; null where none was. */
  errors: string | null;
}

const POLL_MS = 500;

/**
 * Opens all that is needed, output first, and sends and writes until all is done.
 * @param onWritten - is told how much is written
 * @throws CrossrankError with `ERR_REDIS`, `ERR_QUEUE_MISMATCH`, `ERR_OUTPUT`, `ERR_DATASET_INVALID`, or what the model says
 * of the options; with the signal's reason
 */
export async function submit(
  task: SubmitTask,
  signal: AbortSignal,
  progress: Progress,
  onWritten: (text: string) => void,
): Promise<SubmitReport> {
  const say = (text: string) => {
    progress.clear();
    console.error(`crossrank: ${text}`);
  };
  await DurableOutput.check(task.output);
  const link = await RedisLink.open({ ...task.redis, say }, signal);
  const { failed } = link;
  try {
    const identity = await identityOfQueue(link, task, failed, say);
    if (task.restart) await discard(link, task);
    const output = await DurableOutput.open(task.output, madeWith(task, identity), newSubmission);
    const queue = new ChunkQueue(link, task.queue, output.submission);
    try {
      return await sendAll(task, identity, { queue, output }, { signal: failed, progress, onWritten });
    } finally {
      await queue.close();
      await output.close();
    }
  } finally {
    link.close();
  }
}

async function sendAll(
  task: SubmitTask,
  identity: Identity,
  { queue, output }: { queue: ChunkQueue; output: DurableOutput },
  {
    signal,
    progress,
    onWritten,
  }: { signal: AbortSignal; progress: Progress; onWritten: (text: string) => void },
): Promise<SubmitReport> {
  const kept = output.position.items;
  let read = 0;
  const reading: Reading = {
    path: task.path,
    signal,
    skip: kept,
    onRead: (bytes) => {
      read = bytes;
    },
  };
  const show = () => {
    const { items, setAside } = output.position;
    const text = `${items} items${setAside > 0 ? `, ${setAside} set aside` : ''}`;
    onWritten(text);
    progress.show(text, read / Math.max(1, task.bytes));
  };
  show();
  const send = <Sent>(
    items: AsyncIterable<BulkItem<Sent>>,
    plan: Pick<SubmissionPlan<Sent>, 'task' | 'head'>,
  ) =>
    new Submission(queue, output, {
      ...plan,
      items,
      stamp: stampOf(identity),
      chunkPairs: task.chunkPairs,
      inFlight: task.inFlight,
    }).all(signal, show);
  const isNpy = task.way === 'texts' && task.embed.format === 'npy';
  const dimension = identity.dimension ?? 0;
  if (task.way === 'texts') {
    const { format, inputFormat, options } = task.embed;
    const items = textItems(reading, { ...task.fields, format: inputFormat }, { format, dimension });
    const head = isNpy ? new Uint8Array(NPY_HEADER_BYTES) : '';
    await send(items, { task: { kind: 'embed', options }, head });
  } else {
    const options = rerankOptionsOf(task.rerank);
    const plan = { task: { kind: 'rerank', options }, head: '' } as const;
    await (task.way === 'batch'
      ? send(batchItems(reading, { ...task.fields, documents: task.documents, options }), plan)
      : withRunTexts(task, signal, progress, (texts) =>
          send(runItems(reading, texts, { ...task.run, output: task.output }), plan),
        ));
  }
  await output.finish(isNpy ? npyHeader(output.position.items, dimension) : undefined);
  const { items, setAside, pairs, tokens, chunks } = output.position;
  const errors = setAside > 0 ? errorsOf(task.output) : null;
  return { items, setAside, pairs, tokens, chunks, kept, output: task.output, errors };
}

async function withRunTexts(
  { run }: SubmitTask,
  signal: AbortSignal,
  progress: Progress,
  use: (texts: RunTexts) => Promise<void>,
): Promise<void> {
  await using texts = await RunTexts.open(run, await RunTexts.pathsOf(run), signal, progress);
  await use(texts);
}

/** Those that change results. */
function rerankOptionsOf({
  topK,
  minScore,
  maxLength,
  longDocuments,
  scores,
}: RerankOptions): BulkRerankOptions {
  const options = { topK, minScore, maxLength, longDocuments, scores };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function madeWith(task: SubmitTask, identity: Identity): MadeWith {
  const { way, inputs, chunkPairs, fields, documents, rerank, run, embed } = task;
  const { unknown, initialK, tag } = run;
  const { options, format, inputFormat } = embed;
  const own = {
    batch: { ...fields, noDocuments: !documents, ...rerank },
    run: { unknown, initialK, tag, ...rerank },
    texts: { ...fields, ...options, format, inputFormat },
  }[way];
  return {
    model: `${describe(identity)} ${stampOf(identity)}`,
    input: inputs.map(({ path, bytes, changed }) => `${path}, ${bytes} bytes of ${changed.toISOString()}`),
    ...byFlag({ chunk: chunkPairs, ...own }),
  };
}

/** For people. */
export function describeSubmitted({
  items,
  setAside,
  pairs,
  tokens,
  kept,
  output,
  errors,
}: SubmitReport): string {
  const lines = [`${items} items, ${pairs} pairs, ${tokens} tokens`];
  if (kept > 0) lines.push(`${kept} of them were written by an earlier run`);
  if (errors !== null) lines.push(`${setAside} were set aside: ${errors} tells why`);
  lines.push(`written: ${output}`);
  return lines.join('\n');
}

/** Removes an earlier run's files, and its chunks. */
async function discard(link: RedisLink, { output, queue: name }: SubmitTask): Promise<void> {
  const earlier = await DurableOutput.earlier(output);
  if (earlier !== undefined) {
    const queue = new ChunkQueue(link, name, earlier);
    await queue.sweep();
    await queue.close();
  }
  await DurableOutput.discard(output);
}

/** Whose results the queue gives, as its first worker has written. */
async function identityOfQueue(
  link: RedisLink,
  { queue, way }: SubmitTask,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<Identity> {
  let identity = await readIdentity(link, queue);
  const flag = way === 'texts' ? ' --embed' : '';
  if (identity === undefined) {
    say(`the queue ${queue} has no worker yet; start one: crossrank worker${flag} --queue ${queue}`);
  }
  while (identity === undefined) {
    await delay(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    identity = await readIdentity(link, queue);
  }
  const kind = way === 'texts' ? 'embed' : 'rerank';
  if (identity.kind === kind) return identity;
  throw new CrossrankError(
    'ERR_QUEUE_MISMATCH',
    `the workers of the queue ${queue} have ${describe(identity)}, and --${way} needs ones that ${kind}; name their ` +
      `queue with --queue, or start one: crossrank worker${flag} --queue NAME`,
  );
}
