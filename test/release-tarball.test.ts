// What a tarball holds, weighs and tells, and whether it works where it is installed; small packages stand for ours.

import fs from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from './support/models';
import { callScript, type Outcome, writeFiles } from './support/release';

const MANIFEST = {
  name: 'crossrank',
  version: '1.2.3',
  main: './dist/lib/index.js',
  types: './dist/lib/index.d.ts',
  bin: { crossrank: 'dist/lib/main.js' },
  exports: {
    '.': { types: './dist/lib/index.d.ts', default: './dist/lib/index.js' },
    './more': { types: './dist/lib/more.d.ts', default: './dist/lib/more.js' },
    './package.json': './package.json',
  },
  typesVersions: { '*': { more: ['./dist/lib/more.d.ts'] } },
  files: ['dist/'],
};
const FILES = {
  'dist/lib/index.js': 'exports.one = 1;\n',
  'dist/lib/index.d.ts': 'export declare const one: number;\n',
  'dist/lib/more.js': 'exports.two = 2;\n',
  'dist/lib/more.d.ts': 'export declare const two: number;\n',
  'dist/lib/main.js': '#!/usr/bin/env node\nconsole.log(require("../../package.json").version);\n',
};

interface Packed {
  tarball: string;
  files: { path: string; size: number }[];
  size: number;
  unpackedSize: number;
}

function packed(files: Record<string, string> = {}, manifest: object = {}): { root: string; packed: Packed } {
  const root = temporaryFolder();
  writeFiles(root, { ...FILES, ...files, 'package.json': { ...MANIFEST, ...manifest } });
  return { root, packed: callScript<Packed>('release/pack.mjs', 'pack', root, temporaryFolder()) };
}

/** The same without npm: all files of the folder are packed. */
function listed(files: Record<string, string> = {}, manifest: object = {}): { root: string; packed: Packed } {
  const root = temporaryFolder();
  const all = { ...FILES, ...files, 'package.json': { ...MANIFEST, ...manifest } };
  writeFiles(root, all);
  const names = Object.keys(all).map((name) => ({ path: name, size: 1 }));
  return { root, packed: { tarball: '', files: names, size: 1, unpackedSize: 1 } };
}

const checkContent = (made: { root: string; packed: Packed }): Outcome =>
  callScript('release/tarball.mjs', 'checkTarball', { ...made, platforms: ['linux-x64'] });

function checkInstalled({ packed: { tarball } }: { packed: Packed }): Outcome {
  const context = { app: temporaryFolder(), tarball, manifest: MANIFEST, ranks: false };
  return callScript('release/tarball.mjs', 'checkInstalled', context);
}

const checkTypes = ({ packed: { tarball } }: { packed: Packed }): Outcome =>
  callScript('release/types.mjs', 'checkTypes', { tarball });

describe('a package as it should be', () => {
  const made = packed();

  test('has the right content', () => {
    expect(checkContent(made).problems).toEqual([]);
  });

  test('works where it is installed', () => {
    expect(checkInstalled(made)).toEqual({ problems: [], facts: '2 entry points' });
  });

  test('has types for everybody', () => {
    expect(checkTypes(made).problems).toEqual([]);
  });
});

describe('a tarball', () => {
  test.each(['dist/lib/index.js.map', 'dist/test/one.test.js', 'dist/lib/.env'])(
    'with the stray %s is a problem',
    (name) => {
      expect(checkContent(listed({ [name]: 'x' })).problems).toEqual([
        expect.stringContaining(`${name} is a stray`),
      ]);
    },
  );

  test('without a file that package.json promises is a problem', () => {
    const manifest = { bin: { crossrank: 'dist/lib/gone.js' } };
    expect(checkContent(listed({}, manifest)).problems).toEqual([
      expect.stringContaining('dist/lib/gone.js is missing, and package.json promises it'),
    ]);
  });

  test('for which "files" names what is not there is a problem', () => {
    expect(checkContent(listed({}, { files: ['dist/', 'prebuilds/'] })).problems).toEqual([
      expect.stringContaining('names prebuilds/, and nothing of that is there'),
    ]);
  });

  test('that weighs too much is a problem', () => {
    const made = listed();
    const heavy = { ...made, packed: { ...made.packed, size: 98_000_001, unpackedSize: 153_000_001 } };
    expect(checkContent(heavy).problems).toEqual([
      expect.stringMatching(/weighs 98\.0 MB packed, more than 98\.0 MB/),
      expect.stringMatching(/weighs 153\.0 MB unpacked, more than 153\.0 MB/),
    ]);
  });

  test.each(['/home/builder/crossrank/lib', 'D:\\a\\crossrank\\build', '/root/.cargo/registry/src'])(
    'that names %s is a problem',
    (folder) => {
      const files = { 'dist/lib/index.js': `exports.at = ${JSON.stringify(folder)};` };
      expect(checkContent(listed(files)).problems).toEqual([
        expect.stringMatching(/^dist\/lib\/index\.js names .*, a folder of the machine that built it/),
      ]);
    },
  );

  test('that names its own folder is a problem', () => {
    const made = listed();
    fs.writeFileSync(path.join(made.root, 'dist/lib/index.js'), `// ${made.root}/lib`);
    expect(checkContent(made).problems).toEqual([
      expect.stringContaining(`dist/lib/index.js names ${made.root}`),
    ]);
  });
});

describe('an installed package', () => {
  test('whose entry point throws, and whose command tells another version, is a problem', () => {
    const made = packed({
      'dist/lib/more.js': 'require("./gone");\n',
      'dist/lib/main.js': '#!/usr/bin/env node\nconsole.log("9.9.9");\n',
    });
    const { problems } = checkInstalled(made);
    expect(problems).toHaveLength(3);
    expect(problems).toContainEqual(
      expect.stringMatching(/require\('crossrank\/more'\) fails: Error: Cannot find/),
    );
    expect(problems).toContainEqual(expect.stringMatching(/import 'crossrank\/more' fails/));
    expect(problems).toContainEqual(expect.stringContaining('--version gives "9.9.9", not "1.2.3"'));
  });
});

describe('types', () => {
  test('that are missing for one way of resolution are a problem', () => {
    const { problems } = checkTypes(packed({}, { typesVersions: undefined }));
    expect(problems).toEqual([
      expect.stringMatching(/^NoResolution \(crossrank\/more|^NoResolution \(\.\/more, node10/),
    ]);
  });

  test('of ESM over CommonJS code are a problem', () => {
    const exports = {
      '.': { types: './dist/lib/index.d.mts', default: './dist/lib/index.js' },
      './more': MANIFEST.exports['./more'],
    };
    const files = { 'dist/lib/index.d.mts': 'export declare const one: number;\n' };
    expect(checkTypes(packed(files, { exports })).problems).toContainEqual(
      expect.stringMatching(/^FalseESM/),
    );
  });

  test('that are not there at all are a problem', () => {
    const manifest = {
      types: undefined,
      typesVersions: undefined,
      exports: { '.': './dist/lib/index.js' },
      files: ['dist/lib/*.js'],
    };
    expect(checkTypes(packed({}, manifest)).problems).toEqual(['the tarball has no types']);
  });
});
