// What is given away may be given away, and brings its licence along.

import fs from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from './support/models';
import { callScript, type Outcome, writeFiles } from './support/release';

test.each([
  ['MIT', true],
  ['MIT/Apache-2.0', true],
  ['GPL-3.0-only', false],
  ['GPL-3.0-only OR MIT', true],
  ['MIT AND GPL-3.0-only', false],
  ['(MIT OR Apache-2.0) AND Unicode-3.0', true],
  ['(MIT OR Apache-2.0) AND GPL-2.0-only', false],
  ['GPL-2.0-only OR (ISC AND Zlib)', true],
  ['Apache-2.0 WITH LLVM-exception OR GPL-2.0-only', true],
  ['GPL-3.0-only WITH GCC-exception-3.1', false],
  ['MIT OR', false],
  ['MIT)', false],
  ['(MIT', false],
  ['SEE LICENSE IN LICENSE.txt', false],
  ['', false],
  [null, false],
])('the licence %j is allowed: %j', (expression, allowed) => {
  expect(callScript('release/spdx.mjs', 'isAllowedLicence', expression)).toBe(allowed);
});

interface Part {
  title: string;
  licence: string;
  folder: string;
}

const here = `${process.platform}-${process.arch}`;
const notices = path.join(temporaryFolder(), 'notices');
fs.mkdirSync(notices);
callScript('third-party.mjs', 'placeThirdPartyNotices', notices);
const text = fs.readFileSync(path.join(notices, 'crossrank-ThirdPartyNotices.txt'), 'utf8');

const TEXTS = [
  'LICENSE',
  'native/third_party/onnxruntime/LICENSE',
  'native/third_party/onnxruntime/ThirdPartyNotices.txt',
  'models/small/LICENSE',
];

const PACKAGES = {
  '': { dependencies: { good: '1.0.0' } },
  'node_modules/good': { version: '1.0.0', license: 'MIT' },
  'node_modules/a-tool': { version: '1.0.0', license: 'GPL-3.0-only', dev: true },
  'node_modules/a-peer': { version: '1.0.0', license: 'GPL-3.0-only', peer: true },
};

function checkWith({ packages = {}, card = 'license: mit', files = TEXTS, notice = text } = {}): Outcome {
  const root = temporaryFolder();
  writeFiles(root, {
    'package-lock.json': { packages: { ...PACKAGES, ...packages } },
    'models/small/README.md': `---\n${card}\nlanguage: en\n---\n# small\n`,
    [`prebuilds/${here}/crossrank-ThirdPartyNotices.txt`]: notice,
  });
  const context = { root, platforms: [here], files: files.map((file) => ({ path: file, size: 1 })) };
  return callScript('release/licences.mjs', 'checkLicences', context);
}

test('all licences allowed and all texts there pass', () => {
  expect(checkWith()).toEqual({
    problems: [],
    facts: expect.stringMatching(/^1 packages of npm, \d+ parts of the addon/),
  });
});

test('a package under a licence that asks for more is a problem', () => {
  const packages = { 'node_modules/good/node_modules/bad': { version: '2.0.0', license: 'AGPL-3.0-only' } };
  expect(checkWith({ packages }).problems).toEqual([
    expect.stringMatching(/^bad 2\.0\.0 is under AGPL-3\.0-only, which/),
  ]);
});

test('a package without a licence is a problem', () => {
  const packages = { 'node_modules/mute': { version: '2.0.0' } };
  expect(checkWith({ packages }).problems).toEqual([
    expect.stringMatching(/^mute 2\.0\.0 is under no licence/),
  ]);
});

test('a model without a licence, or under one that forbids, is a problem', () => {
  expect(checkWith({ card: 'pipeline_tag: x' }).problems).toEqual([
    expect.stringMatching(/^models\/small is under no lic/),
  ]);
  expect(checkWith({ card: 'license: cc-by-nc-4.0' }).problems).toEqual([
    expect.stringContaining('under cc-by-nc-4.0'),
  ]);
});

test.each(TEXTS)('a tarball without %s is a problem', (file) => {
  const files = TEXTS.filter((each) => each !== file);
  expect(checkWith({ files }).problems).toEqual([`the tarball lacks ${file}: it has to carry that text`]);
});

test('notices that leave out a crate that is linked are a problem', () => {
  const crates = callScript<Part[]>('third-party.mjs', 'linkedCrates');
  const titles = crates.map(({ title }) => title.replace(/ .*/, ''));
  expect(titles).toEqual(expect.arrayContaining(['tokenizers', 'safetensors', 'serde_json']));
  // Macros run in the compiler: they are not in the addon.
  expect(titles).not.toContain('serde_derive');
  const [line] = /^tokenizers .*$/m.exec(text) as RegExpExecArray;
  const [problem, ...more] = checkWith({ notice: text.replaceAll(line, '') }).problems;
  expect(more).toEqual([]);
  expect(problem).toMatch(/crossrank-ThirdPartyNotices\.txt lacks tokenizers [\d.]+, linked into the addon/);
});

test('notices have the licence texts themselves', () => {
  expect(text).toMatch(/Permission is hereby granted, free of charge/);
  expect(text).toMatch(/Apache License\s+Version 2\.0, January 2004/);
  expect(text).toMatch(
    /UNICODE LICENSE V3|Boost Software License|zlib License|This software is provided 'as-is'/i,
  );
});

test('a part without a licence file cannot be given away', () => {
  const part: Part = { title: 'mute 1.0.0', licence: 'MIT', folder: temporaryFolder() };
  expect(() => callScript('third-party.mjs', 'noticesOf', [part])).toThrow(
    /mute 1\.0\.0 has no licence file/,
  );
});
