import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { CLI } from './cli';

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** `crossrank args` that runs beside the test. */
export class CliProcess {
  readonly child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<Ended>;
  #stdout = '';
  #stderr = '';

  constructor(
    args: readonly string[],
    { env = {}, read = true }: { env?: Record<string, string>; read?: boolean } = {},
  ) {
    this.child = spawn(process.execPath, [CLI, ...args], { env: { ...process.env, ...env } });
    this.child.stdin.on('error', () => undefined); // it may end before it has read all
    if (read) this.child.stdout.on('data', (text) => (this.#stdout += text));
    this.child.stderr.on('data', (text) => (this.#stderr += text));
    this.#ended = new Promise((resolve) =>
      this.child.on(read ? 'close' : 'exit', (code, signal) =>
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr }),
      ),
    );
  }

  ended(): Promise<Ended> {
    return this.#ended;
  }

  /** Resolves when what it has written matches, or the process has ended. */
  async says(pattern: RegExp, where: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    while (!pattern.test(where === 'stdout' ? this.#stdout : this.#stderr)) {
      const next = new Promise((resolve) => this.child[where].once('data', resolve));
      const ended = await Promise.race([next.then(() => false), this.#ended.then(() => true)]);
      if (ended) return;
    }
  }

  /** The most that was resident at once so far, in bytes; 0 once it has ended. Linux alone. */
  peakMemory(): number {
    try {
      const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  }
}
