/**
 * For LangChain.js (`@langchain/core` 1): {@link documentCompressor} for a `ContextualCompressionRetriever`,
 * {@link embeddings} for vector stores.
 *
 * @packageDocumentation
 */
import type { DocumentInterface } from '@langchain/core/documents';
import type { EmbeddingsInterface } from '@langchain/core/embeddings';
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

const INTEGRATION = 'crossrank/langchain';

const LANGCHAIN: Peer = {
  name: '@langchain/core',
  versions: '1',
  install: '1',
  accepts: (major) => major === 1,
};

/**
 * A `BaseDocumentCompressor`. Not by that type: it names classes that `import` and `require` each have of their own, and
 * TypeScript takes one for the other nowhere.
 */
export interface DocumentCompressor {
  compressDocuments(documents: DocumentInterface[], query: string): Promise<DocumentInterface[]>;
}

/** Options of {@link documentCompressor}. */
export interface DocumentCompressorOptions extends RankingOptions {
  /** How many documents are kept. @defaultValue all, best first */
  topK?: number;
  /** Ends every call of this compressor when it is aborted. */
  signal?: AbortSignal;
}

/** Options of {@link embeddings}. */
export interface EmbeddingsOptions extends EmbeddingOptions {
  /** Ends every call of these embeddings when it is aborted. */
  signal?: AbortSignal;
}

/**
 * A reranker as a `BaseDocumentCompressor`: the documents it returns are copies of those it gets, best first, with
 * `metadata.relevanceScore`; other metadata, id and class stay, and the given documents are not changed.
 *
 * LangChain hands a compressor documents, a query and callbacks, and no options of `invoke`: its `signal` and `timeout` end
 * the wait, not the work. What ends the work are `signal` and `timeoutMs` here. Callbacks are not called for it; the
 * retriever around it calls them.
 *
 * @param ranker - A `Reranker`, or another ranker, which may know fewer options
 * @param options - `topK`, `signal`, and those of `Reranker.rerank` such as `minScore`, `maxLength`, `longDocuments`
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_MISSING_PACKAGE` or `ERR_PACKAGE_VERSION`; calls reject
 * with what the ranker does
 */
export function documentCompressor(
  ranker: Ranker,
  options: DocumentCompressorOptions = {},
): DocumentCompressor {
  const { own, call } = splitOptions<Own & { topK?: number }, RankingOptions>(
    options,
    ['topK', 'signal'],
    RANKING_OPTIONS,
  );
  requirePeer(INTEGRATION, LANGCHAIN);
  return {
    async compressDocuments(documents: DocumentInterface[], query: string): Promise<DocumentInterface[]> {
      const { results } = await ranker.rerank(query, documents, { ...call, ...own, text: 'pageContent' });
      return results.map(({ document, score }) => withScore(document, score));
    },
  };
}

/**
 * An embedder as `Embeddings`: `embedDocuments` embeds with the model's prefix for documents, `embedQuery` with that for
 * queries. All texts of a call go to the engine at once, so that `batchSize` and `maxConcurrency` of LangChain's own
 * embeddings have no counterpart.
 *
 * @param options - `signal`, `maxLength`, `timeoutMs`, `priority`, `cache`
 * @throws {@link CrossrankError} as {@link documentCompressor}
 */
export function embeddings(embedder: TextEmbedder, options: EmbeddingsOptions = {}): EmbeddingsInterface {
  const { own, call } = splitOptions<Own, EmbeddingOptions>(options, ['signal'], EMBEDDING_OPTIONS);
  requirePeer(INTEGRATION, LANGCHAIN);
  const embed = async (texts: readonly string[], kind: 'query' | 'document') => {
    const vectors = await embedder.embed(texts, { ...call, ...own, kind });
    return vectors.map((vector) => Array.from(vector));
  };
  return {
    embedDocuments: (texts) => embed(texts, 'document'),
    embedQuery: async (text) => (await embed([text], 'query'))[0] as number[],
  };
}

interface Own {
  signal?: AbortSignal;
}

/** Of the same class: retrievers look at more than LangChain's interface says. */
function withScore(document: DocumentInterface, relevanceScore: number): DocumentInterface {
  const copy: DocumentInterface = Object.create(Object.getPrototypeOf(document));
  return Object.assign(copy, document, { metadata: { ...document.metadata, relevanceScore } });
}
