// What a prebuilt addon was made from, beside it in prebuilds/<platform>/: a release is put together from several
// machines, and must not mix addons of different sources.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { hashSources, writeAtomically } from './files.mjs';

const packageRequire = createRequire(import.meta.url);

// As `*.from` it stays out of the tarball.
const STAMP = 'build.from';

/** What all platforms of a release have in common. */
export function sourcesNow() {
  return {
    version: packageRequire('../package.json').version,
    sources: hashSources(['native', 'cmake', 'CMakeLists.txt', 'scripts/elf-soname.mjs']),
    onnxRuntime: process.env.ONNXRUNTIME_ROOT
      ? 'ONNXRUNTIME_ROOT'
      : packageRequire('onnxruntime-node/package.json').version,
  };
}

function hashFile(file) {
  return createHash('sha256').update(fs.readFileSync(file)).digest('hex');
}

/** Remembers what everything in `folder` was made from. */
export function writePrebuildStamp(folder) {
  const names = fs.readdirSync(folder).filter((name) => !name.endsWith('.from'));
  const files = Object.fromEntries(names.sort().map((name) => [name, hashFile(path.join(folder, name))]));
  writeAtomically(path.join(folder, STAMP), `${JSON.stringify({ ...sourcesNow(), files }, null, 2)}\n`);
}

/** What does not fit together, in words; nothing where `folder` is what these sources make. */
export function staleParts(folder) {
  const file = path.join(folder, STAMP);
  if (!fs.existsSync(file)) return [`it has no ${STAMP}, so nobody knows what it was made from`];
  const stamp = JSON.parse(fs.readFileSync(file, 'utf8'));
  const now = sourcesNow();
  const changed = Object.keys(now)
    .filter((key) => stamp[key] !== now[key])
    .map((key) => `it was made from other ${key} (${stamp[key]}, now ${now[key]})`);
  const names = fs.readdirSync(folder).filter((name) => !name.endsWith('.from'));
  const replaced = [...new Set([...names, ...Object.keys(stamp.files)])]
    .filter((name) => !names.includes(name) || hashFile(path.join(folder, name)) !== stamp.files[name])
    .map((name) => `${name} is not the file that was built`);
  return [...changed, ...replaced];
}
