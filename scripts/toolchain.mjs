// Checks the tools a source build needs, before anything is changed: all that is missing or too old in one message.
// Uses nothing but Node itself, in syntax an old Node reads.

import { spawnSync } from 'node:child_process';

const APT = (packages) => `apt-get install ${packages}`;
const XCODE = 'xcode-select --install';
const VISUAL_STUDIO = 'Visual Studio 2022 Build Tools, "Desktop development with C++"';
const RUST = 'rustup (Rust toolchain installer), then: rustup update stable';
const NODE = 'Node.js 20 LTS or newer';

const ADVICE = {
  node: {
    linux: `${NODE}, from your package manager or nvm`,
    darwin: 'brew install node',
    win32: 'winget install OpenJS.NodeJS.LTS',
  },
  npm: {
    linux: `${NODE} (npm comes with it)`,
    darwin: 'brew install node',
    win32: 'winget install OpenJS.NodeJS.LTS',
  },
  cmake: { linux: APT('cmake'), darwin: 'brew install cmake', win32: 'winget install Kitware.CMake' },
  compiler: { linux: APT('g++'), darwin: XCODE, win32: VISUAL_STUDIO },
  make: { linux: APT('make'), darwin: XCODE, win32: VISUAL_STUDIO },
  rust: { linux: RUST, darwin: 'brew install rust', win32: 'winget install Rustlang.Rustup' },
};

const PLATFORM_NAMES = { linux: 'Debian/Ubuntu', darwin: 'macOS', win32: 'Windows' };

/** "3.25.1" -> [3, 25, 1]; undefined when there is no version in the text. */
function parseVersion(text) {
  const match = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  return match ? [Number(match[1]), Number(match[2]), Number(match[3] || 0)] : undefined;
}

function atLeast(version, minimum) {
  for (let i = 0; i < 3; i++) {
    if (version[i] !== (minimum[i] || 0)) return version[i] > (minimum[i] || 0);
  }
  return true;
}

function run(command, args) {
  const shell = process.platform === 'win32'; // npm and friends are .cmd files there
  const result = spawnSync(command, args, { encoding: 'utf8', shell, timeout: 60_000 });
  if (result.error || result.status !== 0) return undefined;
  return result.stdout + result.stderr;
}

/** What was found of a tool: undefined when fine, else a finding to report. */
function checkVersion(name, advice, command, minimum, args = ['--version']) {
  const text = run(command, args);
  const needed = `${minimum.join('.')} or newer`;
  if (text === undefined) return { name, found: `none (${command} does not run)`, needed, advice };
  const version = parseVersion(text);
  if (!version) return { name, found: `unknown (${command} tells no version)`, needed, advice };
  return atLeast(version, minimum) ? undefined : { name, found: version.join('.'), needed, advice };
}

// cmake-js 8 runs on these.
function checkNode() {
  const version = parseVersion(process.versions.node);
  const fine = version[0] === 20 ? atLeast(version, [20, 17]) : atLeast(version, [22, 9]);
  if (fine) return undefined;
  return {
    name: 'Node.js',
    found: process.versions.node,
    needed: '20.17 or newer 20.x, or 22.9 or newer',
    advice: ADVICE.node,
  };
}

function checkNpm() {
  const { npm_execpath: npmScript } = process.env;
  const minimum = [9, 0];
  // Started by npm, the npm in use is known, and need not be on PATH.
  if (npmScript && /npm-cli\.[cm]?js$/.test(npmScript)) {
    return checkVersion('npm', ADVICE.npm, process.execPath, minimum, [npmScript, '--version']);
  }
  return checkVersion('npm', ADVICE.npm, 'npm', minimum);
}

/** On x64, the first that know AMX and AVX-VNNI, for which some kernels are compiled. */
const COMPILERS =
  process.arch === 'x64'
    ? { clang: { name: 'clang++', minimum: [12, 0] }, gcc: { name: 'g++', minimum: [11, 0] } }
    : { clang: { name: 'clang++', minimum: [10, 0] }, gcc: { name: 'g++', minimum: [9, 0] } };

function checkCompiler() {
  // CMake finds Visual Studio by itself, which is on no PATH.
  if (process.platform === 'win32') return undefined;
  const { gcc, clang } = COMPILERS;
  const needed = `${gcc.name} ${gcc.minimum[0]} or ${clang.name} ${clang.minimum[0]} or newer (C++17)`;
  const given = process.env.CXX?.trim();
  const commands = given ? [given] : ['c++', 'g++', 'clang++'];
  for (const command of commands) {
    // CXX may hold a launcher and options: "ccache g++ -m64".
    const [program, ...options] = command.split(/\s+/);
    const text = run(program, [...options, '--version']);
    if (text === undefined) continue;
    const { name, minimum } = /clang/i.test(text) ? clang : gcc;
    const version = parseVersion(text.replace(/\([^)]*\)/g, '')); // "c++ (Debian 12.2.0-14) 12.2.0"
    if (version && atLeast(version, minimum)) return undefined;
    const found = version ? `${name} ${version.join('.')}` : `unknown (${command} tells no version)`;
    return { name: 'C++ compiler', found, needed, advice: ADVICE.compiler };
  }
  const found = given ? `none (CXX=${given} does not run)` : `none (tried ${commands.join(', ')})`;
  return { name: 'C++ compiler', found, needed, advice: ADVICE.compiler };
}

function checkMake() {
  if (process.platform === 'win32') return undefined;
  if (run('ninja', ['--version']) !== undefined || run('make', ['--version']) !== undefined) return undefined;
  return { name: 'make or ninja', found: 'none', needed: 'any version of one of them', advice: ADVICE.make };
}

function checkRust() {
  const minimum = [1, 85];
  const cargo = checkVersion('Rust (cargo)', ADVICE.rust, process.env.CARGO || 'cargo', minimum);
  const rustc = checkVersion('Rust (rustc)', ADVICE.rust, process.env.RUSTC || 'rustc', minimum);
  return [cargo, rustc].filter(Boolean);
}

/** Every tool that is missing or too old: name, version found, version needed, what to install. */
export function findToolProblems() {
  return [
    checkNode(),
    checkNpm(),
    checkVersion('CMake', ADVICE.cmake, 'cmake', [3, 20]),
    checkCompiler(),
    checkMake(),
    ...checkRust(),
  ].filter(Boolean);
}

export function describeToolProblems(problems) {
  const platforms = PLATFORM_NAMES[process.platform] ? [process.platform] : Object.keys(PLATFORM_NAMES);
  const lines = ['crossrank cannot be built here yet. Nothing was changed.'];
  for (const { name, found, needed, advice } of problems) {
    lines.push('', `  ${name}`, `    found:   ${found}`, `    needed:  ${needed}`);
    for (const platform of platforms) {
      lines.push(`    install: ${advice[platform]}   (${PLATFORM_NAMES[platform]})`);
    }
  }
  return lines.join('\n');
}

/** Ends the process with the message when a tool is missing or too old. */
export function requireTools() {
  const problems = findToolProblems();
  if (problems.length === 0) return;
  console.error(describeToolProblems(problems));
  process.exit(1);
}
