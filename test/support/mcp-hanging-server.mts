// An MCP server whose reranker never answers, and tells on stderr when it begins and what ends it: `stdio` or `http`.
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { Ranker } from 'crossrank';
import { createMcpServer, serveMcpHttp } from 'crossrank/mcp';

const reranker: Ranker = {
  rerank(_query, _documents, { signal } = {}) {
    console.error('started');
    return new Promise((_, reject) => {
      signal?.addEventListener('abort', () => {
        console.error('aborted');
        reject(signal.reason);
      });
    });
  },
};

if (process.argv[2] === 'http') {
  const { url } = await serveMcpHttp({ reranker });
  console.error(url);
} else {
  const server = await createMcpServer({ reranker });
  await server.connect(new StdioServerTransport());
}
