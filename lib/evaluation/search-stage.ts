import { invalidArgument } from '../errors';
import { fuse } from '../search/fusion';
import type { KeywordIndex } from '../search/keyword-index';
import type { StoreHit, TextEmbedder, VectorStore } from '../search/types';
import type { FirstStage } from './first-stage';

/** What {@link stageOfSearch} asks: one of the two, or both. */
export interface SearchSources {
  keywords?: Pick<KeywordIndex, 'query'>;
  dense?: { embedder: TextEmbedder; store: Pick<VectorStore, 'query'> };
}

/**
 * A first stage of a keyword index, of a vector store, or of both: then each is asked for as many documents as are wanted,
 * and {@link fuse} makes one ranking of them by reciprocal rank.
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` where there is neither
 */
export function stageOfSearch({ keywords, dense }: SearchSources): FirstStage {
  if (keywords === undefined && dense === undefined) {
    throw invalidArgument('sources', 'keywords, dense or both', undefined);
  }
  return {
    async retrieve({ text }, topK, signal) {
      const abortable = signal === undefined ? {} : { signal };
      const lists: Record<string, readonly StoreHit[]> = {};
      if (dense !== undefined) {
        const [vector] = await dense.embedder.embed([text], { kind: 'query', ...abortable });
        lists.dense = await dense.store.query(vector as Float32Array, { topK, ...abortable });
      }
      if (keywords !== undefined) lists.keywords = await keywords.query(text, { topK, ...abortable });
      const [first, second] = Object.values(lists);
      const hits = first !== undefined && second === undefined ? first : fuse(lists, { topK });
      return hits.map(({ document, score }) => ({ id: document.id, score }));
    },
  };
}
