// `npm test`: brings the checkout up to date, runs the Rust and the native tests, then jest. Arguments go to jest.
// The last line is the sum of all: `N passed, N failed`.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import { packageBin, runMain, runVisibly } from './commands.mjs';
import { inRoot } from './files.mjs';
import { nativeTestFolder } from './native-build.mjs';
import { nativeTestNames, runNativeTest } from './native-tests.mjs';
import { setup } from './setup.mjs';

/** jest alone leaves a processor free, on two processors half of them. Engines have threads of their own. */
const jestWorkers = Math.max(2, Math.floor(os.availableParallelism() / 2));

const jestReport = inRoot('build', 'jest-report.json');

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
  return nativeTestNames().map((name) => runNativeTest(nativeTestFolder, name));
}

function runJest(args) {
  fs.rmSync(jestReport, { force: true });
  const options = ['--json', `--outputFile=${jestReport}`, `--maxWorkers=${jestWorkers}`, ...args];
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
