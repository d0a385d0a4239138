import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../../lib/native/load';

/** `crossrank serve` in a process of its own, as users start it. */
export class ServedProcess {
  readonly address: string;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, address: string) {
    this.#process = child;
    this.address = address;
  }

  static async start(args: readonly string[]): Promise<ServedProcess> {
    const command = join(packageRoot(), 'dist', 'lib', 'cli', 'main.js');
    const child = spawn(process.execPath, [command, 'serve', '--port', '0', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => said.push(line));
    }
    const gone = once(child, 'exit');
    for (;;) {
      const address = said.map((line) => /http:\/\/[\w.:[\]-]+/.exec(line)?.[0]).find(Boolean);
      if (address !== undefined) return new ServedProcess(child, address);
      const [ended] = await Promise.race([gone, once(child.stdout, 'data'), once(child.stderr, 'data')]);
      if (child.exitCode !== null) throw new Error(said.at(-1) ?? `crossrank serve ended (${ended})`);
    }
  }

  residentBytes(): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * 1024;
  }

  /** Ends as under a supervisor; the exit code. */
  async stop(): Promise<number | null> {
    if (this.#process.exitCode !== null) return this.#process.exitCode;
    const gone = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const [code] = await gone;
    return code as number | null;
  }
}
