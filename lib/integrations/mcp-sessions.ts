import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from '@modelcontextprotocol/sdk/server/index.js' with { 'resolution-mode': 'import' };
import type { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js' with {
  'resolution-mode': 'import',
};

const MOST_SESSIONS = 256;
const IDLE_MS = 30 * 60_000;

/** A client between its `initialize` and its end. */
export interface McpSession {
  server: Server;
  transport: StreamableHTTPServerTransport;
  /** Requests that are not answered yet, streams that are open among them. */
  open: number;
  lastUsedMs: number;
}

/** The clients of one HTTP endpoint. A client that went away without a word is forgotten when its place is wanted. */
export class McpSessions {
  readonly #create: () => Promise<Server>;
  readonly #byId = new Map<string, McpSession>();
  #closed = false;

  constructor(create: () => Promise<Server>) {
    this.#create = create;
  }

  find(id: string): McpSession | undefined {
    return this.#byId.get(id);
  }

  /** For a client that has none; it counts as soon as the client has initialized it. @returns undefined: all are in use */
  async open(): Promise<McpSession | undefined> {
    if (this.#closed || !this.#makeRoom()) return undefined;
    const { StreamableHTTPServerTransport } = await import(
      '@modelcontextprotocol/sdk/server/streamableHttp.js'
    );
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void this.#byId.set(id, session),
    });
    const server = await this.#create();
    const session: McpSession = { server, transport, open: 0, lastUsedMs: Date.now() };
    transport.onclose = () => {
      if (transport.sessionId !== undefined) this.#byId.delete(transport.sessionId);
    };
    await server.connect(transport);
    return session;
  }

  async handle(session: McpSession, request: IncomingMessage, response: ServerResponse): Promise<void> {
    session.open++;
    session.lastUsedMs = Date.now();
    response.once('close', () => {
      session.open--;
      session.lastUsedMs = Date.now();
    });
    await session.transport.handleRequest(request, response);
    if (session.transport.sessionId === undefined) await session.server.close(); // what came was no `initialize`
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#byId.values()].map(({ server }) => server.close()));
  }

  #makeRoom(): boolean {
    const idle = [...this.#byId.values()]
      .filter(({ open }) => open === 0)
      .sort((a, b) => a.lastUsedMs - b.lastUsedMs);
    const isFull = this.#byId.size >= MOST_SESSIONS;
    const [oldest] = idle;
    if (isFull && oldest === undefined) return false;
    const forgotten = idle.filter(
      (session) => session.lastUsedMs < Date.now() - IDLE_MS || (isFull && session === oldest),
    );
    for (const { server } of forgotten) void server.close();
    return true;
  }
}
