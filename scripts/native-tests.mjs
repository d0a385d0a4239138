// Runs the executables of test/native, which print `N passed, N failed` themselves.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { inRoot } from './files.mjs';
import { libraryName } from './onnxruntime.mjs';

/** Names of all native tests, as their sources are called. */
export function nativeTestNames() {
  return fs
    .readdirSync(inRoot('test', 'native'))
    .filter((name) => name.endsWith('_test.cc'))
    .map((name) => path.basename(name, '.cc'))
    .sort();
}

/** Runs one and says how it went. */
export function runNativeTest(folder, name, env = {}) {
  const file = path.join(folder, process.platform === 'win32' ? `${name}.exe` : name);
  const { stdout, stderr, status, signal, error } = spawnSync(file, {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    env: { CROSSRANK_ONNXRUNTIME: inRoot('build', 'Release', libraryName()), ...process.env, ...env },
  });
  const closing = [...(stdout ?? '').matchAll(/(\d+) passed, (\d+) failed\s*$/gm)].at(-1);
  const passed = closing ? Number(closing[1]) : 0;
  let failed = closing ? Number(closing[2]) : 0;
  // A crash, or no closing line, is a failure whatever was counted.
  const isBroken = status !== 0 || !closing;
  if (isBroken && failed === 0) failed = 1;
  if (failed > 0) {
    process.stdout.write(`${stdout ?? ''}${stderr ?? ''}`);
    console.log(`${name}: ${error?.message ?? signal ?? `exit code ${status}`}`);
  }
  console.log(`${failed > 0 ? 'FAIL' : 'PASS'} native ${name}: ${passed} passed, ${failed} failed`);
  return { passed, failed };
}
