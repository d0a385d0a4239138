// The addon of each platform in a release: of these sources, for the right machine, and for systems that are old enough.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { ROOT, temporaryFolder } from './support/models';
import { callScript, type Outcome } from './support/release';

const here = `${process.platform}-${process.arch}`;
const addonName = process.platform === 'linux' ? 'crossrank.glibc.node' : 'crossrank.node';
const released = path.join(ROOT, 'node_modules', 'onnxruntime-node', 'bin', 'napi-v6');
const built = path.join(ROOT, 'build', 'Release');
const [library] = fs.readdirSync(built).filter((name) => /crossrank-ort\.(so|dylib|dll)$/.test(name)) as [
  string,
];

/** What `npm run prebuild` leaves, from the addon of this checkout. */
function makePrebuilds(): string {
  const prebuilds = temporaryFolder();
  const folder = path.join(prebuilds, here);
  fs.mkdirSync(folder);
  fs.copyFileSync(path.join(built, 'crossrank.node'), path.join(folder, addonName));
  fs.copyFileSync(path.join(built, library), path.join(folder, library));
  const strip = spawnSync('strip', [process.platform === 'darwin' ? '-Sx' : '--strip-all', addonName], {
    cwd: folder,
  });
  expect(strip.status).toBe(0);
  callScript('onnxruntime.mjs', 'placeNotices', folder);
  callScript('third-party.mjs', 'placeThirdPartyNotices', folder);
  callScript('prebuild-stamp.mjs', 'writePrebuildStamp', folder);
  return prebuilds;
}

const whole = makePrebuilds();

/** A copy, changed by `change`; with `stamp` the change is part of what was built. */
function changed(change: (folder: string) => void, { stamp = false } = {}): string {
  const prebuilds = temporaryFolder();
  fs.cpSync(whole, prebuilds, { recursive: true });
  const folder = path.join(prebuilds, here);
  change(folder);
  if (stamp) callScript('prebuild-stamp.mjs', 'writePrebuildStamp', folder);
  return prebuilds;
}

function problemsOf(prebuilds: string, { platforms = [here], builtHere = true } = {}): string[] {
  return callScript<Outcome>('release/prebuilds.mjs', 'checkPrebuilds', { prebuilds, platforms, builtHere })
    .problems;
}

test('what was built here passes, and the facts tell what it needs', () => {
  const context = { prebuilds: whole, platforms: [here], builtHere: true };
  const { problems, facts } = callScript<Outcome>('release/prebuilds.mjs', 'checkPrebuilds', context);
  // A toolchain without the licences of Rust's standard library builds, but not for a release.
  expect(problems.filter((text) => !text.includes('rust-std-COPYRIGHT.html'))).toEqual([]);
  expect(facts).toContain(here);
});

test('platforms that are missing, or not of a release, are each a problem', () => {
  const platforms = [here, 'linux-riscv64'];
  const prebuilds = changed((folder) => fs.mkdirSync(path.join(folder, '..', 'sunos-x64')));
  const problems = problemsOf(prebuilds, { platforms });
  expect(problems).toContainEqual(
    expect.stringMatching(/^prebuilds\/linux-riscv64 is missing: run npm run prebuild/),
  );
  expect(problems).toContainEqual(
    expect.stringMatching(/^prebuilds\/sunos-x64 is for no platform of this release/),
  );
});

test.each([addonName, library, 'crossrank-ThirdPartyNotices.txt', 'onnxruntime-LICENSE'])(
  'without %s it is a problem',
  (name) => {
    const prebuilds = changed((folder) => fs.rmSync(path.join(folder, name)), { stamp: true });
    expect(problemsOf(prebuilds)).toContainEqual(
      expect.stringContaining(`${name} is missing: run npm run prebuild`),
    );
  },
);

test('an addon of other sources, or another version, is a problem', () => {
  const prebuilds = changed((folder) => {
    const stamp = path.join(folder, 'build.from');
    const made = JSON.parse(fs.readFileSync(stamp, 'utf8')) as object;
    fs.writeFileSync(stamp, JSON.stringify({ ...made, version: '0.0.1', sources: 'abc' }));
  });
  const problems = problemsOf(prebuilds);
  expect(problems).toContainEqual(expect.stringMatching(/made from other version \(0\.0\.1, now /));
  expect(problems).toContainEqual(expect.stringMatching(/made from other sources \(abc, now /));
});

test('a file that was replaced after the build is a problem', () => {
  const prebuilds = changed((folder) => fs.appendFileSync(path.join(folder, library), 'x'));
  const problems = problemsOf(prebuilds);
  expect(problems).toContainEqual(expect.stringContaining(`${library} is not the file that was built`));
  expect(problems).toContainEqual(expect.stringContaining(`${library} is not that of onnxruntime-node`));
});

test('an addon with its symbols is a problem', () => {
  const prebuilds = changed(
    (folder) => fs.copyFileSync(path.join(built, 'crossrank.node'), path.join(folder, addonName)),
    { stamp: true },
  );
  expect(problemsOf(prebuilds)).toContainEqual(expect.stringContaining(`${addonName}: it is not stripped`));
});

test('what is no library is a problem, and does not load', () => {
  const prebuilds = changed((folder) => fs.writeFileSync(path.join(folder, addonName), 'no addon'), {
    stamp: true,
  });
  const problems = problemsOf(prebuilds);
  expect(problems).toContainEqual(expect.stringContaining('it is no ELF, Mach-O or PE file'));
  expect(problems).toContainEqual(expect.stringMatching(/does not load here: Error: /));
});

test('an addon for another machine is a problem', () => {
  const other = path.join(
    released,
    'linux',
    process.arch === 'arm64' ? 'x64' : 'arm64',
    'libonnxruntime.so.1',
  );
  const prebuilds = changed((folder) => fs.copyFileSync(other, path.join(folder, addonName)), {
    stamp: true,
  });
  const made = process.arch === 'arm64' ? 'linux-x64' : 'linux-arm64';
  expect(problemsOf(prebuilds)).toContainEqual(expect.stringContaining(`${addonName}: it is for ${made}`));
});

test('an addon that needs a newer system than promised is a problem', () => {
  const name = path.join(released, 'linux', 'x64', 'libonnxruntime.so.1');
  const bytes = fs.readFileSync(name);
  bytes.write('GLIBC_2.99', bytes.indexOf('GLIBC_2.28\0'), 'latin1');
  const prebuilds = temporaryFolder();
  fs.mkdirSync(path.join(prebuilds, 'linux-x64'));
  fs.writeFileSync(path.join(prebuilds, 'linux-x64', 'crossrank.glibc.node'), bytes);
  expect(problemsOf(prebuilds, { platforms: ['linux-x64'], builtHere: false })).toContainEqual(
    expect.stringMatching(
      /crossrank\.glibc\.node: it needs glibc 2\.99, and a release runs on 2\.28: build it in the/,
    ),
  );
});

test.each([
  ['linux/x64/libonnxruntime.so.1', { platform: 'linux', arch: 'x64', isStripped: true, glibc: '2.28' }],
  ['linux/arm64/libonnxruntime.so.1', { platform: 'linux', arch: 'arm64', isStripped: true, glibc: '2.28' }],
  [
    'darwin/arm64/libonnxruntime.1.dylib',
    { platform: 'darwin', arch: 'arm64', isStripped: false, macos: '14.0' },
  ],
  ['win32/x64/onnxruntime.dll', { platform: 'win32', arch: 'x64', isStripped: true }],
])('%s is read on any system', (name, expected) => {
  expect(callScript('release/binary.mjs', 'readBinary', path.join(released, name))).toMatchObject(expected);
});
