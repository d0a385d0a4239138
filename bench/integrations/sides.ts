import { join } from 'node:path';
import { ContextualCompressionRetriever } from '@langchain/classic/retrievers/contextual_compression';
import { Document } from '@langchain/core/documents';
import { BaseRetriever } from '@langchain/core/retrievers';
import type { Ranker, Reranker, TextEmbedder } from '../../lib';
import { embeddingModel, rerankingModel } from '../../lib/integrations/ai-sdk';
import { documentCompressor, embeddings } from '../../lib/integrations/langchain';
import { embedding, nodePostprocessor } from '../../lib/integrations/llamaindex';
import { relevanceScorer } from '../../lib/integrations/mastra';
import { packageRoot } from '../../lib/native/load';
import type { TextSet } from '../texts';

/** Answers a request, and resolves to its pairs or texts. */
export type Answer = (request: TextSet) => Promise<number>;

/** Work through a framework, and the same work asked of the library itself. */
export interface Side {
  framework: Answer;
  library: Answer;
  /** Whether the framework's side has models of its own, in another process. */
  isApart?: true;
  close?(): Promise<void>;
}

export interface Models {
  reranker: Ranker & Pick<Reranker, 'predict'>;
  embedder: TextEmbedder;
  /** Of `crossrank mcp`, so that it loads the same reranker. */
  serverArguments: readonly string[];
}

const TOP_K = 10;

const libraryRerank =
  ({ reranker }: Models): Answer =>
  async ({ query, documents }) => {
    await reranker.rerank(query, documents, { topK: TOP_K });
    return documents.length;
  };

const libraryEmbed =
  ({ embedder }: Models): Answer =>
  async ({ documents }) => {
    await embedder.embed(documents, { kind: 'document' });
    return documents.length;
  };

/** How each is opened. Frameworks that take long to load are loaded then. */
export const SIDES = {
  /** What the ratio is where nothing lies between: the noise of this machine. */
  library: async (models: Models): Promise<Side> => ({
    framework: libraryRerank(models),
    library: libraryRerank(models),
  }),

  'ai-sdk rerank': async (models: Models): Promise<Side> => {
    const { rerank } = await import('ai');
    const model = rerankingModel(models.reranker);
    return {
      async framework({ query, documents }) {
        await rerank({ model, query, documents, topN: TOP_K });
        return documents.length;
      },
      library: libraryRerank(models),
    };
  },

  'ai-sdk embedMany': async (models: Models): Promise<Side> => {
    const { embedMany } = await import('ai');
    const model = embeddingModel(models.embedder, { kind: 'document' });
    return {
      async framework({ documents }) {
        await embedMany({ model, values: documents });
        return documents.length;
      },
      library: libraryEmbed(models),
    };
  },

  'langchain retriever': async (models: Models): Promise<Side> => {
    const baseCompressor = documentCompressor(models.reranker, { topK: TOP_K });
    return {
      async framework({ query, documents }) {
        const baseRetriever = new FixedRetriever(documents);
        await new ContextualCompressionRetriever({ baseCompressor, baseRetriever }).invoke(query);
        return documents.length;
      },
      library: libraryRerank(models),
    };
  },

  'langchain embeddings': async (models: Models): Promise<Side> => {
    const model = embeddings(models.embedder);
    return {
      framework: async ({ documents }) => (await model.embedDocuments(documents)).length,
      library: libraryEmbed(models),
    };
  },

  'llamaindex postprocessor': async (models: Models): Promise<Side> => {
    const { TextNode } = await import('@llamaindex/core/schema');
    const processor = nodePostprocessor(models.reranker, { topK: TOP_K });
    return {
      async framework({ query, documents }) {
        const nodes = documents.map((text) => ({ node: new TextNode({ text }), score: 0 }));
        await processor.postprocessNodes(nodes, query);
        return documents.length;
      },
      library: libraryRerank(models),
    };
  },

  'llamaindex embedding': async (models: Models): Promise<Side> => {
    const model = embedding(models.embedder);
    return {
      framework: async ({ documents }) => (await model.getTextEmbeddingsBatch(documents)).length,
      library: libraryEmbed(models),
    };
  },

  'mastra rerankWithScorer': async (models: Models): Promise<Side> => {
    const { rerankWithScorer } = await import('@mastra/rag');
    const scorer = relevanceScorer(models.reranker);
    return {
      async framework({ query, documents }) {
        const results = documents.map((text, i) => ({ id: `${i}`, score: 0, metadata: { text } }));
        await rerankWithScorer({ results, query, scorer, options: { topK: TOP_K } });
        return documents.length;
      },
      library: libraryRerank(models),
    };
  },

  /** Over the pipes of a process, as its clients use it. */
  'mcp rerank, stdio': async (models: Models): Promise<Side> => {
    const [{ Client }, { StdioClientTransport }] = await Promise.all([
      import('@modelcontextprotocol/sdk/client/index.js'),
      import('@modelcontextprotocol/sdk/client/stdio.js'),
    ]);
    const cli = join(packageRoot(), 'dist/lib/cli/main.js');
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [cli, 'mcp', ...models.serverArguments],
      env: { ...(process.env as Record<string, string>), CROSSRANK_PROFILE: 'off' },
    });
    const client = new Client({ name: 'bench', version: '1.0.0' });
    await client.connect(transport);
    return {
      async framework({ query, documents }) {
        const input = { query, documents, topK: TOP_K };
        const { isError } = await client.callTool({ name: 'rerank', arguments: input });
        if (isError) throw new Error('the server refused a call');
        return documents.length;
      },
      library: libraryRerank(models),
      isApart: true,
      close: () => client.close(),
    };
  },
} as const;

export type SideName = keyof typeof SIDES;

/** Finds what it was made with. */
class FixedRetriever extends BaseRetriever {
  override lc_namespace = ['crossrank', 'bench'];
  readonly #documents: readonly string[];

  constructor(documents: readonly string[]) {
    super();
    this.#documents = documents;
  }

  override async _getRelevantDocuments(): Promise<Document[]> {
    return this.#documents.map((pageContent) => new Document({ pageContent }));
  }
}
