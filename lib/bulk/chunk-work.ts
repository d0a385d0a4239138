import { encodeFloats } from '../base64-floats';
import type { Embedder } from '../embedder';
import { CrossrankError } from '../errors';
import type { Reranker } from '../reranker';
import type { RankedIndex } from '../response';
import { type Identity, identityOf } from './identity';
import {
  type BulkEmbedOptions,
  type BulkRerankOptions,
  type Chunk,
  type ChunkAnswer,
  type ItemAnswer,
  itemError,
  type QueryItem,
  type Ranked,
} from './protocol';

/** What answers chunks: a model, and how it is asked. */
export interface ChunkWork {
  identity: Identity;
  /** Rejects with what may be gone at the next try; all else is in the answer. */
  answer(chunk: Chunk): Promise<ChunkAnswer>;
}

export async function rerankWork(reranker: Reranker): Promise<ChunkWork> {
  return {
    identity: await identityOf(reranker.info()),
    answer: (chunk) => {
      if (chunk.kind !== 'rerank') return Promise.resolve({ refused: wrongKind(chunk) });
      return answerAll(
        chunk.items,
        // The options alone: what is wrong with them is wrong with all items.
        () => reranker.rerank('', [], { ...chunk.options, returnDocuments: false }),
        (item) => rerankItem(reranker, item, chunk.options),
      );
    },
  };
}

export async function embedWork(embedder: Embedder): Promise<ChunkWork> {
  return {
    identity: await identityOf(embedder.info()),
    answer: (chunk) => {
      if (chunk.kind !== 'embed') return Promise.resolve({ refused: wrongKind(chunk) });
      return answerAll(
        chunk.items,
        () => embedder.embed([], chunk.options),
        (text) => embedItem(embedder, text, chunk.options),
      );
    },
  };
}

interface Answered {
  answer: ItemAnswer;
  tokens: number;
}

/** All items at once: calls made at the same time share the engine, and each has an error of its own. */
async function answerAll<Item>(
  items: readonly Item[],
  checkOptions: () => Promise<unknown>,
  answerItem: (item: Item) => Promise<Answered>,
): Promise<ChunkAnswer> {
  try {
    await checkOptions();
  } catch (error) {
    if (!isDefinite(error)) throw error;
    return { refused: itemError(error) };
  }
  const answered = await Promise.all(
    items.map((item) =>
      answerItem(item).catch((error: unknown): Answered => {
        if (!isDefinite(error)) throw error;
        return { answer: { error: itemError(error) }, tokens: 0 };
      }),
    ),
  );
  return {
    answers: answered.map(({ answer }) => answer),
    tokens: answered.reduce((sum, { tokens }) => sum + tokens, 0),
  };
}

/** Whether it fails the same way whenever and wherever it is tried. */
function isDefinite(error: unknown): error is CrossrankError {
  return (
    error instanceof CrossrankError &&
    (error.code === 'ERR_INVALID_ARGUMENT' || error.code === 'ERR_MODEL_UNSUPPORTED')
  );
}

async function rerankItem(
  reranker: Reranker,
  { query, documents }: QueryItem,
  options: BulkRerankOptions,
): Promise<Answered> {
  const { results, usage } = await reranker.rerank(query, documents, { ...options, returnDocuments: false });
  return { answer: rankedOf(results), tokens: usage.tokens };
}

function rankedOf(results: readonly RankedIndex[]): Ranked {
  const hasSpans = results.some(({ span }) => span !== undefined);
  return {
    index: results.map(({ index }) => index),
    scores: encodeFloats(Float32Array.from(results, ({ score }) => score)),
    truncated: results.flatMap(({ truncated }, place) => (truncated ? [place] : [])),
    ...(hasSpans ? { spans: results.map(({ span }) => (span ? [span.start, span.end] : null)) } : {}),
  };
}

async function embedItem(embedder: Embedder, text: string, options: BulkEmbedOptions): Promise<Answered> {
  const { embeddings, usage } = await embedder.embedWithUsage([text], options);
  return { answer: { vector: encodeFloats(embeddings[0] as Float32Array) }, tokens: usage.tokens };
}

function wrongKind({ kind }: Chunk): { code: string; message: string } {
  return {
    code: 'ERR_QUEUE_MISMATCH',
    message: `the worker does not ${kind}; name a queue whose workers do`,
  };
}
