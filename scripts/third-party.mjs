// The licences of what is linked into the addon: crates of Rust, Rust's standard library, and node-addon-api. Their texts
// go beside every addon that is given away, as those of ONNX Runtime do.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { StepError } from './commands.mjs';
import { copyAtomically, inRoot, writeAtomically } from './files.mjs';

const packageRequire = createRequire(import.meta.url);

export const NOTICES = 'crossrank-ThirdPartyNotices.txt';
/** Rust's own page of its standard library and the crates inside that. */
export const RUST_NOTICES = 'rust-std-COPYRIGHT.html';

const LICENCE_FILE = /^(un)?licen[cs]e|^copying|^copyright|^notice/i;
const MANIFEST = inRoot('native', 'formats', 'Cargo.toml');

function ask(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (status !== 0) throw new StepError(`${command} ${args[0]} failed`, error?.message ?? stderr);
  return stdout;
}

/**
 * Crates that a static library for `target` (a triple of Rust; the host's where it is undefined) consists of, ours left
 * out: what runs only while it is built, such as macros, is not in it.
 */
export function linkedCrates(target) {
  const triple = target ?? /^host: (.*)$/m.exec(ask(process.env.RUSTC ?? 'rustc', ['-vV']))[1];
  const options = ['--format-version', '1', '--locked', '--filter-platform', triple];
  const cargo = process.env.CARGO ?? 'cargo';
  const { packages, resolve } = JSON.parse(ask(cargo, ['metadata', ...options, '--manifest-path', MANIFEST]));
  const byId = new Map(packages.map((crate) => [crate.id, crate]));
  const depsOf = new Map(resolve.nodes.map(({ id, deps }) => [id, deps]));
  const linked = new Set();
  const visit = (id) => {
    if (linked.has(id) || byId.get(id).targets.some(({ kind }) => kind.includes('proc-macro'))) return;
    linked.add(id);
    for (const { pkg, dep_kinds: kinds } of depsOf.get(id)) {
      if (kinds.some(({ kind }) => kind === null)) visit(pkg);
    }
  };
  visit(resolve.root);
  linked.delete(resolve.root);
  return [...linked]
    .map((id) => byId.get(id))
    .map(({ name, version, license, manifest_path: manifest }) => ({
      title: `${name} ${version}`,
      licence: license ?? 'none stated',
      folder: path.dirname(manifest),
    }))
    .sort((a, b) => (a.title < b.title ? -1 : 1));
}

/** Headers of npm packages that are compiled into the addon. */
export function compiledPackages() {
  return ['node-addon-api', 'node-api-headers'].map((name) => {
    const manifest = packageRequire.resolve(`${name}/package.json`);
    const { version, license } = packageRequire(manifest);
    return { title: `${name} ${version}`, licence: license, folder: path.dirname(manifest) };
  });
}

function licenceTexts(folder) {
  return fs
    .readdirSync(folder)
    .filter((name) => LICENCE_FILE.test(name) && fs.statSync(path.join(folder, name)).isFile())
    .sort()
    .map((name) => fs.readFileSync(path.join(folder, name), 'utf8').replaceAll('\r\n', '\n').trim());
}

/** How one of them is named in the notices. */
export const noticeLine = ({ title, licence }) => `${title} (${licence})`;

/** Equal texts once, each below the names of all that have it. */
export function noticesOf(parts) {
  const owners = new Map();
  for (const part of parts) {
    const texts = licenceTexts(part.folder);
    if (texts.length === 0) throw new StepError(`${part.title} has no licence file in ${part.folder}`);
    for (const text of texts) owners.set(text, [...(owners.get(text) ?? []), noticeLine(part)]);
  }
  const head =
    'Linked into crossrank.node, each under the licences in brackets; "OR" lets the user choose.\n' +
    `Those of Rust's standard library are in ${RUST_NOTICES}, where Rust's toolchain has them.\n`;
  const sections = [...owners].map(([text, names]) => `${names.join('\n')}\n${'-'.repeat(80)}\n${text}\n`);
  return [head, ...sections].join(`\n${'='.repeat(80)}\n`);
}

/** Puts the notices into `folder`, beside the addon. */
export function placeThirdPartyNotices(folder) {
  writeAtomically(path.join(folder, NOTICES), noticesOf([...linkedCrates(), ...compiledPackages()]));
  const sysroot = ask(process.env.RUSTC ?? 'rustc', ['--print', 'sysroot']).trim();
  const page = path.join(sysroot, 'share', 'doc', 'rust', 'COPYRIGHT-library.html');
  // rustup's toolchains have it, those of some distributions do not: then an addon serves here, but not for a release.
  if (fs.existsSync(page)) copyAtomically(page, path.join(folder, RUST_NOTICES));
}
