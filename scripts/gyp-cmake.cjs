'use strict';
// The action of binding.gyp: builds with CMake and leaves the addon where node-gyp expects it.
//   node gyp-cmake.cjs PRODUCT_DIR BUILDTYPE ARCH
//   node gyp-cmake.cjs --list-sources

const path = require('node:path');
const { spawnSync } = require('node:child_process');

const SOURCES = ['CMakeLists.txt', 'cmake', 'native', 'scripts/gyp-cmake.cjs', 'scripts/native-build.mjs'];

function runVisibly(title, command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${title} failed (${error ? error.message : `exit code ${status}`})`);
}

async function listSources() {
  const { listFiles } = await import('./files.mjs');
  console.log(SOURCES.flatMap(listFiles).join('\n'));
}

async function build(productFolder, buildType, arch) {
  const { requireTools } = await import('./toolchain.mjs');
  requireTools();
  const { buildNative, installAddon } = await import('./native-build.mjs');
  const { placeLibrary, missingLibraryAdvice } = await import('./onnxruntime.mjs');
  const type = buildType === 'Debug' ? 'Debug' : 'Release';
  const addon = await buildNative({ buildType: type, arch, run: runVisibly });
  if (!placeLibrary(productFolder)) console.warn(missingLibraryAdvice);
  installAddon(addon, productFolder);
}

async function main([first, ...rest]) {
  if (first === '--list-sources') return listSources();
  return build(path.resolve(first), ...rest);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`crossrank: ${error.message}`);
  process.exit(1);
});
