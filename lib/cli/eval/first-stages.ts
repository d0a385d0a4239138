import { Embedder } from '../../embedder';
import type { Dataset } from '../../evaluation/dataset';
import { readRun } from '../../evaluation/files';
import { type FirstStage, stageOfRun } from '../../evaluation/first-stage';
import { stageOfSearch } from '../../evaluation/search-stage';
import { KeywordIndex } from '../../search/keyword-index';
import { MemoryStore } from '../../search/memory-store';
import type { StoredDocument } from '../../search/types';

/** First stages that are built from the corpus. */
const BUILT = ['bm25', 'dense', 'hybrid'];

export interface FirstStageOptions {
  /** Candidates of a query that will be asked for at most. */
  topK: number;
  /** Folder of the embedding model; undefined for the embedded one. */
  embedder: string | undefined;
  signal: AbortSignal;
  /** @param documents - indexed so far */
  onProgress(documents: number): void;
}

/** @param name - `bm25`, `dense`, `hybrid`, or the path of a run file */
export async function openFirstStage(
  name: string,
  dataset: Dataset,
  options: FirstStageOptions,
): Promise<FirstStage & AsyncDisposable> {
  if (!BUILT.includes(name)) {
    return { ...stageOfRun(await readRun(name, options)), [Symbol.asyncDispose]: async () => undefined };
  }
  const sources: Sources = {};
  if (name !== 'dense') sources.keywords = new KeywordIndex({ documents: IDS_ALONE });
  if (name !== 'bm25') sources.dense = await openDense(options.embedder);
  const dispose = async () => {
    await sources.dense?.store.close();
    await sources.dense?.embedder.dispose();
  };
  try {
    await indexCorpus(dataset, sources, options);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { ...stageOfSearch(sources), [Symbol.asyncDispose]: dispose };
}

interface Sources {
  keywords?: KeywordIndex;
  dense?: { embedder: Embedder; store: MemoryStore };
}

/** An evaluation reads the texts that it needs from the corpus, so that the rest need not be in memory. */
const IDS_ALONE = { get: async (ids: readonly string[]) => ids.map((id) => ({ id, text: '' })) };

async function openDense(model: string | undefined): Promise<{ embedder: Embedder; store: MemoryStore }> {
  const embedder = await Embedder.load(model);
  return { embedder, store: await MemoryStore.open({ space: embedder.space }) };
}

/** Documents that are embedded together: enough for all threads, and few to wait for after Ctrl-C. */
const BATCH = 128;

async function indexCorpus(
  dataset: Dataset,
  { keywords, dense }: Sources,
  { signal, onProgress }: FirstStageOptions,
): Promise<void> {
  let done = 0;
  onProgress(done);
  for await (const batch of batchesOf(dataset.documents())) {
    signal.throwIfAborted();
    await keywords?.add(batch);
    if (dense !== undefined) {
      const texts = batch.map(({ text }) => text);
      const vectors = await dense.embedder.embed(texts, { kind: 'document', signal });
      await dense.store.add(batch.map(({ id }, i) => ({ id, text: '', vector: vectors[i] as Float32Array })));
    }
    done += batch.length;
    onProgress(done);
  }
}

async function* batchesOf(
  documents: AsyncIterable<StoredDocument> | Iterable<StoredDocument>,
): AsyncGenerator<StoredDocument[]> {
  let batch: StoredDocument[] = [];
  for await (const document of documents) {
    batch.push(document);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
