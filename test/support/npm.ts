import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

/** The npm that started the tests, or the one on PATH, as a script for node. */
export function npmScript(): string {
  const started = process.env.npm_execpath;
  if (started !== undefined && /npm-cli\.[cm]?js$/.test(started)) return started;
  return fs.realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim());
}

/** Runs node; a failure throws with all that was printed. */
export function runNode(args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = process.env): string {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd,
    env,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (status !== 0) {
    throw new Error(`node ${args.join(' ')} ended with ${signal ?? status}\n${stdout}\n${stderr}`);
  }
  return stdout;
}

/**
 * The environment without what `npm test` and jest add to it: a second npm would think it runs inside this checkout, and
 * a source build must be possible.
 */
export function environmentWithoutNpm(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(npm_|INIT_CWD$|PREBUILDS_ONLY$|NODE_ENV$)/i.test(name),
    ),
  );
}

/** Installs a package from the registry, without its scripts, into a new folder below `parent`; returns its place. */
export function installPackage(parent: string, name: string, version: string): string {
  const folder = path.join(parent, `${name}-${version}`);
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
  const install = ['install', `${name}@${version}`, '--ignore-scripts', '--no-audit', '--no-fund'];
  runNode([npmScript(), ...install], folder, environmentWithoutNpm());
  return path.join(folder, 'node_modules', name);
}
