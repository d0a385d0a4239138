import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './models';

export const PYTHON = process.env.PYTHON ?? 'python3';

const FOLDER = join(ROOT, 'build', 'python-packages');

/**
 * The folder of a package of PyPI, alone or with all that it depends on; it is installed below `build/` the first time.
 * @returns why not, where it cannot be had
 */
export function pythonPackage(
  name: string,
  version: string,
  { dependencies = false }: { dependencies?: boolean } = {},
): { folder: string } | { reason: string } {
  const requirement = `${name}==${version}`;
  if (dependencies) return installed(`${name}-${version}-with-dependencies`, [requirement]);
  return installed(`${name}-${version}`, ['--no-deps', requirement]);
}

/**
 * @param folderName - Below `build/python-packages`; what is there already is taken as it is
 * @param args - Of `pip install`
 */
export function installed(
  folderName: string,
  args: readonly string[],
): { folder: string } | { reason: string } {
  const folder = join(FOLDER, folderName);
  if (existsSync(folder)) return { folder };
  mkdirSync(FOLDER, { recursive: true });
  const fresh = mkdtempSync(`${folder}.`);
  const install = ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', '--target', fresh];
  const { status, stderr, error } = spawnSync(PYTHON, [...install, ...args], { encoding: 'utf8' });
  if (status !== 0) {
    rmSync(fresh, { recursive: true });
    return { reason: `${folderName} cannot be installed: ${error?.message ?? stderr.trim()}` };
  }
  try {
    renameSync(fresh, folder);
  } catch (error) {
    // Another test file has installed the same meanwhile.
    rmSync(fresh, { recursive: true });
    if (!existsSync(folder)) throw error;
  }
  return { folder };
}
