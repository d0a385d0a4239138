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
  const folder = join(FOLDER, `${name}-${version}${dependencies ? '-with-dependencies' : ''}`);
  if (existsSync(folder)) return { folder };
  mkdirSync(FOLDER, { recursive: true });
  const fresh = mkdtempSync(`${folder}.`);
  const install = ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:'];
  if (!dependencies) install.push('--no-deps');
  const { status, stderr, error } = spawnSync(
    PYTHON,
    [...install, '--target', fresh, `${name}==${version}`],
    { encoding: 'utf8' },
  );
  if (status !== 0) {
    rmSync(fresh, { recursive: true });
    return { reason: `${name} ${version} cannot be installed: ${error?.message ?? stderr.trim()}` };
  }
  renameSync(fresh, folder);
  return { folder };
}
