// Every platform of the release has an addon, its ONNX Runtime and the notices of both, made from these sources, for the
// right machine, and no newer system than is promised.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { readSoname, renameSoname } from '../elf-soname.mjs';
import { findReleasedLibrary, libraryName } from '../onnxruntime.mjs';
import { staleParts } from '../prebuild-stamp.mjs';
import { NOTICES, RUST_NOTICES } from '../third-party.mjs';
import { isNewer, readBinary } from './binary.mjs';
import { FLOORS } from './rules.mjs';

const here = `${process.platform}-${process.arch}`;

/**
 * @param prebuilds - The folder `prebuilds/`
 * @param platforms - Those that must be there
 * @param builtHere - The addons are for this machine, not for users: they may need its C library
 */
export function checkPrebuilds({ prebuilds, platforms, builtHere }) {
  const present = fs.existsSync(prebuilds) ? fs.readdirSync(prebuilds).sort() : [];
  const missing = platforms.filter((name) => !present.includes(name));
  const unknown = present.filter((name) => !platforms.includes(name));
  const problems = [
    ...missing.map(
      (name) =>
        `prebuilds/${name} is missing: run npm run prebuild on that platform, or unpack what the workflow prebuilds made there`,
    ),
    ...unknown.map((name) => `prebuilds/${name} is for no platform of this release: remove it`),
  ];
  const facts = [];
  for (const name of platforms.filter((each) => present.includes(each))) {
    const folder = path.join(prebuilds, name);
    const found = inspect(folder, name, builtHere ? systemFloors() : FLOORS);
    facts.push(found.fact);
    problems.push(...found.problems.map((text) => `prebuilds/${name}: ${text}`));
  }
  return { problems, facts: facts.join('; ') };
}

/** Of a build for this machine alone: its own C library, where that is newer. */
function systemFloors() {
  const glibc = process.report.getReport().header.glibcVersionRuntime;
  return { ...FLOORS, glibc: glibc && isNewer(glibc, FLOORS.glibc) ? glibc : FLOORS.glibc };
}

function inspect(folder, platform, floors) {
  const names = fs.readdirSync(folder);
  const [system] = platform.split('-');
  const addons = names.filter((name) => name.endsWith('.node'));
  const addon = system === 'linux' ? 'crossrank.glibc.node' : 'crossrank.node';
  const needed = [
    addon,
    libraryName(system),
    NOTICES,
    RUST_NOTICES,
    'onnxruntime-LICENSE',
    'onnxruntime-ThirdPartyNotices.txt',
  ];
  const absent = needed.filter((name) => !names.includes(name));
  const problems = absent.map((name) => `${name} is missing: ${adviceFor(name)}`);
  if (addons.length > 1) problems.push(`${addons.join(' and ')}: one addon a platform`);
  problems.push(...staleParts(folder).map((text) => `${text}: run npm run prebuild again`));

  const needs = [];
  for (const name of [addon, libraryName(system)].filter((each) => !absent.includes(each))) {
    const found = inspectBinary(path.join(folder, name), platform, floors);
    problems.push(...found.problems.map((text) => `${name}: ${text}`));
    if (found.needs) needs.push(found.needs);
    if (name !== addon && found.needs) problems.push(...libraryProblems(folder, platform));
  }
  if (platform === here && !absent.includes(addon)) problems.push(...loadProblems(path.join(folder, addon)));
  return { problems, fact: [platform, ...new Set(needs)].join(', ') };
}

function adviceFor(name) {
  return name === RUST_NOTICES
    ? "build with a Rust toolchain of rustup, which has the licences of Rust's standard library"
    : 'run npm run prebuild again';
}

function inspectBinary(file, platform, floors) {
  let binary;
  try {
    binary = readBinary(file);
  } catch (error) {
    return { problems: [error.message] };
  }
  const problems = [];
  const made = `${binary.platform}-${binary.arch}`;
  if (made !== platform) problems.push(`it is for ${made}`);
  // ONNX Runtime's libraries are as Microsoft releases them; the one for macOS has its symbols.
  if (file.endsWith('.node') && !binary.isStripped)
    problems.push('it is not stripped: npm run prebuild does that');
  for (const [system, floor] of Object.entries(floors)) {
    if (binary[system] && isNewer(binary[system], floor)) {
      problems.push(
        `it needs ${system} ${binary[system]}, and a release runs on ${floor}: ${FLOOR_ADVICE[system]}`,
      );
    }
  }
  const system = ['glibc', 'macos'].find((each) => binary[each]);
  const needs = system ? `needs ${system} ${binary[system]}` : `is for ${made}`;
  return { problems, needs: `${path.basename(file)} ${needs}` };
}

const FLOOR_ADVICE = {
  glibc: 'build it in the container that .github/workflows/prebuilds.yml names',
  macos: 'set MACOSX_DEPLOYMENT_TARGET',
};

/** ONNX Runtime is the one of the devDependency, under our own name; that package has the libraries of all platforms. */
function libraryProblems(folder, platform) {
  const [system, arch] = platform.split('-');
  const name = libraryName(system);
  const library = path.join(folder, name);
  if (system === 'darwin') {
    // It was signed again after the new name, so its bytes are its own.
    const { name: known } = readBinary(library);
    return known === `@rpath/${name}` ? [] : [`${name} tells the loader that it is ${known}`];
  }
  const source = findReleasedLibrary(system, arch);
  if (!source) return [`onnxruntime-node has no library for ${platform} to compare ${name} with`];
  const released = fs.readFileSync(source);
  const expected =
    system === 'linux' && readSoname(released) !== name ? renameSoname(released, name) : released;
  return fs.readFileSync(library).equals(expected)
    ? []
    : [`${name} is not that of onnxruntime-node: run npm run prebuild again`];
}

function loadProblems(addon) {
  const { status, stderr } = spawnSync(process.execPath, ['-e', 'require(process.argv[1])', addon], {
    encoding: 'utf8',
  });
  if (status === 0) return [];
  const [reason] = /^\w*Error: .*$/m.exec(stderr) ?? [stderr.trim()];
  return [`${path.basename(addon)} does not load here: ${reason}`];
}
