// `npm run prebuild`: the addon and its ONNX Runtime library for this platform, with the notices of both, in
// prebuilds/<platform>-<arch>/.

import fs from 'node:fs';
import path from 'node:path';
import { packageBin, runMain, runQuietly, StepError } from './commands.mjs';
import { inRoot, writeAtomically } from './files.mjs';
import { placeLibrary, placeNotices } from './onnxruntime.mjs';
import { writePrebuildStamp } from './prebuild-stamp.mjs';
import { setup } from './setup.mjs';
import { placeThirdPartyNotices } from './third-party.mjs';

const { platform, arch } = process;

// prebuildify moves the addon out of build/Release; it works in a folder of its own, so that the checkout keeps its.
const stage = inRoot('build', 'prebuildify');
const folder = inRoot('prebuilds', `${platform}-${arch}`);

async function prebuild() {
  await setup();
  fs.rmSync(stage, { recursive: true, force: true });
  fs.rmSync(folder, { recursive: true, force: true });
  writeAtomically(path.join(stage, 'package.json'), '{ "name": "crossrank" }\n');

  const nodeGyp = inRoot('scripts', platform === 'win32' ? 'prebuild-gyp.cmd' : 'prebuild-gyp.cjs');
  const args = ['--napi', '--strip', '--tag-libc', '--cwd', stage, '--out', inRoot(), '--node-gyp', nodeGyp];
  await runQuietly('prebuildify', process.execPath, [packageBin('prebuildify'), ...args]);

  if (!placeLibrary(folder)) throw new StepError(`no ONNX Runtime library for ${platform}-${arch}`);
  placeNotices(folder);
  placeThirdPartyNotices(folder);
  writePrebuildStamp(folder);
  for (const name of fs.readdirSync(folder).sort()) {
    const megabytes = fs.statSync(path.join(folder, name)).size / 1e6;
    console.log(`prebuilds/${platform}-${arch}/${name}  ${megabytes.toFixed(1)} MB`);
  }
}

await runMain(prebuild);
