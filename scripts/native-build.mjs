// Builds the addon with CMake, through cmake-js, into build/cmake, and puts the finished file where it is asked for.
// Both ways to build come here: scripts/setup.mjs in a checkout, binding.gyp on a user's machine.

import fs from 'node:fs';
import path from 'node:path';
import { packageBin, runQuietly } from './commands.mjs';
import { copyAtomically, inRoot, readStamp, root, writeAtomically } from './files.mjs';

const cmakeFolder = inRoot('build', 'cmake');
const ADDON = 'crossrank.node';

export const nativeTestFolder = path.join(cmakeFolder, 'native-tests');

function cmakeJs(command, { buildType, arch }, ...more) {
  const args = [packageBin('cmake-js'), command, '-d', root, '-O', cmakeFolder, '-B', buildType, '-a', arch];
  return [...args, ...more];
}

/** CMake keeps what it was first told: what cannot change in place makes a new build folder. */
function removeForeignBuild(identity) {
  const stamp = path.join(cmakeFolder, '.identity');
  if (readStamp(stamp) === identity) return;
  fs.rmSync(cmakeFolder, { recursive: true, force: true });
  writeAtomically(stamp, identity);
}

/**
 * Configures and builds; what is up to date is not built again.
 * `run(title, command, args)` runs one command; `withTests` also builds the executables of test/native.
 */
export async function buildNative({
  buildType = 'Release',
  arch = process.arch,
  withTests = false,
  run = runQuietly,
} = {}) {
  const target = { buildType, arch };
  const { CXX = '', CARGO = '', ONNXRUNTIME_ROOT = '', CROSSRANK_CARGO_TARGET_DIR } = process.env;
  removeForeignBuild(JSON.stringify({ root, ...target, CXX, CARGO, ONNXRUNTIME_ROOT }));

  const options = [
    `--CDCROSSRANK_BUILD_TESTS=${withTests ? 'ON' : 'OFF'}`,
    `--CDCROSSRANK_CARGO_TARGET_DIR=${CROSSRANK_CARGO_TARGET_DIR ?? inRoot('build', 'cargo')}`,
  ];
  if (CARGO) options.push(`--CDCROSSRANK_CARGO=${CARGO}`);
  // `cmake-js compile` would answer a compile error with a second, full build.
  await run('cmake configure', process.execPath, cmakeJs('configure', target, ...options));
  await run('native build', process.execPath, cmakeJs('build', target, '-p', '2'));

  const addon = [path.join(cmakeFolder, buildType, ADDON), path.join(cmakeFolder, ADDON)].find(fs.existsSync);
  if (!addon) throw new Error(`the build ended well but made no ${ADDON} in ${cmakeFolder}`);
  return addon;
}

export function installAddon(addon, folder) {
  const target = path.join(folder, ADDON);
  copyAtomically(addon, target);
  return target;
}
