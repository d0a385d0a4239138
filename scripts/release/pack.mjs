// The tarball as `npm pack` makes it, and npm for the checks that need one.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { npmCommand, StepError } from '../commands.mjs';

/** npm as a user starts it: not as a part of the npm that runs us. */
export function runNpm(args, cwd) {
  const { command, args: first, shell } = npmCommand();
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD$)/i.test(name)),
  );
  const { status, stdout, stderr, error } = spawnSync(command, [...first, ...args], {
    cwd,
    env,
    shell,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (status !== 0) throw new StepError(`npm ${args[0]} failed`, `${error?.message ?? ''}${stdout}${stderr}`);
  return stdout;
}

/**
 * Packs the package at `root` into `folder`. What prepack does must have been done: its output would be mixed with npm's.
 * @returns `{ tarball, files: [{ path, size }], size, unpackedSize }`
 */
export function pack(root, folder) {
  const output = runNpm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root);
  const [{ filename, files, size, unpackedSize }] = JSON.parse(output);
  return { tarball: path.join(folder, filename), files, size, unpackedSize };
}

export function readManifest(root) {
  return JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
}

/** Every file that package.json promises by name, relative to its folder. */
export function promisedFiles({ main, types, bin = {}, exports: entries = {}, typesVersions = {} }) {
  const strings = (value) =>
    typeof value === 'string' ? [value] : Object.values(value ?? {}).flatMap(strings);
  const found = [main, types, bin, entries, typesVersions].flatMap(strings);
  return [...new Set(found.map((file) => path.posix.normalize(file)))];
}

/** Entry points that have types: `{ '.': './dist/lib/index.d.ts', ... }`. */
export function typedEntries({ exports: entries }) {
  return Object.fromEntries(
    Object.entries(entries)
      .filter(([, target]) => target.types)
      .map(([entry, { types }]) => [entry, types]),
  );
}
