import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { invalidArgument } from '../errors';
import { checkInteger, checkNames, checkText } from '../option-checks';
import { Gate } from './mcp-gate';
import { createMcpServer, type McpServerOptions } from './mcp-server';
import { McpSessions } from './mcp-sessions';

/** Options of {@link serveMcpHttp}. */
export interface McpHttpOptions {
  /** Address to listen on. @defaultValue `'127.0.0.1'` */
  host?: string;
  /** 0 for any that is free. @defaultValue 0 */
  port?: number;
  /** Asked for as `Authorization: Bearer KEY`, and compared in constant time. @defaultValue none */
  apiKey?: string;
  /**
   * Names that a request's `Host` may have, beside `host` and, on a loopback address, `localhost`, `127.0.0.1` and `[::1]`:
   * a page whose name was made to point here is refused.
   */
  allowedHosts?: readonly string[];
  /** Origins of pages that may call, such as `http://localhost:6274`; they get CORS headers. @defaultValue none */
  allowedOrigins?: readonly string[];
}

/** What {@link serveMcpHttp} started. */
export interface McpHttpServer {
  /** Where clients connect to, such as `http://127.0.0.1:8931/mcp`. */
  url: string;
  /** Ends sessions and what runs for them, and stops listening. */
  close(): Promise<void>;
}

const OPTIONS = ['host', 'port', 'apiKey', 'allowedHosts', 'allowedOrigins'];
const PATH = '/mcp';

/**
 * Serves {@link createMcpServer} over streamable HTTP at `/mcp`, each session with a server of its own over the same parts.
 * Bodies have 4 MiB at most. A session that was idle for half an hour makes room when another begins; 256 at a time.
 *
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`, `ERR_MISSING_PACKAGE` or `ERR_PACKAGE_VERSION`; the system's
 * error where it cannot listen there
 */
export async function serveMcpHttp(
  served: McpServerOptions,
  options: McpHttpOptions = {},
): Promise<McpHttpServer> {
  checkOptions(options);
  const { host = '127.0.0.1', port = 0 } = options;
  await createMcpServer(served); // what is wrong with it shows now, not at the first session
  const gate = new Gate({ ...options, host });
  const sessions = new McpSessions(() => createMcpServer(served));
  const server = createServer((request, response) => {
    answer(request, response, gate, sessions).catch((error: unknown) => {
      served.onError?.(error);
      if (!response.headersSent) refuse(response, 500, 'internal error');
      else response.destroy();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const { address, port: bound, family } = server.address() as AddressInfo;
  const name = family === 'IPv6' ? `[${address}]` : address;
  return {
    url: `http://${name}:${bound}${PATH}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await sessions.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  gate: Gate,
  sessions: McpSessions,
): Promise<void> {
  if (request.url?.split('?', 1)[0] !== PATH) return refuse(response, 404, `the endpoint is ${PATH}`);
  const refusal = gate.check(request);
  for (const [name, value] of Object.entries(gate.corsHeaders(request))) response.setHeader(name, value);
  if (refusal?.status === 401) response.setHeader('www-authenticate', 'Bearer');
  if (refusal !== undefined) return refuse(response, refusal.status, refusal.message);
  if (request.method === 'OPTIONS') {
    response.writeHead(204).end();
    return;
  }
  const known = request.headers['mcp-session-id'];
  if (typeof known === 'string') {
    const session = sessions.find(known);
    if (session === undefined) return refuse(response, 404, 'no such session; initialize a new one', -32001);
    return sessions.handle(session, request, response);
  }
  const session = await sessions.open();
  if (session === undefined) return refuse(response, 503, 'too many sessions are in use; try again later');
  await sessions.handle(session, request, response);
}

/** In the shape of JSON-RPC, as the SDK's own refusals have it. */
function refuse(response: ServerResponse, status: number, message: string, code = -32000): void {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null }));
}

function checkOptions(options: McpHttpOptions): void {
  checkNames(options, OPTIONS);
  if (options.host !== undefined) checkText('host', options.host);
  checkInteger('port', options.port, 0, 65_535);
  if (options.apiKey !== undefined) checkText('apiKey', options.apiKey);
  for (const name of ['allowedHosts', 'allowedOrigins'] as const) {
    const value = options[name];
    if (value === undefined) continue;
    if (!Array.isArray(value) || value.some((entry) => typeof entry !== 'string')) {
      throw invalidArgument(name, 'an array of strings', value);
    }
  }
}
