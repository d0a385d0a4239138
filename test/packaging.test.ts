// What users get: the packed tarball, installed by npm into an empty folder.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ROOT, temporaryFolder } from './support/models';
import { environmentWithoutNpm, npmScript, runNode } from './support/npm';

const { version } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
  version: string;
};
const platformFolder = `${process.platform}-${process.arch}`;

const temporary = temporaryFolder();
const app = path.join(temporary, 'app');
const installed = path.join(app, 'node_modules', 'crossrank');
let tarball: string;

const cleanEnv = environmentWithoutNpm();

/** A PATH with Node, npm and the shell that npm needs, and nothing that could compile. */
function pathWithoutTools(): string {
  const bin = path.join(temporary, 'bin');
  fs.mkdirSync(bin, { recursive: true });
  for (const [name, target] of [
    ['node', process.execPath],
    ['npm', npmScript()],
    ['sh', fs.realpathSync('/bin/sh')],
  ] as const) {
    fs.rmSync(path.join(bin, name), { force: true });
    fs.symlinkSync(target, path.join(bin, name));
  }
  return bin;
}

const RANK = `
  const reranker = await Reranker.load();
  const documents = ['Bananas are rich in potassium.', 'Install Node.js with your package manager.'];
  const { results } = await reranker.rerank('how do I install Node.js?', documents);
  await reranker.dispose();
  console.log(JSON.stringify(results.map(({ index }) => index)));`;

const REQUIRE_AND_RANK = `const { Reranker } = require('crossrank'); (async () => {${RANK}})();`;
const IMPORT_AND_RANK = `import { Reranker } from 'crossrank';${RANK}`;

function filesBelow(folder: string, below = ''): string[] {
  return fs.readdirSync(path.join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const name = path.posix.join(below, entry.name);
    return entry.isDirectory() ? filesBelow(folder, name) : [name];
  });
}

beforeAll(() => {
  runNode([path.join(ROOT, 'scripts', 'prebuild.mjs')], ROOT, cleanEnv);
  runNode([npmScript(), 'pack', '--pack-destination', temporary], ROOT, cleanEnv);
  tarball = path.join(temporary, `crossrank-${version}.tgz`);
  console.log(`${path.basename(tarball)}: ${(fs.statSync(tarball).size / 1e6).toFixed(1)} MB`);

  fs.mkdirSync(app);
  fs.writeFileSync(path.join(app, 'package.json'), '{ "private": true }\n');
  const withoutTools = { ...cleanEnv, PATH: pathWithoutTools(), PREBUILDS_ONLY: '1' };
  runNode([npmScript(), 'install', tarball, '--no-audit', '--no-fund'], app, withoutTools);
}, 600_000);

describe('the installed package', () => {
  test('holds what it promises and nothing of the workshop', () => {
    const files = filesBelow(installed).filter((file) => !file.startsWith('node_modules/'));
    expect(files).toEqual(expect.arrayContaining(['README.md', 'LICENSE', 'package.json', 'binding.gyp']));
    expect(files).toEqual(expect.arrayContaining(['dist/lib/index.js', 'dist/lib/index.d.ts']));
    expect(files).toContain('native/third_party/onnxruntime/include/onnxruntime_cxx_api.h');
    expect(files).toContain('native/formats/Cargo.lock');
    expect(files.some((file) => /^models\/[^/]+\/model\.safetensors$/.test(file))).toBe(true);
    expect(files.some((file) => file.startsWith(`prebuilds/${platformFolder}/onnxruntime-`))).toBe(true);
    expect(
      files.filter((file) => /(^|\/)(test|tests|bench|target|build)\/|\.test\.|\.map$|\.from$/.test(file)),
    ).toEqual([]);
  });

  test('has an addon and its own ONNX Runtime for this platform', () => {
    const names = fs.readdirSync(path.join(installed, 'prebuilds', platformFolder));
    expect(names.filter((name) => name.endsWith('.node'))).toHaveLength(1);
    expect(names.filter((name) => /crossrank-ort\.(so|dylib|dll)$/.test(name))).toHaveLength(1);
  });

  test('names no folder of the machine that built it', () => {
    const folder = path.join(installed, 'prebuilds', platformFolder);
    const addon = fs.readdirSync(folder).find((name) => name.endsWith('.node')) as string;
    const content = fs.readFileSync(path.join(folder, addon));
    expect(content.includes(ROOT)).toBe(false);
    expect(content.includes(path.join(os.homedir(), '.cargo'))).toBe(false);
  });

  test.each([
    ['require', ['-e', REQUIRE_AND_RANK]],
    ['import', ['--input-type=module', '-e', IMPORT_AND_RANK]],
  ])(
    'ranks with %s where no compiler, cmake or cargo is',
    (_, args) => {
      const env = { ...cleanEnv, PATH: pathWithoutTools(), PREBUILDS_ONLY: '1' };
      expect(fs.existsSync(path.join(installed, 'build'))).toBe(false);
      expect(JSON.parse(runNode(args, app, env))).toEqual([1, 0]);
    },
    120_000,
  );

  test('says what to do when the addon is of another machine', () => {
    const folder = path.join(installed, 'prebuilds', platformFolder);
    const addon = path.join(folder, fs.readdirSync(folder).find((name) => name.endsWith('.node')) as string);
    const kept = fs.readFileSync(addon);
    fs.writeFileSync(addon, 'not an addon');
    try {
      const script = `import('crossrank').then((c) => c.Reranker.load()).catch((e) => console.log(e.code, e.message))`;
      const output = runNode(['-e', script], app, { ...cleanEnv, PREBUILDS_ONLY: '1' });
      expect(output).toMatch(/^ERR_NATIVE_LOAD The native addon of crossrank did not load\./);
      expect(output).toContain(addon);
      expect(output).toMatch(/install again|npm rebuild crossrank --build-from-source/);
    } finally {
      fs.writeFileSync(addon, kept, { mode: 0o755 });
    }
  });

  // The last test here: it takes the prebuilt addon away.
  test('builds from source when there is no prebuilt addon', () => {
    const folder = path.join(installed, 'prebuilds', platformFolder);
    for (const name of fs.readdirSync(folder)) {
      if (name.endsWith('.node')) fs.rmSync(path.join(folder, name));
    }
    const quickRust = {
      CROSSRANK_CARGO_TARGET_DIR: path.join(ROOT, 'build', 'packaging-cargo'),
      CARGO_PROFILE_RELEASE_LTO: 'off',
      CARGO_PROFILE_RELEASE_OPT_LEVEL: '1',
      CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
    };
    runNode([npmScript(), 'rebuild', 'crossrank'], app, { ...cleanEnv, ...quickRust });
    expect(fs.existsSync(path.join(installed, 'build', 'Release', 'crossrank.node'))).toBe(true);
    expect(JSON.parse(runNode(['-e', REQUIRE_AND_RANK], app, cleanEnv))).toEqual([1, 0]);
  }, 900_000);
});
