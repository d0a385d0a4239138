/**
 * For LlamaIndex.TS (`@llamaindex/core` 0.6, `llamaindex` 0.12): {@link nodePostprocessor} for query engines,
 * {@link embedding} for indexes and retrievers.
 *
 * @packageDocumentation
 */

import { randomUUID } from 'node:crypto';
import type { BaseEmbedding, BaseEmbeddingOptions, SimilarityType } from '@llamaindex/core/embeddings';
import type { MessageContent } from '@llamaindex/core/llms';
import type { BaseNodePostprocessor } from '@llamaindex/core/postprocessor';
import type { BaseNode, MetadataMode, NodeWithScore } from '@llamaindex/core/schema';
import { invalidArgument } from '../errors';
import { checkChoice, checkInteger } from '../option-checks';
import type { Ranker } from '../ranking/ranker';
import type { TextEmbedder } from '../search/types';
import {
  EMBEDDING_OPTIONS,
  type EmbeddingOptions,
  RANKING_OPTIONS,
  type RankingOptions,
  splitOptions,
} from './call-options';
import { type Peer, requirePeer } from './peer';

export type { EmbeddingOptions, RankingOptions };

const INTEGRATION = 'crossrank/llamaindex';

const LLAMAINDEX: Peer = {
  name: '@llamaindex/core',
  versions: '0.6',
  install: '0.6',
  accepts: (major, minor) => major === 0 && minor === 6,
};

const METADATA_MODES = ['ALL', 'EMBED', 'LLM', 'NONE'] as const;
/** Texts of a batch, after which progress is told and others have their turn. */
const BATCH = 256;
const MAX_BATCH = 100_000;

/** Options of {@link nodePostprocessor}. */
export interface NodePostprocessorOptions extends RankingOptions {
  /** How many nodes are kept. @defaultValue all, best first */
  topK?: number;
  /** Ends every call of this postprocessor when it is aborted. */
  signal?: AbortSignal;
  /**
   * Which metadata stand before a node's text when it is read, as in the `MetadataMode` of LlamaIndex.
   * @defaultValue `'EMBED'`, as the embedding model reads it
   */
  metadataMode?: (typeof METADATA_MODES)[number];
}

/** Options of {@link embedding}. */
export interface EmbeddingModelOptions extends EmbeddingOptions {
  /** Ends every call of this model when it is aborted. */
  signal?: AbortSignal;
  /** Texts that are embedded together. @defaultValue 256 */
  embedBatchSize?: number;
}

/**
 * A reranker as a node postprocessor: it returns the nodes it gets, best first, each with the reranker's score in place of
 * the retriever's. Nodes are not changed.
 *
 * Of a query with several parts, the text is read. LlamaIndex hands a postprocessor nothing else: no signal and no depth,
 * so `topK`, `minScore`, `signal` and `timeoutMs` are given here.
 *
 * @param ranker - A `Reranker`, or another ranker, which may know fewer options
 * @param options - `topK`, `signal`, `metadataMode`, and those of `Reranker.rerank` such as `minScore`, `longDocuments`
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_MISSING_PACKAGE` or `ERR_PACKAGE_VERSION`; calls reject
 * with what the ranker does, and with `ERR_INVALID_ARGUMENT` where the query has no text
 */
export function nodePostprocessor(
  ranker: Ranker,
  options: NodePostprocessorOptions = {},
): BaseNodePostprocessor {
  type Own = Pick<NodePostprocessorOptions, 'topK' | 'signal' | 'metadataMode'>;
  const { own, call } = splitOptions<Own, RankingOptions>(
    options,
    ['topK', 'signal', 'metadataMode'],
    RANKING_OPTIONS,
  );
  const { metadataMode = 'EMBED', ...signalAndDepth } = own;
  checkChoice('metadataMode', metadataMode, METADATA_MODES);
  requirePeer(INTEGRATION, LLAMAINDEX);
  const text = ({ node }: NodeWithScore) => node.getContent(metadataMode as MetadataMode);
  return {
    async postprocessNodes(nodes: NodeWithScore[], query?: MessageContent): Promise<NodeWithScore[]> {
      const { results } = await ranker.rerank(textOfQuery(query), nodes, {
        ...call,
        ...signalAndDepth,
        text,
      });
      return results.map(({ document, score }) => ({ ...document, score }));
    },
  };
}

