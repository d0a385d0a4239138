import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { ChildResult } from './child';
import { ROOT } from './models';

/** Runs `crossrank args`. */
export function runCli(args: readonly string[], env: Record<string, string> = {}): ChildResult {
  const main = join(ROOT, 'dist/lib/cli/main.js');
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 120_000,
  });
  return { status, signal, stdout, stderr };
}
