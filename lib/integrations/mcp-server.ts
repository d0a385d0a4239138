import type { Server } from '@modelcontextprotocol/sdk/server/index.js' with { 'resolution-mode': 'import' };
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js' with { 'resolution-mode': 'import' };
import { CrossrankError, type ErrorCode, invalidArgument } from '../errors';
import { checkBoolean, checkFunction, checkNames } from '../option-checks';
import { packageVersion } from '../package-version';
import { type ToolParts, toolsOf } from './mcp-tools';
import { type Peer, requirePeer } from './peer';

const SDK: Peer = {
  name: '@modelcontextprotocol/sdk',
  versions: '1.20 or a later 1.x',
  install: '1',
  accepts: (major, minor) => major === 1 && minor >= 20,
};

const OPTIONS = ['reranker', 'pipeline', 'readOnly', 'onError'];

/** Of these, clients are told the message; it names nothing of this machine. */
const TOLD: readonly ErrorCode[] = ['ERR_INVALID_ARGUMENT', 'ERR_QUEUE_FULL', 'ERR_TIMEOUT', 'ERR_CLOSED'];

/** @throws {@link CrossrankError} with `ERR_MISSING_PACKAGE` or `ERR_PACKAGE_VERSION` */
export function requireSdk(): void {
  requirePeer('crossrank/mcp', SDK);
}

/** What {@link createMcpServer} serves. The parts stay the caller's: several servers may share them. */
export interface McpServerOptions extends ToolParts {
  /** Called with an error of a tool whose message clients are not told. */
  onError?: (error: unknown) => void;
}

/**
 * A server with the tools `rerank` and, with a pipeline, `search` and `index`: connect it to a transport of the SDK.
 *
 * Of the protocol it honours input schemas (a wrong argument is an answer with `isError` that says what is wrong),
 * structured output beside text, cancellation (the engine's work ends), and progress of `index` where a call has a
 * progress token. It has no resources, prompts or tasks.
 *
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_MISSING_PACKAGE` or `ERR_PACKAGE_VERSION`
 */
export async function createMcpServer(options: McpServerOptions): Promise<Server> {
  checkNames(options, OPTIONS);
  if (typeof options.reranker?.rerank !== 'function') {
    throw invalidArgument('reranker', 'a Reranker', options.reranker);
  }
  checkBoolean('readOnly', options.readOnly);
  checkFunction('onError', options.onError);
  requireSdk();
  const [{ Server }, { CallToolRequestSchema, ErrorCode, ListToolsRequestSchema, McpError }] =
    await Promise.all([
      import('@modelcontextprotocol/sdk/server/index.js'),
      import('@modelcontextprotocol/sdk/types.js'),
    ]);
  const tools = new Map(toolsOf(options).map((tool) => [tool.name, tool]));
  const server = new Server(
    { name: 'crossrank', version: packageVersion() },
    { capabilities: { tools: {} }, instructions: INSTRUCTIONS },
  );
  const described = [...tools.values()].map(({ run, ...description }) => description);
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: described }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal, sendNotification }) => {
    const tool = tools.get(params.name);
    if (tool === undefined) {
      const known = [...tools.keys()].join(', ');
      throw new McpError(ErrorCode.InvalidParams, `no tool of that name; known are ${known}`);
    }
    const progressToken = params._meta?.progressToken;
    const onProgress = (progress: number, total: number) => {
      if (progressToken === undefined) return;
      const notification = { progressToken, progress, total };
      sendNotification({ method: 'notifications/progress', params: notification }).catch(() => undefined);
    };
    try {
      const structuredContent = await tool.run(params.arguments ?? {}, { signal, onProgress });
      return { content: [{ type: 'text', text: JSON.stringify(structuredContent) }], structuredContent };
    } catch (error) {
      if (!signal.aborted) return failed(error, options.onError);
      throw error; // nobody waits for it any more: the SDK sends nothing
    }
  });
  return server;
}

const INSTRUCTIONS =
  'Use search to find passages in the indexed documents, rerank to order texts that you have by how well they answer a question, and index to add documents.';

function failed(error: unknown, onError: McpServerOptions['onError']): CallToolResult {
  const code = error instanceof CrossrankError ? error.code : 'ERR_RUNTIME';
  const isTold = TOLD.includes(code);
  if (!isTold) onError?.(error);
  const message = isTold
    ? (error as CrossrankError).message
    : 'this server could not do it; its log tells why';
  return { isError: true, content: [{ type: 'text', text: `${code}: ${message}` }] };
}
