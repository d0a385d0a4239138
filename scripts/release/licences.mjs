// Everything that is given away, or installed with it, is under a licence that allows it, and what lies inside the
// tarball brings its text along.

import fs from 'node:fs';
import path from 'node:path';
import { compiledPackages, linkedCrates, NOTICES, noticeLine } from '../third-party.mjs';
import { RUST_TARGETS } from './rules.mjs';
import { isAllowedLicence } from './spdx.mjs';

/**
 * @param root - The folder of package.json, its lock file, node_modules, models/ and prebuilds/
 * @param platforms - Those whose addons are in the tarball
 * @param files - The tarball's
 */
export function checkLicences({ root, platforms, files }) {
  const installed = installedPackages(root);
  const linked = new Map(
    platforms.map((name) => [name, [...linkedCrates(RUST_TARGETS[name]), ...compiledPackages()]]),
  );
  const models = fs.readdirSync(path.join(root, 'models')).map((name) => ({
    title: `models/${name}`,
    licence: modelLicence(path.join(root, 'models', name, 'README.md')),
  }));
  const crates = new Map([...linked.values()].flat().map((part) => [part.title, part]));
  const refused = [...installed, ...crates.values(), ...models].filter(
    ({ licence }) => !isAllowedLicence(licence),
  );
  return {
    problems: [
      ...refused.map(
        ({ title, licence }) =>
          `${title} is under ${licence ?? 'no licence'}, which scripts/release/rules.mjs does not allow: replace it`,
      ),
      ...textProblems(files, models),
      ...[...linked].flatMap(([platform, parts]) => noticeProblems(root, platform, parts)),
    ],
    facts: `${installed.length} packages of npm, ${crates.size} parts of the addon, ${models.length} models`,
  };
}

/** What `npm install crossrank` installs: neither development nor peers, but all platforms' optional packages. */
function installedPackages(root) {
  const { packages } = JSON.parse(fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .filter(([place, { dev, devOptional, peer }]) => place !== '' && !dev && !devOptional && !peer)
    .map(([place, { version, license }]) => {
      const manifest = path.join(root, place, 'package.json');
      // Packages for other platforms are not installed here; the lock file has what the registry said of them.
      const stated = fs.existsSync(manifest)
        ? JSON.parse(fs.readFileSync(manifest, 'utf8')).license
        : license;
      return { title: `${place.replace(/^.*node_modules\//, '')} ${version}`, licence: stated };
    });
}

/** Model cards say it in their front matter, in lower case. */
function modelLicence(card) {
  const [, name] = /^---\n[\s\S]*?^license: (\S+)$/m.exec(fs.readFileSync(card, 'utf8')) ?? [];
  return { mit: 'MIT', 'apache-2.0': 'Apache-2.0' }[name] ?? name;
}

function textProblems(files, models) {
  const needed = [
    'LICENSE',
    'native/third_party/onnxruntime/LICENSE',
    'native/third_party/onnxruntime/ThirdPartyNotices.txt',
    ...models.map(({ title }) => `${title}/LICENSE`),
  ];
  return needed
    .filter((file) => !files.some(({ path: name }) => name === file))
    .map((file) => `the tarball lacks ${file}: it has to carry that text`);
}

function noticeProblems(root, platform, parts) {
  const file = path.join(root, 'prebuilds', platform, NOTICES);
  if (!fs.existsSync(file))
    return [`prebuilds/${platform}/${NOTICES} is missing: run npm run prebuild there`];
  const lines = new Set(fs.readFileSync(file, 'utf8').split('\n'));
  const absent = parts.filter((part) => !lines.has(noticeLine(part))).map(({ title }) => title);
  if (absent.length === 0) return [];
  return [
    `prebuilds/${platform}/${NOTICES} lacks ${absent.join(', ')}, linked into the addon: run npm run prebuild there`,
  ];
}
