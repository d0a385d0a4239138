import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './models';

export interface ChildResult {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Runs a script in a process of its own; `crossrank` is this package there. */
export function runChild(script: string, env: Record<string, string> = {}): ChildResult {
  const prelude = `const { Reranker, CrossrankError } = require(${JSON.stringify(join(ROOT, 'dist/lib/index.js'))});\n`;
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['-e', prelude + script], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
  return { status, signal, stdout, stderr };
}

/** The same, for scripts that end in `main()` and print one line of JSON. */
export function runJson(script: string, env: Record<string, string> = {}): unknown {
  const result = runChild(script, env);
  if (result.status !== 0) {
    throw new Error(
      `the child ended with ${result.status ?? result.signal}:\n${result.stdout}${result.stderr}`,
    );
  }
  return JSON.parse(result.stdout.trim().split('\n').at(-1) ?? '');
}
