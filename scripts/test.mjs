// `npm test`: brings the checkout up to date, runs the Rust and the native tests, then jest. Arguments go to jest.
// The last line is the sum of all: `N passed, N failed`.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { packageBin, runMain, runVisibly } from './commands.mjs';
import { inRoot } from './files.mjs';
import { nativeTestFolder } from './native-build.mjs';
import { libraryName } from './onnxruntime.mjs';
import { setup } from './setup.mjs';

const jestReport = inRoot('build', 'jest-report.json');

/** Runs one executable of test/native, which prints `N passed, N failed` itself. */
function runNativeTest(file) {
  const { stdout, stderr, status, signal, error } = spawnSync(file, {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    env: { CROSSRANK_ONNXRUNTIME: inRoot('build', 'Release', libraryName()), ...process.env },
  });
  const closing = [...(stdout ?? '').matchAll(/(\d+) passed, (\d+) failed\s*$/gm)].at(-1);
  const passed = closing ? Number(closing[1]) : 0;
  let failed = closing ? Number(closing[2]) : 0;
  // A crash, or no closing line, is a failure whatever was counted.
  const isBroken = status !== 0 || !closing;
  if (isBroken && failed === 0) failed = 1;
  if (failed > 0) {
    process.stdout.write(`${stdout ?? ''}${stderr ?? ''}`);
    console.log(`${path.basename(file)}: ${error?.message ?? signal ?? `exit code ${status}`}`);
  }
  console.log(
    `${failed > 0 ? 'FAIL' : 'PASS'} native ${path.basename(file)}: ${passed} passed, ${failed} failed`,
  );
  return { passed, failed };
}

/** The unit tests of the Rust crate, broken files among them. */
function runRustTests() {
  const manifest = inRoot('native', 'formats', 'Cargo.toml');
  const args = ['test', '--locked', '--manifest-path', manifest, '--target-dir', inRoot('build', 'cargo')];
  const { stdout, stderr, status, error } = spawnSync(process.env.CARGO ?? 'cargo', args, {
    encoding: 'utf8',
  });
  const closing = [...(stdout ?? '').matchAll(/^test result: .* (\d+) passed; (\d+) failed/gm)];
  const sum = (group) => closing.reduce((total, match) => total + Number(match[group]), 0);
  const passed = sum(1);
  const failed = status !== 0 && sum(2) === 0 ? 1 : sum(2);
  if (failed > 0) console.log(`${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`);
  console.log(`${failed > 0 ? 'FAIL' : 'PASS'} rust formats: ${passed} passed, ${failed} failed`);
  return { passed, failed };
}

function runNativeTests() {
  const sources = fs.existsSync(inRoot('test', 'native')) ? fs.readdirSync(inRoot('test', 'native')) : [];
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return sources
    .filter((name) => name.endsWith('_test.cc'))
    .sort()
    .map((name) => runNativeTest(path.join(nativeTestFolder, name.replace(/\.cc$/, suffix))));
}

function runJest(args) {
  fs.rmSync(jestReport, { force: true });
  const options = ['--json', `--outputFile=${jestReport}`, ...args];
  // jest reports to standard error; to standard output it would only add where the report file is.
  const status = runVisibly(process.execPath, [packageBin('jest'), ...options], {
    stdio: ['inherit', 'ignore', 'inherit'],
  });
  if (!fs.existsSync(jestReport)) return { passed: 0, failed: status === 0 ? 0 : 1, status };
  const report = JSON.parse(fs.readFileSync(jestReport, 'utf8'));
  // A suite that could not even load counts no test, but has failed.
  const failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
  return { passed: report.numPassedTests, failed: status !== 0 && failed === 0 ? 1 : failed, status };
}

await runMain(async () => {
  await setup({ withTests: true });
  const args = process.argv.slice(2);
  // A pattern names jest tests; the native ones run with everything.
  const native = args.length === 0 ? [runRustTests(), ...runNativeTests()] : [];
  const results = [...native, runJest(args)];
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  if (sum('failed') > 0) process.exitCode = 1;
});
