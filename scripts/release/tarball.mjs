// The tarball holds what package.json promises and nothing else, weighs no more than agreed, names no folder of the
// machine it was made on, and works where it is installed.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisedFiles, readManifest, runNpm } from './pack.mjs';
import { SIZES, TARBALL_FILES } from './rules.mjs';

/**
 * @param root - The folder that was packed
 * @param packed - What `pack` returned
 * @param platforms - Those whose addons are inside, by which it may weigh more
 */
export function checkTarball({ root, packed, platforms }) {
  return {
    problems: [
      ...contentProblems(readManifest(root), packed.files),
      ...sizeProblems(packed, platforms.length),
      ...folderProblems(root, packed.files),
    ],
    facts: `${packed.files.length} files, ${megabytes(packed.size)} packed, ${megabytes(packed.unpackedSize)} unpacked`,
  };
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

function contentProblems(manifest, files) {
  const names = files.map(({ path: name }) => name);
  const strays = names.filter((name) => !TARBALL_FILES.some((pattern) => pattern.test(name)));
  const missing = promisedFiles(manifest).filter((name) => !names.includes(name));
  const unused = (manifest.files ?? [])
    .filter((pattern) => !pattern.startsWith('!'))
    .filter((pattern) => !names.some((name) => name === pattern || name.startsWith(pattern)));
  return [
    ...strays.map(
      (name) =>
        `${name} is a stray: leave it out by "files" of package.json, or allow it in scripts/release/rules.mjs`,
    ),
    ...missing.map((name) => `${name} is missing, and package.json promises it`),
    ...unused.map((pattern) => `"files" of package.json names ${pattern}, and nothing of that is there`),
  ];
}

function sizeProblems({ size, unpackedSize }, platforms) {
  return [
    ['packed', size],
    ['unpacked', unpackedSize],
  ]
    .map(([state, bytes]) => ({
      state,
      bytes,
      most: SIZES[state].shared + platforms * SIZES[state].platform,
    }))
    .filter(({ bytes, most }) => bytes > most)
    .map(
      ({ state, bytes, most }) =>
        `it weighs ${megabytes(bytes)} ${state}, more than ${megabytes(most)}: find what grew, or raise SIZES in scripts/release/rules.mjs`,
    );
}

/** Folders of people and of build services; ONNX Runtime's libraries are Microsoft's and have theirs. */
const BUILD_FOLDERS =
  /(\/home\/\w+\/|\/Users\/\w+\/|\/root\/\.\w+\/|\/__w\/|\/github\/workspace|[A-Z]:\\{1,2}a\\)[\w.\\/-]*/;

function folderProblems(root, files) {
  const ours = files.filter(({ path: name }) => /^dist\/|\.node$/.test(name));
  return ours.flatMap(({ path: name }) => {
    const text = fs.readFileSync(path.join(root, name), 'latin1');
    const found = [root, path.join(os.homedir(), '.cargo')].find((folder) => text.includes(folder));
    const folder = found ?? BUILD_FOLDERS.exec(text)?.[0];
    return folder === undefined ? [] : [`${name} names ${folder}, a folder of the machine that built it`];
  });
}

const RANK = `
  const { Reranker } = require('crossrank');
  (async () => {
    const reranker = await Reranker.load(undefined, { profile: false });
    const { results } = await reranker.rerank('red planet', ['Bread is made of flour.', 'Mars is the red planet.']);
    await reranker.dispose();
    console.log(results[0].index);
  })();`;

/**
 * Installs the tarball into the empty folder `app`, and uses it: every entry point, the command, and a ranking with the
 * prebuilt addon.
 * @param ranks - Whether an addon for this platform is inside
 */
export function checkInstalled({ app, tarball, manifest, ranks }) {
  fs.writeFileSync(path.join(app, 'package.json'), '{ "private": true }\n');
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline'];
  runNpm(['install', tarball, ...quiet], app);

  const problems = [];
  const run = (what, expected, args) => {
    const env = { ...process.env, PREBUILDS_ONLY: '1' };
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: app, env, encoding: 'utf8' });
    if (status !== 0)
      problems.push(`installed, ${what} fails: ${/^\w*Error.*$/m.exec(stderr)?.[0] ?? stderr.trim()}`);
    else if (stdout.trim() !== expected)
      problems.push(`installed, ${what} gives "${stdout.trim()}", not "${expected}"`);
  };
  const entries = Object.keys(manifest.exports).filter((entry) => entry !== './package.json');
  for (const entry of entries) {
    const name = path.posix.join(manifest.name, entry);
    run(`require('${name}')`, 'object', ['-p', `typeof require('${name}')`]);
    run(`import '${name}'`, 'object', [
      '--input-type=module',
      '-e',
      `console.log(typeof (await import('${name}')))`,
    ]);
  }
  for (const command of Object.keys(manifest.bin ?? {})) {
    const link = fs.realpathSync(path.join(app, 'node_modules', '.bin', command));
    run(`${command} --version`, manifest.version, [link, '--version']);
  }
  if (ranks) run('a ranking', '1', ['-e', RANK]);
  return { problems, facts: `${entries.length} entry points${ranks ? ', a ranking' : ''}` };
}
