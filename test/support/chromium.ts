import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/**
 * Where Chromium is: `$CHROMIUM`, one that is installed, or that of Debian, which is installed where this process may, with a
 * font for Chinese.
 * @returns why not, where it cannot be had
 */
export function chromium(): { path: string } | { reason: string } {
  const found = [process.env.CHROMIUM, ...PATHS].find((path) => path !== undefined && existsSync(path));
  if (found !== undefined) return { path: found };
  if (process.getuid?.() !== 0)
    return { reason: 'Chromium is not installed; set CHROMIUM, or run as root to install it' };
  const failed =
    failure(['update', '-qq']) ??
    failure(['install', '-y', '-qq', '--no-install-recommends', 'chromium', 'fonts-noto-cjk']);
  return failed === undefined && existsSync('/usr/bin/chromium')
    ? { path: '/usr/bin/chromium' }
    : { reason: `Debian's chromium cannot be installed: ${failed}` };
}

function failure(args: readonly string[]): string | undefined {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { status, stderr, error } = spawnSync('apt-get', args, { encoding: 'utf8', env });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}
