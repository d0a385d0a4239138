/**
 * One thread of the server that `mixed` compares with: onnxruntime-node as its documentation uses it, in a process of
 * its own, since its run() holds the event loop that calls it.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { serveParent } from '../child';

export interface PaddedModel {
  /** Path of an exported `.onnx`. */
  file: string;
  vocabSize: number;
  padId: number;
}

/** What a request came to. */
export interface PaddedWork {
  tokens: number;
  /** With padding. */
  computed: number;
}

export interface PaddedMethods {
  load(model: PaddedModel): Promise<void>;
  /** Tokens of the pairs of a request, in the order of its documents. */
  score(lengths: readonly number[]): Promise<PaddedWork>;
}

/** Documents a run, as exported models are usually run. */
const ROWS = 32;
/** Different token ids in a text, about as many as the words of the bench: embeddings that are read stay in the cache. */
const DISTINCT_IDS = 400;

let session: InferenceSession | undefined;
let model: PaddedModel | undefined;

async function load(described: PaddedModel): Promise<void> {
  model = described;
  session = await InferenceSession.create(described.file, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
  });
}

/** The time does not depend on which tokens are computed, so they need not be those of the text; their number counts. */
function inputs(lengths: readonly number[], longest: number, { vocabSize, padId }: PaddedModel) {
  const size = lengths.length * longest;
  const ids = new BigInt64Array(size).fill(BigInt(padId));
  const mask = new BigInt64Array(size);
  const first = Math.floor(vocabSize / 2);
  for (const [row, length] of lengths.entries()) {
    for (let i = 0; i < length; i++) {
      ids[row * longest + i] = BigInt(
        first + ((row * 31 + i * 17) % Math.min(DISTINCT_IDS, vocabSize - first)),
      );
      mask[row * longest + i] = 1n;
    }
  }
  return { input_ids: ids, attention_mask: mask, token_type_ids: new BigInt64Array(size) };
}

async function score(lengths: readonly number[]): Promise<PaddedWork> {
  if (session === undefined || model === undefined) throw new Error('no model is loaded');
  let computed = 0;
  for (let start = 0; start < lengths.length; start += ROWS) {
    const rows = lengths.slice(start, start + ROWS);
    const longest = Math.max(...rows);
    const columns = Object.entries(inputs(rows, longest, model)).filter(([name]) =>
      session?.inputNames.includes(name),
    );
    const feeds = Object.fromEntries(
      columns.map(([name, data]) => [name, new Tensor('int64', data, [rows.length, longest])]),
    );
    await session.run(feeds);
    computed += rows.length * longest;
  }
  return { tokens: lengths.reduce((sum, length) => sum + length, 0), computed };
}

serveParent<PaddedMethods>({ load, score });
