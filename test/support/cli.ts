import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { ChildResult } from './child';
import { ROOT } from './models';

export const CLI = join(ROOT, 'dist/lib/cli/main.js');

/** Runs `crossrank args`. */
export function runCli(
  args: readonly string[],
  env: Record<string, string> = {},
  cwd: string = process.cwd(),
): ChildResult {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 120_000,
  });
  return { status, signal, stdout, stderr };
}
