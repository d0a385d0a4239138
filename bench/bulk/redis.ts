import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { UsageError } from '../../lib/cli/command-line';
import { freePort } from '../free-port';

/** A redis-server for the time of the bench, with its data in `folder`, as durable as by its defaults. */
export class BenchRedis {
  readonly url: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.url = `redis://127.0.0.1:${port}`;
  }

  /** @throws UsageError where there is none */
  static async start(folder: string): Promise<BenchRedis> {
    const port = await freePort();
    const own = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder];
    const child = spawn('redis-server', [...own, '--appendonly', 'yes'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const gone = new Promise<never>((_, reject) => {
      child.once('error', () =>
        reject(new UsageError('redis-server is not installed; name a Redis with --redis URL')),
      );
      child.once('exit', () => reject(new Error('redis-server ended')));
    });
    gone.catch(() => undefined); // later, when the bench ends it
    const ready = new Promise<void>((resolve) => {
      createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
        if (/ready to accept connections/i.test(line)) resolve();
      });
    });
    await Promise.race([ready, gone]);
    return new BenchRedis(child, port);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill();
    await gone;
  }
}
