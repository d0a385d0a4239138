import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { createServer, type Server, type ServerOptions } from '../../lib/server';
import type { ModelPool } from '../../lib/server/model-pool';
import type { ServerPlugin } from '../../lib/server/plugin';
import { CLI } from './cli';
import { fixture } from './models';

/** A server of this process, with the small fixtures unless the options name other models. */
export interface TestServer {
  server: Server;
  url: string;
  /** Its models, to look at. */
  pool: ModelPool;
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
}

export const MODELS = {
  models: [`${fixture('bert')}=mini`],
  embedders: [`${fixture('bert-embedder')}=embedder`],
} satisfies ServerOptions;

export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  let pool: ModelPool | undefined;
  const keepPool: ServerPlugin = (_, context) => {
    pool = context.pool;
  };
  const server = await createServer({
    ...MODELS,
    port: 0,
    ...options,
    plugins: [keepPool, ...(options.plugins ?? [])],
  });
  const url = await server.listen();
  return { server, url, pool: pool as ModelPool, post: (...args) => post(url, ...args) };
}

/** @param body - Sent as JSON; a string or bytes as they are */
export function post(
  url: string,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array;
  return fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: isRaw ? (body as string) : JSON.stringify(body),
  });
}

/** A connection that sends what it is told to, byte by byte if need be. */
export async function openSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Everything that the other side sends until it closes the connection. */
export function received(socket: Socket): Promise<string> {
  return text(socket).catch((error: NodeJS.ErrnoException) => error.code ?? 'error');
}

/** `crossrank serve` in a process of its own. */
export class ServedChild {
  readonly child: ChildProcess;
  /** Lines of standard output and standard error. */
  readonly lines: string[] = [];
  readonly ended: Promise<{ code: number | null; signal: string | null }>;

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const serve = [CLI, 'serve', '--port', '0', ...args];
    this.child = spawn(process.execPath, serve, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.lines.push(line));
    }
    this.ended = new Promise((resolve) =>
      this.child.once('close', (code, signal) => resolve({ code, signal })),
    );
  }

  /** The address that it says it listens on. */
  async listening(): Promise<string> {
    for (;;) {
      const line = this.lines.find((each) => /listens on http/.test(each));
      if (line !== undefined) return /http:\S+/.exec(line)?.[0] as string;
      if (this.child.exitCode !== null) throw new Error(this.lines.join('\n'));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<{ code: number | null; signal: string | null }> {
    this.child.kill(signal);
    return this.ended;
  }
}

/** Looks again until it holds; the test's own time limit ends it where it never does. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}
