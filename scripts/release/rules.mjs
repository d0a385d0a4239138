// What a release must be, in figures and lists; the checks beside this file hold it to them.

/** Platforms of a release, as folders of prebuilds/ are called. The workflow that builds them has the same list. */
export const PLATFORMS = ['darwin-arm64', 'linux-arm64', 'linux-x64', 'win32-x64'];

/** Those for which cargo is asked what it links, by its own names. */
export const RUST_TARGETS = {
  'darwin-arm64': 'aarch64-apple-darwin',
  'linux-arm64': 'aarch64-unknown-linux-gnu',
  'linux-x64': 'x86_64-unknown-linux-gnu',
  'win32-x64': 'x86_64-pc-windows-msvc',
};

/** The oldest systems a release runs on. ONNX Runtime's own libraries need these, so asking less of ours gains nothing. */
export const FLOORS = { glibc: '2.28', macos: '14.0' };

/**
 * The most a tarball may weigh, in bytes: what all platforms share (two models of 42 MB), and what one adds. Measured at
 * 0.1.0: 73.4 and 20.1 MB packed, 94.1 and 52.2 MB unpacked (linux-x64, the largest).
 */
export const SIZES = {
  packed: { shared: 77e6, platform: 21e6 },
  unpacked: { shared: 98e6, platform: 55e6 },
};

/** Every file of the tarball matches one of these; what does not is a stray. */
export const TARBALL_FILES = [
  /^(package\.json|README\.md|CHANGELOG\.md|LICENSE|CMakeLists\.txt|binding\.gyp)$/,
  /^dist\/lib\/[\w/-]+\.(js|d\.ts)$/,
  /^lib\/server\/page\/[\w-]+\.(mjs|js|css|html|svg)$/,
  /^native\/(?!third_party\/|formats\/)([\w-]+\/)?[\w.-]+\.(cc|h|md)$/,
  /^native\/formats\/(Cargo\.(toml|lock)|rustfmt\.toml|[\w-]+\.h|src\/(?!\w*_tests\.rs|test_\w+\.rs)\w+\.rs)$/,
  /^native\/third_party\/onnxruntime\/(LICENSE|ThirdPartyNotices\.txt|include\/\w+\.h)$/,
  /^cmake\/\w+\.cmake$/,
  /^models\/[\w-]+\/(1_Pooling\/config\.json|[\w-]+\.json|model\.safetensors|README\.md|LICENSE)$/,
  /^prebuilds\/[\w-]+\/(crossrank(\.glibc)?\.node|(lib)?crossrank-ort\.(so|dylib|dll))$/,
  /^prebuilds\/[\w-]+\/(onnxruntime-(LICENSE|ThirdPartyNotices\.txt)|crossrank-ThirdPartyNotices\.txt|rust-std-COPYRIGHT\.html)$/,
  /^scripts\/(commands|elf-soname|files|native-build|onnxruntime|toolchain)\.mjs$/,
  /^scripts\/gyp-cmake\.cjs$/,
];

/** SPDX names of licences that ask for no more than their text. */
export const LICENCES = new Set([
  '0BSD',
  'Apache-2.0',
  'Apache-2.0 WITH LLVM-exception',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BSL-1.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Unicode-3.0',
  'Unlicense',
  'Zlib',
]);
