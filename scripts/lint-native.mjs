// Format and lint of the C++ and Rust sources. With --fix, formats them in place.

import fs from 'node:fs';
import { packageBin, runMain, runVisibly } from './commands.mjs';
import { inRoot, listFiles } from './files.mjs';

const fix = process.argv.includes('--fix');
const cargo = process.env.CARGO || 'cargo';
const crate = ['--manifest-path', inRoot('native', 'formats', 'Cargo.toml')];

function commands() {
  const cpp = ['native', 'test/native'].flatMap(listFiles).filter((file) => /\.(h|cc)$/.test(file));
  const clangFormat = [
    packageBin('clang-format-node', 'clang-format'),
    ...(fix ? ['-i'] : ['--dry-run', '-Werror']),
  ];
  const list = [];
  if (cpp.length > 0) list.push([process.execPath, [...clangFormat, ...cpp]]);
  if (!fs.existsSync(crate[1])) return list;
  list.push([cargo, ['fmt', ...crate, ...(fix ? [] : ['--check'])]]);
  if (!fix) {
    const target = ['--target-dir', inRoot('build', 'cargo')];
    list.push([cargo, ['clippy', ...crate, ...target, '--locked', '--all-targets', '--', '-D', 'warnings']]);
  }
  return list;
}

await runMain(() => {
  const failures = commands().filter(([command, args]) => runVisibly(command, args) !== 0);
  if (failures.length > 0) process.exitCode = 1;
});
