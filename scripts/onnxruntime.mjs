// The ONNX Runtime that crossrank is built against and ships: its headers, and its library under a name of our own.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { readSoname, renameSoname } from './elf-soname.mjs';
import { copyAtomically, inRoot, writeAtomically } from './files.mjs';

const packageRequire = createRequire(import.meta.url);

/** Where headers lie for CMake, and inside the packed tarball. */
export const vendoredHeaders = inRoot('native', 'third_party', 'onnxruntime', 'include');

// The npm package of a Unity plug-in; it carries the official headers and notices of an ONNX Runtime release.
const HEADER_PACKAGE = 'com.github.asus4.onnxruntime';
const HEADER_FOLDER = 'Plugins/iOS~/onnxruntime.xcframework/ios-arm64/onnxruntime.framework/Headers';

/** Our file name of the library; on Linux and macOS also the name it tells the loader. */
export function libraryName(platform = process.platform) {
  if (platform === 'win32') return 'crossrank-ort.dll';
  return platform === 'darwin' ? 'libcrossrank-ort.dylib' : 'libcrossrank-ort.so';
}

export const missingLibraryAdvice =
  'crossrank: no ONNX Runtime library found for ' +
  `${process.platform}-${process.arch}. The addon builds without one but cannot run: ` +
  'npm install onnxruntime-node --ignore-scripts, or set ONNXRUNTIME_ROOT to an unpacked ONNX Runtime release.';

function packageFolder(name) {
  try {
    return path.dirname(packageRequire.resolve(`${name}/package.json`));
  } catch {
    return undefined;
  }
}

function firstFile(folder, pattern) {
  if (!folder || !fs.existsSync(folder)) return undefined;
  const name = fs
    .readdirSync(folder)
    .sort()
    .find((entry) => pattern.test(entry));
  return name && path.join(folder, name);
}

const RELEASED_LIBRARY = {
  linux: /^libonnxruntime\.so(\.\d+)*$/,
  darwin: /^libonnxruntime(\.\d+)*\.dylib$/,
  win32: /^onnxruntime\.dll$/,
};

/** The library as released, for this machine: ONNXRUNTIME_ROOT first, else the onnxruntime-node package. */
export function findReleasedLibrary(platform = process.platform, arch = process.arch) {
  const pattern = RELEASED_LIBRARY[platform];
  if (!pattern) return undefined;
  const { ONNXRUNTIME_ROOT: given } = process.env;
  if (given) {
    const found = firstFile(path.join(given, 'lib'), pattern) ?? firstFile(given, pattern);
    if (!found)
      throw new Error(`ONNXRUNTIME_ROOT is ${given}, but no ONNX Runtime library is in it or its lib/`);
    return found;
  }
  const released = packageFolder('onnxruntime-node');
  return released && firstFile(path.join(released, 'bin', 'napi-v6', platform, arch), pattern);
}

/** Puts the headers (and the notices that go with the library) into native/third_party. */
export function vendorHeaders() {
  if (process.env.ONNXRUNTIME_ROOT) return; // CMake reads that folder itself
  const source = packageFolder(HEADER_PACKAGE);
  if (!source) {
    if (fs.existsSync(path.join(vendoredHeaders, 'onnxruntime_cxx_api.h'))) return;
    throw new Error(`no ONNX Runtime headers: install ${HEADER_PACKAGE} or set ONNXRUNTIME_ROOT`);
  }
  const headers = path.join(source, HEADER_FOLDER);
  for (const name of fs.readdirSync(headers).filter((entry) => entry.endsWith('.h'))) {
    copyWhenDifferent(path.join(headers, name), path.join(vendoredHeaders, name));
  }
  for (const notice of ['LICENSE', 'ThirdPartyNotices.txt']) {
    copyWhenDifferent(path.join(source, notice), path.join(vendoredHeaders, '..', notice));
  }
}

/** Puts the library, renamed, into `folder`. Returns its path, or undefined when there is none for this machine. */
export function placeLibrary(folder) {
  const target = path.join(folder, libraryName());
  const source = findReleasedLibrary() ?? findRenamedLibrary(target);
  if (!source) return undefined;
  if (isCopyOf(source, target)) return target;
  if (process.platform === 'linux') {
    const elf = fs.readFileSync(source);
    writeAtomically(
      target,
      readSoname(elf) === libraryName() ? elf : renameSoname(elf, libraryName()),
      0o755,
    );
  } else {
    copyAtomically(source, target);
    if (process.platform === 'darwin') renameMachO(target);
  }
  fs.writeFileSync(`${target}.from`, sourceIdentity(source));
  return target;
}

/** The notices of ONNX Runtime belong beside every copy of it that is given away. */
export function placeNotices(folder) {
  const vendored = path.join(vendoredHeaders, '..');
  copyWhenDifferent(path.join(vendored, 'LICENSE'), path.join(folder, 'onnxruntime-LICENSE'));
  copyWhenDifferent(
    path.join(vendored, 'ThirdPartyNotices.txt'),
    path.join(folder, 'onnxruntime-ThirdPartyNotices.txt'),
  );
}

/** An installed crossrank package that lost its addon still has the library in prebuilds/. */
function findRenamedLibrary(except) {
  const renamed = inRoot('prebuilds', `${process.platform}-${process.arch}`, libraryName());
  return renamed !== except && fs.existsSync(renamed) ? renamed : undefined;
}

// The library is 45 MB: compare where the copy came from, not the bytes.
function sourceIdentity(source) {
  const { size, mtimeMs } = fs.statSync(source);
  return JSON.stringify({ source, size, mtimeMs, name: libraryName() });
}

function isCopyOf(source, target) {
  if (!fs.existsSync(target) || !fs.existsSync(`${target}.from`)) return false;
  return fs.readFileSync(`${target}.from`, 'utf8') === sourceIdentity(source);
}

function copyWhenDifferent(from, to) {
  const content = fs.readFileSync(from);
  if (!fs.existsSync(to) || !fs.readFileSync(to).equals(content)) writeAtomically(to, content);
}

/** The name inside a Mach-O library; changing it breaks the signature, so the file is signed again, ad hoc. */
function renameMachO(file) {
  for (const [command, ...args] of [
    ['install_name_tool', '-id', `@rpath/${libraryName()}`, file],
    ['codesign', '--force', '--sign', '-', file],
  ]) {
    const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
    if (status !== 0) {
      fs.rmSync(file, { force: true });
      throw new Error(`${command} failed on ${file}: ${error?.message ?? stderr}`);
    }
  }
}
