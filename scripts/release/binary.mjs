// Reads of a shared library what a release depends on: for which machine it is, how old a system it runs on, and whether
// what only debuggers read is gone. ELF (System V gABI, chapter 4; LSB "Symbol Versioning"), Mach-O (<mach-o/loader.h>),
// PE (Microsoft's "PE Format"). 64-bit and little-endian, as everything that is released.

import fs from 'node:fs';

const ELF_MACHINES = { 62: 'x64', 183: 'arm64' };
const MACH_O_MACHINES = { 16777223: 'x64', 16777228: 'arm64' };
const PE_MACHINES = { 34404: 'x64', 43620: 'arm64' };

const SHT_SYMTAB = 2;
const SHT_GNU_VERNEED = 0x6ffffffe;

const LC_SYMTAB = 0x2;
const LC_ID_DYLIB = 0xd;
const LC_VERSION_MIN_MACOSX = 0x24;
const LC_BUILD_VERSION = 0x32;
/** In a Mach-O symbol's type: it is there for debuggers alone. */
const N_STAB = 0xe0;

/** "2.9" < "2.28". */
export function isNewer(version, than) {
  const [left, right] = [version, than].map((text) => text.split('.').map(Number));
  const at = left.findIndex((part, index) => part !== (right[index] ?? 0));
  return at >= 0 && left[at] > (right[at] ?? 0);
}

/**
 * @param file - Of a shared library
 * @returns `{ platform, arch, isStripped }`; of ELF also `glibc`, the newest version it needs; of Mach-O `macos`, the
 * oldest it runs on, and `name`, by which the loader knows it
 * @throws where it is none of the three
 */
export function readBinary(file) {
  const bytes = fs.readFileSync(file);
  if (bytes.length > 64 && bytes.readUInt32BE(0) === 0x7f454c46) return readElf(bytes);
  if (bytes.length > 32 && bytes.readUInt32LE(0) === 0xfeedfacf) return readMachO(bytes);
  if (bytes.length > 64 && bytes.toString('latin1', 0, 2) === 'MZ') return readPe(bytes);
  throw new Error('it is no ELF, Mach-O or PE file');
}

function readElf(bytes) {
  const table = Number(bytes.readBigUInt64LE(40));
  const count = bytes.readUInt16LE(60);
  const sections = Array.from({ length: count }, (_, index) => {
    const at = table + index * 64;
    return {
      type: bytes.readUInt32LE(at + 4),
      offset: Number(bytes.readBigUInt64LE(at + 24)),
      link: bytes.readUInt32LE(at + 40),
      entries: bytes.readUInt32LE(at + 44),
    };
  });
  return {
    platform: 'linux',
    arch: ELF_MACHINES[bytes.readUInt16LE(18)],
    isStripped: !sections.some(({ type }) => type === SHT_SYMTAB),
    glibc: newestGlibc(bytes, sections),
  };
}

function newestGlibc(bytes, sections) {
  const versions = ['0'];
  for (const needs of sections.filter(({ type }) => type === SHT_GNU_VERNEED)) {
    const strings = sections[needs.link].offset;
    for (let library = needs.offset, left = needs.entries; left > 0; left--) {
      let version = library + bytes.readUInt32LE(library + 8);
      for (let more = bytes.readUInt16LE(library + 2); more > 0; more--) {
        const start = strings + bytes.readUInt32LE(version + 8);
        const [, glibc] =
          /^GLIBC_([\d.]+)$/.exec(bytes.toString('latin1', start, bytes.indexOf(0, start))) ?? [];
        if (glibc) versions.push(glibc);
        version += bytes.readUInt32LE(version + 12);
      }
      library += bytes.readUInt32LE(library + 12);
    }
  }
  return versions.reduce((newest, version) => (isNewer(version, newest) ? version : newest));
}

function readMachO(bytes) {
  const found = { platform: 'darwin', arch: MACH_O_MACHINES[bytes.readUInt32LE(4)], isStripped: true };
  for (let at = 32, left = bytes.readUInt32LE(16); left > 0; left--) {
    const command = bytes.readUInt32LE(at);
    if (command === LC_BUILD_VERSION) found.macos = packedVersion(bytes.readUInt32LE(at + 12));
    if (command === LC_VERSION_MIN_MACOSX) found.macos = packedVersion(bytes.readUInt32LE(at + 8));
    if (command === LC_SYMTAB) found.isStripped = !hasDebugSymbols(bytes, at);
    if (command === LC_ID_DYLIB) {
      const start = at + bytes.readUInt32LE(at + 8);
      found.name = bytes.toString('latin1', start, bytes.indexOf(0, start));
    }
    at += bytes.readUInt32LE(at + 4);
  }
  return found;
}

/** 16 bits of major, 8 of minor, 8 of patch. */
function packedVersion(word) {
  return `${word >>> 16}.${(word >>> 8) & 255}`;
}

function hasDebugSymbols(bytes, command) {
  const table = bytes.readUInt32LE(command + 8);
  const count = bytes.readUInt32LE(command + 12);
  for (let index = 0; index < count; index++) {
    if ((bytes[table + index * 16 + 4] & N_STAB) !== 0) return true;
  }
  return false;
}

/** Debug information of Visual C++ lies in a .pdb beside the file; it cannot be unstripped. */
function readPe(bytes) {
  const header = bytes.readUInt32LE(0x3c);
  if (bytes.toString('latin1', header, header + 4) !== 'PE\0\0') throw new Error('it is a DOS program');
  return { platform: 'win32', arch: PE_MACHINES[bytes.readUInt16LE(header + 4)], isStripped: true };
}
