// Brings a checkout to the state in which crossrank runs: packages, ONNX Runtime, addon, compiled TypeScript.

import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { installLocked, packageBin, runMain, runQuietly, StepError } from './commands.mjs';
import { hashSources, inRoot, readStamp, root, writeAtomically } from './files.mjs';
import { buildNative, installAddon, nativeTestFolder } from './native-build.mjs';
import { placeLibrary, vendorHeaders } from './onnxruntime.mjs';
import { step } from './step.mjs';
import { requireTools } from './toolchain.mjs';

const releaseFolder = inRoot('build', 'Release');
const { platform, arch, env } = process;

const BUILD_SCRIPTS = ['scripts/native-build.mjs', 'scripts/onnxruntime.mjs', 'scripts/elf-soname.mjs'];

function installPackages() {
  return {
    title: 'installing packages',
    stamp: inRoot('node_modules', '.crossrank-stamp'),
    current: hashSources(['package-lock.json', '.npmrc'], { platform, arch }),
    exists: [inRoot('node_modules', '.package-lock.json')],
    work: () => installLocked(root),
  };
}

function nativeHash(withTests) {
  const sources = ['native', 'cmake', 'CMakeLists.txt', 'package-lock.json', ...BUILD_SCRIPTS];
  if (withTests) sources.push('test/native');
  const { CXX, CARGO, ONNXRUNTIME_ROOT } = env;
  return hashSources(sources, { platform, arch, CXX, CARGO, ONNXRUNTIME_ROOT });
}

async function buildAddon({ withTests }) {
  vendorHeaders();
  const addon = await buildNative({ withTests });
  if (!placeLibrary(releaseFolder)) {
    throw new StepError(`no ONNX Runtime library for ${platform}-${arch}: set ONNXRUNTIME_ROOT`);
  }
  installAddon(addon, releaseFolder);
}

function nativeAddon() {
  return {
    title: 'building the native addon',
    stamp: path.join(releaseFolder, '.crossrank-stamp'),
    current: nativeHash(false),
    exists: [path.join(releaseFolder, 'crossrank.node')],
    work: () => buildAddon({ withTests: false }),
  };
}

/** The addon together with the executables of test/native. */
function nativeTests() {
  return {
    title: 'building the native addon and its tests',
    stamp: path.join(nativeTestFolder, '.crossrank-stamp'),
    current: nativeHash(true),
    exists: [path.join(releaseFolder, 'crossrank.node')],
    async work() {
      await buildAddon({ withTests: true });
      // The addon that was just built is current for a plain set-up too.
      writeAtomically(path.join(releaseFolder, '.crossrank-stamp'), nativeHash(false));
    },
  };
}

function typeScript() {
  const next = inRoot('dist.next'); // beside dist: relative paths in the output stay right
  return {
    title: 'compiling TypeScript',
    stamp: inRoot('dist', '.crossrank-stamp'),
    current: hashSources(['lib', 'bench', 'test', 'examples', 'tsconfig.json', 'package-lock.json']),
    exists: [inRoot('dist', 'lib', 'index.js')],
    async work() {
      fs.rmSync(next, { recursive: true, force: true });
      const args = [packageBin('typescript', 'tsc'), '-p', root, '--outDir', next, '--pretty', 'false'];
      await runQuietly('tsc', process.execPath, args);
      fs.rmSync(inRoot('dist'), { recursive: true, force: true });
      fs.renameSync(next, inRoot('dist'));
    },
  };
}

/** Runs what is stale. `withTests` builds the native tests as well. */
export async function setup({ withTests = false } = {}) {
  const packages = installPackages();
  const native = withTests ? nativeTests() : nativeAddon();
  const isReady = [packages, native].every(
    (s) => readStamp(s.stamp) === s.current && s.exists.every(fs.existsSync),
  );
  // Tools are asked for only when they will be used, and before the first change.
  if (!isReady) requireTools();
  for (const each of [packages, native, typeScript()]) await step(each);
}

const isMain = process.argv[1] && import.meta.url === pathToFileURL(fs.realpathSync(process.argv[1])).href;
if (isMain) await runMain(() => setup());
