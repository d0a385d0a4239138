import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** An MCP server over HTTP in a process of its own. */
export class McpProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  url = '';

  private constructor(args: readonly string[], env: Record<string, string>) {
    this.#child = spawn(process.execPath, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const { stderr } = this.#child;
    if (stderr === null) throw new Error('no stderr');
    this.#lines = createInterface({ input: stderr })[Symbol.asyncIterator]();
  }

  /** @param args - Of node; what it starts prints its address on stderr */
  static async start(args: readonly string[], env: Record<string, string> = {}): Promise<McpProcess> {
    const started = new McpProcess(args, env);
    const line = await started.nextLine();
    started.url = /http:\S+$/.exec(line)?.[0] ?? '';
    if (started.url === '') throw new Error(`the server said: ${line}`);
    return started;
  }

  /** Of stderr. */
  async nextLine(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error('the server has ended');
    return value;
  }

  /** @returns its exit code */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode !== null) return this.#child.exitCode;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    return ((await exited) as [number | null])[0];
  }
}
