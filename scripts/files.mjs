// Small file helpers of the build scripts: content hashes, stamps, and replacements that are whole or absent.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Absolute path of a file of this package. */
export const inRoot = (...parts) => path.join(root, ...parts);

// Build outputs that may lie inside a source folder.
const NOT_SOURCES = new Set(['target', 'node_modules', 'third_party', 'build']);

/** Files under `start` (a file or folder of the package), sorted, without build outputs. */
export function listFiles(start) {
  const absolute = inRoot(start);
  const stat = fs.statSync(absolute, { throwIfNoEntry: false });
  if (!stat) return [];
  if (stat.isFile()) return [start];
  return fs
    .readdirSync(absolute)
    .filter((name) => !NOT_SOURCES.has(name))
    .sort()
    .flatMap((name) => listFiles(path.posix.join(start, name)));
}

/** Hash of the names and contents of `sources` (files and folders of the package) and of `facts` beside them. */
export function hashSources(sources, facts = {}) {
  const hash = createHash('sha256');
  for (const file of sources.flatMap(listFiles)) {
    const content = fs.readFileSync(inRoot(file));
    hash.update(`${file}\0${content.length}\0`).update(content);
  }
  return hash.update(JSON.stringify(facts)).digest('hex');
}

export function readStamp(file) {
  try {
    return fs.readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Writes `content` so that a reader sees the old file or the new one, never a part. */
export function writeAtomically(file, content, mode = 0o644) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    fs.writeFileSync(temporary, content, { mode });
    fs.renameSync(temporary, file);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

export function copyAtomically(from, to) {
  writeAtomically(to, fs.readFileSync(from), fs.statSync(from).mode & 0o777);
}
