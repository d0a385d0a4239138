#!/usr/bin/env node
'use strict';
// Stands in for node-gyp under prebuildify, which runs it in its --cwd: hands over the addon that CMake has built.
// Node-API needs no headers of one Node version, so all that prebuildify passes beyond --arch and --debug is moot.

const path = require('node:path');

const debug = process.argv.includes('--debug');
const archOption = process.argv.find((argument) => argument.startsWith('--arch='));
const arch = archOption ? archOption.slice('--arch='.length) : process.arch;
const buildType = debug ? 'Debug' : 'Release';

async function main() {
  const { buildNative, installAddon } = await import('./native-build.mjs');
  const addon = await buildNative({ buildType, arch });
  installAddon(addon, path.resolve('build', buildType));
}

main().catch((error) => {
  console.error(error.log ?? '', error.message);
  process.exit(1);
});
