// npm run example:search                             documents in memory
// npm run example:search -- http://127.0.0.1:8000    in a Chroma server: npx chroma run --path build/chroma
import { ChromaStore, Embedder, KeywordIndex, MemoryStore, Reranker, SearchPipeline } from 'crossrank';

const documents = [
  { id: 'hnsw', text: 'HNSW finds near neighbours in a graph of layers; it trades exactness for speed.' },
  { id: 'bm25', text: 'BM25 ranks documents by the words of the query, rare words count more.' },
  { id: 'rrf', text: 'Reciprocal rank fusion adds up 1 / (60 + rank) over several rankings.' },
  { id: 'cross', text: 'A cross-encoder reads query and document together, which is slow and exact.' },
  { id: 'bi', text: 'A bi-encoder embeds query and document apart, so that documents are embedded once.' },
  { id: 'chunk', text: '长文档先切成小段再建索引，每段保留所在的标题。' },
  { id: 'cache', text: '相同的问题和候选文档在一小时内直接返回缓存的结果。' },
];

async function main(): Promise<void> {
  await using embedder = await Embedder.load();
  await using reranker = await Reranker.load();
  const { space } = embedder;
  const url = process.argv[2];
  const store =
    url === undefined
      ? await MemoryStore.open({ space })
      : await ChromaStore.open({ url, collection: 'example', space });

  const keywords = await KeywordIndex.from(store.documents(), { documents: store });
  const pipeline = new SearchPipeline({ embedder, store, reranker, keywords });
  const { embedded, unchanged } = await pipeline.index(documents);
  console.log(`${embedded} documents embedded, ${unchanged} were there already`);

  for (const query of ['What does a cross-encoder read?', '怎样处理很长的文档？']) {
    console.log(`\n${query}`);
    const { results, timings, degraded, reasons } = await pipeline.search(query, { preset: 'preview' });
    for (const { rank, score, document, firstStage } of results) {
      console.log(`${rank}. ${score.toFixed(3)}  (was ${firstStage.rank})  ${document.text}`);
    }
    const { firstStageMs, rerankMs } = timings;
    console.log(`first stage ${firstStageMs.toFixed(0)} ms, reranking ${rerankMs.toFixed(0)} ms`);
    if (degraded) console.log('degraded:', reasons);
  }
  await store.close();
}

main();
