/** Indexes a JSONL file into a store file, and reports each batch that is stored: for tests that kill it. */
import { Embedder, MemoryStore, readDocuments, SearchPipeline } from '../../lib';

async function main(): Promise<void> {
  const [documents, path] = process.argv.slice(2) as [string, string];
  const embedder = await Embedder.load();
  const store = await MemoryStore.open({ space: embedder.space, path });
  const pipeline = new SearchPipeline({ embedder, store });
  const done = await pipeline.index(readDocuments(documents), {
    batchSize: 16,
    onProgress: (progress) => process.send?.(progress),
  });
  await store.close();
  await embedder.dispose();
  process.send?.({ ...done, finished: true });
}

main();
