import { Embedder } from '../embedder';
import { isLoopback } from '../integrations/mcp-gate';
import { serveMcpHttp } from '../integrations/mcp-http';
import { createMcpServer, type McpServerOptions, requireSdk } from '../integrations/mcp-server';
import { PRECISIONS, type Precision } from '../options';
import { Reranker } from '../reranker';
import { KeywordIndex } from '../search/keyword-index';
import { MemoryStore } from '../search/memory-store';
import { SearchPipeline } from '../search/pipeline';
import { readChoice, readValues, UsageError } from './command-line';

const OPTIONS = {
  model: { type: 'string' },
  embedder: { type: 'string' },
  precision: { type: 'string' },
  store: { type: 'string' },
  'read-only': { type: 'boolean' },
  port: { type: 'string' },
  host: { type: 'string' },
  'allow-host': { type: 'string', multiple: true },
  'allow-origin': { type: 'string', multiple: true },
} as const;

export const help = `crossrank mcp                serves search, rerank and index as tools to clients of the Model Context Protocol

Over stdin and stdout, for a client that starts it; with --port over streamable HTTP at http://HOST:PORT/mcp.
Needs the SDK beside it: npm install @modelcontextprotocol/sdk

  --model MODEL              reranker (default the embedded one)
  --embedder MODEL           of search and index (default the embedded one)
  --precision P              of the reranker: auto, fp32, bf16x3, bf16 or int8 (default auto)
  --store FILE               where documents are kept (default: in memory, they end with the process)
  --read-only                no tool index
  --port N                   HTTP on this port, 0 for any that is free
  --host HOST                address to listen on (default 127.0.0.1); another than loopback needs an API key
  --allow-host NAME          a name that clients call this machine by; may come more than once
  --allow-origin ORIGIN      of a page that may call, such as http://localhost:6274; may come more than once

CROSSRANK_API_KEY            in the environment: the key that HTTP clients send as Authorization: Bearer KEY

In a client's configuration: { "command": "npx", "args": ["crossrank", "mcp", "--store", "/data/notes.store"] }`;

interface Arguments {
  model: string | undefined;
  embedder: string | undefined;
  precision: Precision;
  store: string | undefined;
  readOnly: boolean;
  /** Undefined: stdio. */
  http: { port: number; host: string; allowedHosts: string[]; allowedOrigins: string[] } | undefined;
  apiKey: string | undefined;
}

function readArguments(args: readonly string[]): Arguments {
  const values = readValues(args, OPTIONS);
  const { model, embedder, store, host = '127.0.0.1' } = values;
  const apiKey = process.env.CROSSRANK_API_KEY || undefined;
  if (values.port === undefined) {
    const stray = (['host', 'allow-host', 'allow-origin'] as const).find(
      (name) => values[name] !== undefined,
    );
    if (stray !== undefined) throw new UsageError(`--${stray} is for HTTP, which --port asks for`);
  } else if (!isLoopback(host) && apiKey === undefined) {
    throw new UsageError(
      `--host ${host} is reached from elsewhere: set CROSSRANK_API_KEY to a key that clients send`,
    );
  }
  return {
    ...{ model, embedder, store, apiKey },
    precision: readChoice('precision', values.precision, PRECISIONS) ?? 'auto',
    readOnly: values['read-only'] !== undefined,
    http:
      values.port === undefined
        ? undefined
        : {
            port: readPort(values.port),
            host,
            allowedHosts: values['allow-host'] ?? [],
            allowedOrigins: values['allow-origin'] ?? [],
          },
  };
}

function readPort(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new UsageError(`--port takes an integer from 0 to 65535, not ${JSON.stringify(text)}`);
}

export async function run(args: readonly string[]): Promise<number> {
  const { http, apiKey, readOnly, ...asked } = readArguments(args);
  requireSdk(); // before models are loaded
  await using reranker = await Reranker.load(asked.model, { precision: asked.precision });
  await using embedder = await Embedder.load(asked.embedder);
  const { space } = embedder;
  const store = await MemoryStore.open(asked.store === undefined ? { space } : { space, path: asked.store });
  try {
    const keywords = await KeywordIndex.from(store.documents(), { documents: store });
    const pipeline = new SearchPipeline({ embedder, store, reranker, keywords });
    const served: McpServerOptions = {
      reranker,
      pipeline,
      readOnly,
      onError: (error) => console.error(error),
    };
    if (http === undefined) await overStdio(served);
    else await overHttp(served, { ...http, ...(apiKey === undefined ? {} : { apiKey }) });
  } finally {
    await store.close();
  }
  return 0;
}

/** Until the client closes stdin, which is how it ends a server, or a signal says so. Nothing but the protocol is on stdout. */
async function overStdio(served: McpServerOptions): Promise<void> {
  const server = await createMcpServer(served);
  const { StdioServerTransport } = await import('@modelcontextprotocol/sdk/server/stdio.js');
  const ended = stopped();
  const inputEnded = new Promise<void>((resolve) => {
    process.stdin.once('end', resolve).once('close', resolve);
    server.onclose = resolve;
  });
  server.onerror = (error) => console.error(error.message);
  await server.connect(new StdioServerTransport());
  await Promise.race([ended, inputEnded]);
  await server.close();
}

async function overHttp(
  served: McpServerOptions,
  options: Parameters<typeof serveMcpHttp>[1],
): Promise<void> {
  const ended = stopped();
  const server = await serveMcpHttp(served, options);
  console.error(`MCP at ${server.url}`);
  await ended;
  await server.close();
}

/** Ctrl-C and SIGTERM are how a server is ended: no failure. */
function stopped(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve()).once('SIGTERM', () => resolve());
  });
}
