import { rm, stat } from 'node:fs/promises';
import type { Embedder } from '../../embedder';
import { CrossrankError } from '../../errors';
import { KeywordIndex } from '../../search/keyword-index';
import { MemoryStore } from '../../search/memory-store';

/** The store, and the keyword index beside it, of `--index FILE`. */
export interface IndexFiles {
  store: MemoryStore;
  keywords: KeywordIndex;
  /** What is on the disk of the keyword index does not count from now on, until it is saved. */
  outdateKeywords(): Promise<void>;
  saveKeywords(): Promise<void>;
}

/**
 * Opens both files. `FILE.keywords` is a copy of what the store holds: where it is missing, of another version, or left
 * from before an indexing that was killed, it is made from the store.
 * @param make - whether to make the store where there is none
 */
export async function openIndex(path: string, { space }: Embedder, make: boolean): Promise<IndexFiles> {
  if (!make && (await stat(path).catch(() => undefined)) === undefined) {
    throw new CrossrankError(
      'ERR_STORE',
      `there is no index ${path}; make it with crossrank search --index ${path} --documents FILE`,
    );
  }
  const store = await MemoryStore.open({ space, path });
  try {
    const keywordsPath = `${path}.keywords`;
    const keywords = await openKeywords(keywordsPath, store);
    return {
      ...{ store, keywords },
      outdateKeywords: () => rm(keywordsPath, { force: true }),
      saveKeywords: () => keywords.save(keywordsPath),
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function openKeywords(path: string, store: MemoryStore): Promise<KeywordIndex> {
  const kept = await KeywordIndex.open(path, { documents: store }).catch((error: unknown) => {
    if (error instanceof CrossrankError) return undefined; // not there, or of no use
    throw error;
  });
  if (kept !== undefined && (await kept.count()) === (await store.count())) return kept;
  return KeywordIndex.from(store.documents(), { documents: store });
}
