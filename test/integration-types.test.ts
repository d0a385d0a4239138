import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT, temporaryFolder } from './support/models';

const PACKAGES = [
  '@langchain/classic',
  '@langchain/core',
  '@llamaindex/core',
  '@mastra/core',
  '@modelcontextprotocol/sdk',
  '@types/node',
  'ai',
  'ai-7',
  'llamaindex',
];

/** The frameworks' own functions take what the entries make; where a type was lost, nothing would be wrong any more. */
const SOURCE = `
import { ContextualCompressionRetriever } from '@langchain/classic/retrievers/contextual_compression';
import { MemoryVectorStore } from '@langchain/classic/vectorstores/memory';
import { type Embedder, type Reranker, SearchPipeline } from 'crossrank';
import { embeddingModel, rerankingModel } from 'crossrank/ai-sdk';
import { documentCompressor, embeddings } from 'crossrank/langchain';
import { embedding, nodePostprocessor } from 'crossrank/llamaindex';
import { relevanceScorer } from 'crossrank/mastra';
import { createMcpServer, serveMcpHttp } from 'crossrank/mcp';
import { embedMany, rerank } from 'ai';
import { Settings, type VectorStoreIndex } from 'llamaindex';
import type { RelevanceScoreProvider } from '@mastra/core/relevance' with { 'resolution-mode': 'import' };
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js' with { 'resolution-mode': 'import' };
import type { RerankingModel as RerankingModel7 } from 'ai-7' with { 'resolution-mode': 'import' };

export async function use(
  reranker: Reranker,
  embedder: Embedder,
  pipeline: SearchPipeline,
  index: VectorStoreIndex,
  transport: Transport,
): Promise<void> {
  await rerank({ model: rerankingModel(reranker), query: 'q', documents: [{ text: 'a' }] });
  await embedMany({ model: embeddingModel(embedder, { kind: 'document' }), values: ['a'] });
  const seven: RerankingModel7[] = [
    rerankingModel(reranker),
    rerankingModel(reranker, { specificationVersion: 'v4' }),
  ];
  const store = new MemoryVectorStore(embeddings(embedder));
  new ContextualCompressionRetriever({
    baseRetriever: store.asRetriever(),
    baseCompressor: documentCompressor(reranker, { topK: 2 }),
  });
  Settings.embedModel = embedding(embedder);
  index.asQueryEngine({ nodePostprocessors: [nodePostprocessor(reranker, { topK: 2 })] });
  const scorer: RelevanceScoreProvider = relevanceScorer(reranker);
  const server = await createMcpServer({ reranker, pipeline });
  await server.connect(transport);
  const { url } = await serveMcpHttp({ reranker }, { port: 0 });

  // @ts-expect-error no such option
  rerankingModel(reranker, { topN: 1 });
  // @ts-expect-error no number
  const a: number = rerankingModel(reranker);
  // @ts-expect-error no such option
  documentCompressor(reranker, { topN: 1 });
  // @ts-expect-error no number
  const b: number = embeddings(embedder);
  // @ts-expect-error no number
  const c: number = embedding(embedder);
  // @ts-expect-error no number
  const d: number = nodePostprocessor(reranker);
  // @ts-expect-error no number
  const e: number = relevanceScorer(reranker);
  // @ts-expect-error no number
  const f: number = server;
  // @ts-expect-error no number
  const g: number = url;
  console.log(seven, scorer, a, b, c, d, e, f, g);
}
`;

test.each(['.mts', '.cts'])(
  'the frameworks take what the entries make, by their types, in %s',
  (extension) => {
    const folder = temporaryFolder();
    const modules = join(folder, 'node_modules');
    mkdirSync(modules);
    symlinkSync(ROOT, join(modules, 'crossrank'), 'dir');
    for (const name of PACKAGES) {
      mkdirSync(dirname(join(modules, name)), { recursive: true });
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name), 'dir');
    }
    writeFileSync(join(folder, `main${extension}`), SOURCE);
    const options = {
      ...{ module: 'node16', target: 'es2022', lib: ['es2022', 'esnext.disposable', 'dom'], types: ['node'] },
      ...{ strict: true, noEmit: true, skipLibCheck: true },
    };
    const config = { compilerOptions: options, files: [`main${extension}`] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder],
      {
        encoding: 'utf8',
      },
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  },
);
