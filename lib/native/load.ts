import fs from 'node:fs';
import path from 'node:path';
import { CrossrankError, messageOf } from '../errors';

// It carries no type declarations.
const nodeGypBuild = require('node-gyp-build') as { path(folder: string): string };

/** One place where an addon was looked for, and why it does not serve. */
interface Attempt {
  readonly place: string;
  readonly reason: string;
}

/** The addon does not load; the message lists every attempt and ends with what to do on this machine. */
export class NativeLoadError extends CrossrankError {
  constructor(attempts: readonly Attempt[], cause: unknown) {
    const lines = attempts.map(({ place, reason }) => `  ${place}\n    ${reason.replace(/\n+/g, '\n    ')}`);
    const message = `The native addon of crossrank did not load.\n${lines.join('\n')}\n${adviceFor(attempts)}`;
    super('ERR_NATIVE_LOAD', message, { cause });
    this.name = 'NativeLoadError';
  }
}

export interface LoadedAddon {
  readonly binding: unknown;
  readonly addonPath: string;
}

/**
 * Loads the addon: a build of this folder first, then the one that came with the package in `prebuilds/`.
 * `PREBUILDS_ONLY=1` skips builds, as node-gyp-build does.
 *
 * @throws NativeLoadError when none loads
 */
export function loadAddon(): LoadedAddon {
  const root = packageRoot();
  const attempts: Attempt[] = [];
  let firstError: unknown;
  for (const find of process.env.PREBUILDS_ONLY ? [findPrebuild] : [findBuild, findPrebuild]) {
    let place = root;
    try {
      const addonPath = find(root);
      place = addonPath;
      return { binding: require(addonPath), addonPath };
    } catch (error) {
      firstError ??= error;
      attempts.push({ place, reason: messageOf(error).trim() });
    }
  }
  throw new NativeLoadError(attempts, firstError);
}

/**
 * Where an ONNX Runtime library may be for an addon at `addonPath`, best first: the copy under our own name beside it,
 * the one in `prebuilds/`, then that of an installed `onnxruntime-node`. Only files that exist are listed.
 */
export function onnxRuntimeCandidates(addonPath: string): string[] {
  const ownName = ownLibraryName();
  const candidates = [
    path.join(path.dirname(addonPath), ownName),
    path.join(packageRoot(), 'prebuilds', platformFolder(), ownName),
    ...releasedLibraries(),
  ];
  return [...new Set(candidates)].filter((file) => fs.existsSync(file));
}

let root: string | undefined;

/** The folder of crossrank's package.json, wherever the compiled files lie below it. */
export function packageRoot(): string {
  root ??= findPackageRoot();
  return root;
}

function findPackageRoot(): string {
  for (let folder = __dirname; ; folder = path.dirname(folder)) {
    if (isOurPackage(path.join(folder, 'package.json'))) return folder;
    if (folder === path.dirname(folder)) {
      throw new CrossrankError(
        'ERR_NATIVE_LOAD',
        `crossrank's package.json is in no folder above ${__dirname}`,
      );
    }
  }
}

function isOurPackage(manifest: string): boolean {
  if (!fs.existsSync(manifest)) return false;
  const { name } = JSON.parse(fs.readFileSync(manifest, 'utf8')) as { name?: string };
  return name === 'crossrank';
}

function findBuild(folder: string): string {
  const addonPath = path.join(folder, 'build', 'Release', 'crossrank.node');
  if (!fs.existsSync(addonPath)) throw new Error(`no build in ${path.dirname(addonPath)}`);
  return addonPath;
}

function findPrebuild(folder: string): string {
  const addonPath = nodeGypBuild.path(folder);
  // node-gyp-build looks into build/ as well; that place had its turn.
  if (!addonPath.includes(`${path.sep}prebuilds${path.sep}`)) {
    throw new Error(`no prebuild in ${path.join(folder, 'prebuilds', platformFolder())}`);
  }
  return addonPath;
}

function platformFolder(): string {
  return `${process.platform}-${process.arch}`;
}

/** The same name as `libraryName` in scripts/onnxruntime.mjs gives. */
function ownLibraryName(): string {
  if (process.platform === 'win32') return 'crossrank-ort.dll';
  return process.platform === 'darwin' ? 'libcrossrank-ort.dylib' : 'libcrossrank-ort.so';
}

const RELEASED_LIBRARY = /^(libonnxruntime\.so(\.\d+)*|libonnxruntime(\.\d+)*\.dylib|onnxruntime\.dll)$/;

function releasedLibraries(): string[] {
  try {
    const manifest = require.resolve('onnxruntime-node/package.json', {
      paths: [packageRoot(), process.cwd()],
    });
    const { platform, arch } = process;
    // "napi-v6" in current releases; the number has changed before.
    const bin = path.join(path.dirname(manifest), 'bin');
    const folders = fs.readdirSync(bin).map((version) => path.join(bin, version, platform, arch));
    return folders
      .filter((folder) => fs.existsSync(folder))
      .flatMap((folder) =>
        fs
          .readdirSync(folder)
          .sort()
          .map((name) => path.join(folder, name)),
      )
      .filter((file) => RELEASED_LIBRARY.test(path.basename(file)));
  } catch {
    return []; // not installed
  }
}

const BUILD_IT =
  'Build it from source with CMake 3.20, Rust 1.85 and a C++17 compiler (or newer): npm rebuild crossrank --build-from-source';

/** Alpine's C library, for which nothing is prebuilt. */
export function isMusl(): boolean {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return process.platform === 'linux' && report?.header?.glibcVersionRuntime === undefined;
}

function adviceFor(attempts: readonly Attempt[]): string {
  const reasons = attempts.map(({ reason }) => reason).join('\n');
  const here = `${platformFolder()}${isMusl() ? ' (musl)' : ''}`;
  if (isMusl()) {
    return (
      'The prebuilt addon and ONNX Runtime are made for glibc, and this system has musl (Alpine). Use a glibc image ' +
      `(for example node:20-slim), or build both from source; for crossrank: ${BUILD_IT}`
    );
  }
  if (/GLIBC(XX)?_[\d.]+' not found/.test(reasons)) {
    return `The C library of this system is older than the prebuilt addon needs. ${BUILD_IT}`;
  }
  if (
    /wrong ELF class|invalid ELF header|incompatible architecture|not a valid Win32 application|mach-o/i.test(
      reasons,
    )
  ) {
    return (
      `The addon was made for another machine than ${here}; node_modules may have been copied. ` +
      'Remove node_modules and install again on this machine: npm ci'
    );
  }
  return `There is no working addon for ${here}. ${BUILD_IT}`;
}
