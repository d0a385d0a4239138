// Builds the addon with CMake, through cmake-js, into build/cmake, and puts the finished file where it is asked for.
// Both ways to build come here: scripts/setup.mjs in a checkout, binding.gyp on a user's machine.

import fs from 'node:fs';
import path from 'node:path';
import { packageBin, runQuietly } from './commands.mjs';
import { copyAtomically, inRoot, readStamp, root, writeAtomically } from './files.mjs';

const cmakeFolder = inRoot('build', 'cmake');
const ADDON = 'crossrank.node';

export const nativeTestFolder = path.join(cmakeFolder, 'native-tests');

function cmakeJs(command, { buildType, arch, folder = cmakeFolder }, ...more) {
  const args = [packageBin('cmake-js'), command, '-d', root, '-O', folder, '-B', buildType, '-a', arch];
  return [...args, ...more];
}

function cargoTarget() {
  const folder = process.env.CROSSRANK_CARGO_TARGET_DIR ?? inRoot('build', 'cargo');
  return `--CDCROSSRANK_CARGO_TARGET_DIR=${folder}`;
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
  const { CXX = '', CARGO = '', ONNXRUNTIME_ROOT = '' } = process.env;
  removeForeignBuild(JSON.stringify({ root, ...target, CXX, CARGO, ONNXRUNTIME_ROOT }));

  const options = [`--CDCROSSRANK_BUILD_TESTS=${withTests ? 'ON' : 'OFF'}`, cargoTarget()];
  if (CARGO) options.push(`--CDCROSSRANK_CARGO=${CARGO}`);
  // `cmake-js compile` would answer a compile error with a second, full build.
  await run('cmake configure', process.execPath, cmakeJs('configure', target, ...options));
  await run('native build', process.execPath, cmakeJs('build', target, '-p', '2'));

  const addon = [path.join(cmakeFolder, buildType, ADDON), path.join(cmakeFolder, ADDON)].find(fs.existsSync);
  if (!addon) throw new Error(`the build ended well but made no ${ADDON} in ${cmakeFolder}`);
  return addon;
}

/** Builds the executables of test/native alone, with `-fsanitize=flags`; returns their folder. */
export async function buildSanitized(name, flags) {
  const folder = inRoot('build', `sanitize-${name}`);
  const target = { buildType: 'RelWithDebInfo', arch: process.arch, folder };
  const options = ['--CDCROSSRANK_BUILD_TESTS=ON', `--CDCROSSRANK_SANITIZE=${flags}`, cargoTarget()];
  await runQuietly('cmake configure', process.execPath, cmakeJs('configure', target, ...options));
  const tests = cmakeJs('build', target, '-p', '2', '-T', 'crossrank_native_tests');
  await runQuietly('native build', process.execPath, tests);
  return path.join(folder, 'native-tests');
}

export function installAddon(addon, folder) {
  const target = path.join(folder, ADDON);
  copyAtomically(addon, target);
  return target;
}
