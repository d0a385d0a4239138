// The set-up scripts on machines that lack something: everything is named, nothing is touched.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { ROOT, temporaryFolder } from './support/models';

/** The first compilers that are new enough, and the last g++ that is not. */
const isX64 = process.arch === 'x64';
const OLD_GCC = isX64 ? '10.5.0' : '8.5.0';
const GCC = `g++ ${isX64 ? 11 : 9} `;
const CLANG = `clang++ ${isX64 ? 12 : 10} `;
// Fake tools are shell scripts, and the set-up asks for other tools on Windows.
const onPosix = process.platform === 'win32' ? describe.skip : describe;

function writeTool(bin: string, name: string, prints: string): void {
  fs.writeFileSync(path.join(bin, name), `#!/bin/sh\necho '${prints}'\n`, { mode: 0o755 });
}

/** Runs the set-up of a fresh checkout where only `tools` exist: name -> what `--version` prints. */
function setUpWith(tools: Record<string, string>) {
  const checkout = temporaryFolder();
  for (const name of ['scripts', 'package.json', 'package-lock.json', '.npmrc']) {
    fs.cpSync(path.join(ROOT, name), path.join(checkout, name), { recursive: true });
  }
  const bin = temporaryFolder();
  for (const [name, prints] of Object.entries(tools)) writeTool(bin, name, prints);
  const before = fs.readdirSync(checkout, { recursive: true }).sort();
  const { status, stderr } = spawnSync(process.execPath, [path.join(checkout, 'scripts', 'setup.mjs')], {
    cwd: checkout,
    env: { PATH: bin, HOME: bin },
    encoding: 'utf8',
  });
  const changed = fs.readdirSync(checkout, { recursive: true }).sort();
  return { status, message: stderr, isUntouched: JSON.stringify(changed) === JSON.stringify(before) };
}

const current = {
  npm: '10.8.2',
  cmake: 'cmake version 3.25.1',
  'c++': 'c++ (Debian 12.2.0-14) 12.2.0',
  make: 'GNU Make 4.3',
  cargo: 'cargo 1.85.0 (d73d2caf9 2024-12-31)',
  rustc: 'rustc 1.85.0 (4d91de4e4 2025-02-17)',
};

onPosix('the set-up of a fresh checkout', () => {
  test('names every missing tool at once and changes nothing', () => {
    const { status, message, isUntouched } = setUpWith({});
    expect(status).toBe(1);
    for (const name of ['npm', 'CMake', 'C++ compiler', 'make or ninja', 'Rust (cargo)', 'Rust (rustc)']) {
      expect(message).toContain(`  ${name}\n    found:   none`);
    }
    expect(message).not.toContain('Node.js\n');
    expect(message.match(/install: /g)?.length).toBeGreaterThanOrEqual(6);
    expect(isUntouched).toBe(true);
  });

  test.each([
    ['CMake', { cmake: 'cmake version 3.16.3' }, '3.16.3', '3.20'],
    ['C++ compiler', { 'c++': 'c++ (Ubuntu 8.4.0-1ubuntu1~18.04) 8.4.0' }, 'g++ 8.4.0', GCC],
    ['C++ compiler', { 'c++': 'Debian clang version 9.0.1-16' }, 'clang++ 9.0.1', CLANG],
    ['C++ compiler', { 'c++': `c++ (GCC) ${OLD_GCC}` }, `g++ ${OLD_GCC}`, GCC],
    ['Rust (cargo)', { cargo: 'cargo 1.70.0 (ec8a8a0ca 2023-04-25)' }, '1.70.0', '1.85'],
    ['Rust (rustc)', { rustc: 'rustc 1.70.0 (90c541806 2023-05-31)' }, '1.70.0', '1.85'],
    ['npm', { npm: '6.14.4' }, '6.14.4', '9.0'],
  ])('tells the version found and the one needed of %s', (name, tools, found, needed) => {
    const { status, message, isUntouched } = setUpWith({ ...current, ...tools });
    expect(status).toBe(1);
    const [, section] = message.split(`  ${name}\n`);
    expect(section).toMatch(/^ {4}found: .*\n {4}needed: .*\n {4}install: /);
    expect(section).toContain(found);
    expect(section).toContain(needed);
    expect(message.match(/found:/g)).toHaveLength(1);
    expect(isUntouched).toBe(true);
  });
});

describe('the name of our ONNX Runtime copy', () => {
  function rename(file: string) {
    const script = `
      import fs from 'node:fs';
      import { pathToFileURL } from 'node:url';
      const [module, file] = process.argv.slice(1);
      const { readSoname, renameSoname } = await import(pathToFileURL(module).href);
      const library = fs.readFileSync(file);
      const renamed = renameSoname(library, 'libother.so');
      const differing = library.reduce((count, byte, i) => count + (byte === renamed[i] ? 0 : 1), 0);
      console.log(JSON.stringify([readSoname(library), readSoname(renamed), differing]));`;
    const args = ['--input-type=module', '-e', script, path.join(ROOT, 'scripts', 'elf-soname.mjs'), file];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    return { status, stdout, stderr };
  }

  const onLinux = process.platform === 'linux' ? test : test.skip;
  onLinux('replaces the SONAME and its hash, and no other byte', () => {
    const { stdout, stderr } = rename(path.join(ROOT, 'build', 'Release', 'libcrossrank-ort.so'));
    expect(stderr).toBe('');
    const [before, after, differing] = JSON.parse(stdout);
    expect([before, after]).toEqual(['libcrossrank-ort.so', 'libother.so']);
    expect(differing).toBeLessThanOrEqual('libcrossrank-ort.so'.length + 4);
  });

  test.each([
    ['text', Buffer.from('not a library')],
    [
      'an ELF header and nothing else',
      Buffer.concat([Buffer.from('\x7fELF\x02\x01\x01', 'latin1'), Buffer.alloc(100)]),
    ],
  ])('refuses %s', (name, content) => {
    const file = path.join(temporaryFolder(), name.replaceAll(' ', '-'));
    fs.writeFileSync(file, content);
    const { status, stderr } = rename(file);
    expect(status).not.toBe(0);
    expect(stderr).toContain('cannot rename this library');
  });
});
