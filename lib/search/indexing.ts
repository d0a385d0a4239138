import { CrossrankError } from '../errors';
import { checkDocuments, checkIterable } from './checks';
import { chunkId } from './chunker';
import type { IndexOptions, IndexProgress, PipelineOptions } from './pipeline-options';
import type { EmbeddedDocument, Metadata, StoredDocument } from './types';

const DEFAULT_BATCH = 128;

type Parts = Pick<PipelineOptions, 'embedder' | 'store' | 'keywords'>;
type Documents = Iterable<StoredDocument> | AsyncIterable<StoredDocument>;

/** What is embedded and stored together. */
interface Batch {
  entries: StoredDocument[];
  /** Documents whose last chunk is among the entries, and how many chunks they have. */
  chunked: { id: string; chunks: number }[];
}

/**
 * Brings documents into the store and the keyword index. While a batch is being stored, the next is embedded; no more
 * than these two are in memory.
 * @param onStored - called when documents have changed
 */
export async function indexDocuments(
  parts: Parts,
  documents: Documents,
  options: IndexOptions,
  onStored: () => void,
): Promise<IndexProgress> {
  const started = performance.now();
  const progress: IndexProgress = { documents: 0, embedded: 0, unchanged: 0, elapsedMs: 0 };
  const { signal, onProgress } = options;
  const store = async (batch: Batch, fresh: readonly StoredDocument[], vectors: readonly Float32Array[]) => {
    const embedded = fresh.map(
      (entry, i): EmbeddedDocument => ({ ...entry, vector: vectors[i] as Float32Array }),
    );
    if (embedded.length > 0) await parts.store.add(embedded);
    await addKeywords(parts, batch.entries, fresh);
    await removeFormerChunks(parts, batch.chunked);
    progress.embedded += fresh.length;
    progress.unchanged += batch.entries.length - fresh.length;
    progress.elapsedMs = performance.now() - started;
    onStored();
    onProgress?.({ ...progress });
  };

  let storing: Promise<void> = Promise.resolve();
  try {
    for await (const batch of batchesOf(documents, options, progress)) {
      signal?.throwIfAborted();
      const fresh = await changedEntries(parts, batch.entries);
      const vectors = await embedAll(parts, fresh, signal);
      await storing;
      storing = store(batch, fresh, vectors);
      storing.catch(() => undefined); // the next turn, or the end, hears of it
    }
  } catch (error) {
    await storing.catch(() => undefined); // what was embedded is kept, whatever ended the loop
    throw error;
  }
  await storing;
  return { ...progress, elapsedMs: performance.now() - started };
}

async function embedAll(
  { embedder }: Parts,
  entries: readonly StoredDocument[],
  signal: AbortSignal | undefined,
): Promise<Float32Array[]> {
  if (entries.length === 0) return [];
  const texts = entries.map((entry) => entry.text);
  return embedder.embed(texts, {
    kind: 'document',
    priority: 'bulk',
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Entries that the store lacks, or holds with another text or other metadata. */
async function changedEntries(
  { store }: Parts,
  entries: readonly StoredDocument[],
): Promise<StoredDocument[]> {
  const stored = await store.get(entries.map((entry) => entry.id));
  return entries.filter((entry, i) => {
    const old = stored[i];
    return old === undefined || old.text !== entry.text || !sameMetadata(old.metadata, entry.metadata);
  });
}

function sameMetadata(a: Metadata = {}, b: Metadata = {}): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && a[name] === b[name])
  );
}

/** The keyword index may be younger than the store, and lack what that has unchanged. */
async function addKeywords(
  { keywords }: Parts,
  entries: readonly StoredDocument[],
  fresh: readonly StoredDocument[],
): Promise<void> {
  if (keywords === undefined) return;
  const changed = new Set(fresh);
  await keywords.add(entries.filter((entry) => changed.has(entry) || !keywords.has(entry.id)));
}

/** A document that became shorter has chunks in the store that are no more; they follow its last one without a gap. */
async function removeFormerChunks({ store, keywords }: Parts, chunked: Batch['chunked']): Promise<void> {
  let next = chunked.map(({ id, chunks }) => ({ id, index: chunks }));
  while (next.length > 0) {
    const ids = next.map(({ id, index }) => chunkId(id, index));
    const stored = await store.get(ids);
    const former = ids.filter((_, i) => stored[i] !== undefined);
    if (former.length > 0) {
      await store.remove(former);
      await keywords?.remove(former);
    }
    next = next.filter((_, i) => stored[i] !== undefined).map(({ id, index }) => ({ id, index: index + 1 }));
  }
}

/** When the input fails, or holds what cannot be indexed, what came before it is a last batch. */
async function* batchesOf(
  documents: Documents,
  { chunker, batchSize = DEFAULT_BATCH }: IndexOptions,
  progress: IndexProgress,
): AsyncGenerator<Batch> {
  checkIterable(documents);
  const seen = new Set<string>();
  let batch: Batch = { entries: [], chunked: [] };
  const rest = () => (batch.entries.length > 0 || batch.chunked.length > 0 ? [batch] : []);
  try {
    for await (const document of documents) {
      checkDocuments([document], `document ${progress.documents} of the input: documents`);
      const entries = chunker === undefined ? [document] : await chunker.chunk(document);
      progress.documents++;
      for (const entry of entries) {
        checkIsNew(entry.id, seen, progress.documents);
        batch.entries.push(entryOf(entry));
        if (batch.entries.length < batchSize) continue;
        yield batch;
        batch = { entries: [], chunked: [] };
      }
      if (chunker !== undefined) batch.chunked.push({ id: document.id, chunks: entries.length });
    }
  } catch (error) {
    yield* rest();
    throw error;
  }
  yield* rest();
}

function checkIsNew(id: string, seen: Set<string>, documents: number): void {
  if (seen.has(id)) {
    throw new CrossrankError(
      'ERR_INVALID_ARGUMENT',
      `document ${documents - 1} of the input gives the id ${JSON.stringify(id)} a second time; an id names one document. ` +
        'What came before it is stored',
    );
  }
  seen.add(id);
}

/** Without what a chunk knows beside it. */
function entryOf({ id, text, metadata }: StoredDocument): StoredDocument {
  return metadata === undefined ? { id, text } : { id, text, metadata };
}
