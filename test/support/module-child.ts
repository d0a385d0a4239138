import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './models';

/** Runs an ES module of the tests, which Jest does not load, and reads the JSON it prints. */
export function runModule(path: string, ...args: string[]): unknown {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'dist', path), ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return JSON.parse(stdout);
}
