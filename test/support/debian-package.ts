import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './models';

const FOLDER = join(ROOT, 'build', 'debian-packages');

/**
 * The files of a Debian package, without what it depends on; it is fetched and unpacked below `build/` the first time,
 * and nothing is installed.
 * @returns why not, where it cannot be had
 */
export function debianPackage(name: string): { folder: string } | { reason: string } {
  const folder = join(FOLDER, name);
  if (existsSync(folder)) return { folder };
  mkdirSync(FOLDER, { recursive: true });
  const fresh = mkdtempSync(`${folder}.`);
  const reason = download(name, fresh) ?? unpack(fresh);
  if (reason !== undefined) {
    rmSync(fresh, { recursive: true });
    return { reason: `the Debian package ${name} cannot be had: ${reason}` };
  }
  renameSync(join(fresh, 'files'), folder);
  rmSync(fresh, { recursive: true });
  return { folder };
}

function download(name: string, folder: string): string | undefined {
  // The lists of a fresh machine are empty; where they cannot be had, those that are there may do.
  failure('apt-get', ['update', '-qq'], folder);
  return failure('apt-get', ['download', '-qq', name], folder);
}

function unpack(folder: string): string | undefined {
  const [file] = readdirSync(folder).filter((each) => each.endsWith('.deb'));
  if (file === undefined) return 'nothing was downloaded';
  return failure('dpkg-deb', ['--extract', file, 'files'], folder);
}

function failure(program: string, args: readonly string[], cwd: string): string | undefined {
  const { status, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}
