import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';

const START_LIMIT_MS = 30_000;
const POLL_MS = 50;

/** A server in a process of its own, on a port that it keeps when it is started again. */
export class ChildServer {
  readonly url: string;
  readonly #command: readonly string[];
  readonly #health: string;
  #child: ChildProcess | undefined;
  #output = '';

  /** @param health path that answers 200 once the server is ready */
  constructor(port: number, command: readonly string[], health: string) {
    this.url = `http://127.0.0.1:${port}`;
    this.#command = command;
    this.#health = health;
  }

  async start(): Promise<void> {
    const [program, ...args] = this.#command as [string, ...string[]];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        this.#output += chunk;
      });
    }
    const limit = performance.now() + START_LIMIT_MS;
    while (!(await this.#isReady())) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > limit) {
        throw new Error(`${this.#command.join(' ')} did not start:\n${this.#output}`);
      }
      await wait(POLL_MS);
    }
  }

  /** As a crash does: at once. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Stops answering and keeps its connections, until {@link resume}. */
  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await fetch(this.url + this.#health)).ok;
    } catch {
      return false;
    }
  }
}
