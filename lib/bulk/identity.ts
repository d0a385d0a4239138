import { createHash } from 'node:crypto';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { modelName } from '../embedding/model-name';
import { CrossrankError } from '../errors';
import type { EmbedderInfo, RerankerInfo } from '../info';
import { type BulkKind, PROTOCOL } from './protocol';
import type { RedisLink } from './redis-link';

/** Whose results a queue gives: all that changes them and is no option of a chunk. */
export interface Identity {
  protocol: number;
  kind: BulkKind;
  /** What people call the model; two folders of one model may differ in it. */
  name: string;
  /** Hash of the model's files; see {@link hashModel}. */
  files: string;
  precision: string;
  /** Of embedding models. */
  dimension?: number;
  pooling?: string;
  normalize?: boolean;
  prefixes?: { query: string; document: string };
}

/** Blocks of a weight file that are hashed, at even distances; and their bytes. */
const BLOCKS = 64;
const BLOCK_BYTES = 64 * 1024;

export async function identityOf(info: RerankerInfo | EmbedderInfo): Promise<Identity> {
  const common = {
    protocol: PROTOCOL,
    name: modelName(info.model),
    files: await hashModel(info.model),
    precision: info.precision,
  };
  if (!('dimension' in info)) return { ...common, kind: 'rerank' };
  const { dimension, pooling, normalize, prefixes } = info;
  return { ...common, kind: 'embed', dimension, pooling, normalize, prefixes };
}

/** What tells identities apart, in short. */
export function stampOf({ name: _, ...identity }: Identity): string {
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 32);
}

/** The key of the queue's identity, beside those of BullMQ. */
function keyOf(queue: string): string {
  return `crossrank:queue:${queue}`;
}

/**
 * Makes a queue that has none yet one of this identity.
 * @throws CrossrankError with `ERR_QUEUE_MISMATCH` where it has another one
 */
export async function claimQueue(link: RedisLink, queue: string, own: Identity): Promise<void> {
  await link.orFail(link.client.set(keyOf(queue), JSON.stringify(own), 'NX'));
  const theirs = await readIdentity(link, queue);
  if (theirs === undefined || stampOf(theirs) === stampOf(own)) return;
  throw new CrossrankError(
    'ERR_QUEUE_MISMATCH',
    `the queue ${queue} gives results of ${describe(theirs)}, and this worker has ${describe(own)}: ` +
      `${differences(theirs, own)}; start it with the same --model and --precision, give it a --queue of its own, or, ` +
      'when its submissions are done and its workers have ended, replace the model with --new-model',
  );
}

/** Makes the queue one of this identity, whatever it was. */
export async function replaceIdentity(link: RedisLink, queue: string, own: Identity): Promise<void> {
  await link.orFail(link.client.set(keyOf(queue), JSON.stringify(own)));
}

/** Undefined before the first worker has come. */
export async function readIdentity(link: RedisLink, queue: string): Promise<Identity | undefined> {
  const text = await link.orFail(link.client.get(keyOf(queue)));
  return text === null ? undefined : (JSON.parse(text) as Identity);
}

export function describe({ kind, name, precision }: Identity): string {
  return `${name} (${kind}, ${precision})`;
}

function differences(theirs: Identity, own: Identity): string {
  const differing = (Object.keys({ ...theirs, ...own }) as (keyof Identity)[]).filter(
    (key) => key !== 'name' && JSON.stringify(theirs[key]) !== JSON.stringify(own[key]),
  );
  return `different ${differing.join(', ')}`;
}

/**
 * Configuration and tokenizer whole; of weights, the size and blocks at even distances: gigabytes need not be read for
 * it, and two trainings differ in every block.
 */
async function hashModel(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const below of ['', 'onnx']) {
    const names = await readdir(join(folder, below)).catch(() => []);
    const weights = names.filter((name) => /\.(safetensors|onnx|onnx_data)$/.test(name)).sort();
    for (const name of [...(below === '' ? ['config.json', 'tokenizer.json'] : []), ...weights]) {
      await hashFile(hash, join(folder, below, name), name);
    }
    if (weights.length > 0) break; // an export beside the weights is not what was loaded
  }
  return hash.digest('hex').slice(0, 32);
}

async function hashFile(hash: ReturnType<typeof createHash>, path: string, name: string): Promise<void> {
  const handle = await open(path).catch(() => undefined);
  if (handle === undefined) return;
  try {
    const { size } = await handle.stat();
    hash.update(`${name} ${size}\n`);
    const isWhole = size <= BLOCKS * BLOCK_BYTES || name.endsWith('.json');
    const bytes = isWhole ? Math.max(1, size) : BLOCK_BYTES;
    for (let block = 0; block < (isWhole ? 1 : BLOCKS); block++) {
      const at = isWhole ? 0 : Math.floor((block * (size - bytes)) / (BLOCKS - 1));
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(bytes), 0, bytes, at);
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}