/**
 * An embedder as a `BaseEmbedding`: nodes and texts are embedded with the model's prefix for documents, queries with that
 * for queries.
 *
 * `embedBatchSize` and `progressCallback` are honoured, and so is what is called as a transformation of an ingestion
 * pipeline. `truncateMaxTokens` returns texts as they are: the engine cuts at `maxLength`. `logProgress` and `logger` are
 * not used. It is made without loading LlamaIndex, of which a program may have two copies, one for `import` and one for
 * `require`; so it is no `instanceof BaseEmbedding`, which LlamaIndex itself does not ask.
 *
 * @param options - `signal`, `embedBatchSize`, `maxLength`, `timeoutMs` (of a batch), `priority`, `cache`
 * @throws {@link CrossrankError} as {@link nodePostprocessor}
 */
export function embedding(embedder: TextEmbedder, options: EmbeddingModelOptions = {}): BaseEmbedding {
  type Own = Pick<EmbeddingModelOptions, 'signal' | 'embedBatchSize'>;
  const { own, call } = splitOptions<Own, EmbeddingOptions>(
    options,
    ['signal', 'embedBatchSize'],
    EMBEDDING_OPTIONS,
  );
  checkInteger('embedBatchSize', own.embedBatchSize, 1, MAX_BATCH);
  requirePeer(INTEGRATION, LLAMAINDEX);

  const embed = async (texts: readonly string[], kind: 'query' | 'document') => {
    const vectors = await embedder.embed(texts, { ...call, signal: own.signal, kind });
    return vectors.map((vector) => Array.from(vector));
  };
  const embedOne = async (text: string, kind: 'query' | 'document') =>
    (await embed([text], kind))[0] as number[];

  const transform = async (nodes: BaseNode[], options?: BaseEmbeddingOptions) => {
    const texts = nodes.map((node) => node.getContent('EMBED' as MetadataMode));
    const embeddings = await model.getTextEmbeddingsBatch(texts, options);
    for (const [i, node] of nodes.entries()) node.embedding = embeddings[i];
    return nodes;
  };
  const model: BaseEmbedding = Object.assign(transform, {
    id: randomUUID(),
    embedBatchSize: own.embedBatchSize ?? BATCH,
    similarity,
    getTextEmbedding: (text: string) => embedOne(text, 'document'),
    getTextEmbeddings: (texts: string[]) => embed(texts, 'document'),
    async getQueryEmbedding(query: Exclude<MessageContent, string>[number]) {
      return query.type === 'text' ? embedOne(query.text, 'query') : null;
    },
    async getTextEmbeddingsBatch(texts: string[], { progressCallback }: BaseEmbeddingOptions = {}) {
      const all: number[][] = [];
      while (all.length < texts.length) {
        const batch = texts.slice(all.length, all.length + model.embedBatchSize);
        for (const vector of await embed(batch, 'document')) all.push(vector);
        progressCallback?.(all.length, texts.length);
      }
      return all;
    },
    truncateMaxTokens: (texts: string[]) => texts,
  });
  return model;
}

function textOfQuery(query: MessageContent | undefined): string {
  const text = Array.isArray(query)
    ? query.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n\n')
    : query;
  if (typeof text !== 'string' || text === '') {
    throw invalidArgument('query', 'a query with text to rerank for', query);
  }
  return text;
}

/** As `similarity` of LlamaIndex: higher is more alike in each mode. */
function similarity(a: number[], b: number[], mode = 'cosine' as SimilarityType): number {
  if (a.length !== b.length) throw invalidArgument('embedding2', `a vector of ${a.length} values`, b);
  const dot = (x: number[], y: number[]) => x.reduce((sum, value, i) => sum + value * (y[i] as number), 0);
  switch (mode as `${SimilarityType}`) {
    case 'dot_product':
      return dot(a, b);
    case 'euclidean':
      return -Math.hypot(...a.map((value, i) => value - (b[i] as number)));
    default:
      return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  }
}
