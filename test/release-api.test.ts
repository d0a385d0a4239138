// A surface that changed is seen, shown, and accepted by a command; small packages stand for ours.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { ROOT, temporaryFolder } from './support/models';
import { callScript, type Outcome, writeFiles } from './support/release';

const TYPES = {
  'dist/index.d.ts': [
    "import type { Shared } from './shared';",
    "export type { Shared } from './shared';",
    '/** Adds. */',
    'export declare function add(a: number, b: number): Shared;',
  ].join('\n'),
  'dist/shared.d.ts': '/** What both have. */\nexport interface Shared {\n  value: number;\n}\n',
  'dist/more.d.ts': [
    "import type { Shared } from './shared';",
    '/** More. */',
    'export declare class More {',
    '  /** @internal */',
    '  constructor(parts: Parts);',
    '  shared(): Shared;',
    '}',
    'interface Parts {',
    '  hidden: string;',
    '}',
    'export {};',
  ].join('\n'),
};

const manifest = (version: string) => ({
  name: 'crossrank',
  version,
  exports: {
    '.': { types: './dist/index.d.ts', default: './dist/index.js' },
    './more': { types: './dist/more.d.ts', default: './dist/more.js' },
  },
});

/** A package whose surface is accepted. */
function makePackage(): { root: string; accepted: string } {
  const root = temporaryFolder();
  writeFiles(root, { ...TYPES, 'package.json': manifest('0.1.0') });
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(root, 'node_modules'), 'junction');
  const context = { root, accepted: path.join(root, 'api') };
  expect(callScript('release/api.mjs', 'acceptApi', context)).toEqual({
    names: ['crossrank.api.md', 'more.api.md'],
    warnings: [],
  });
  return context;
}

const { root: original, accepted } = makePackage();

function changed(files: Record<string, string | object>): { root: string; accepted: string } {
  const root = temporaryFolder();
  fs.cpSync(original, root, { recursive: true, verbatimSymlinks: true });
  writeFiles(root, files);
  return { root, accepted: path.join(root, 'api') };
}

const check = (context: object): Outcome => callScript('release/api.mjs', 'checkApi', context);

test('an accepted surface passes', () => {
  expect(check({ root: original, accepted })).toEqual({ problems: [], facts: '2 entry points' });
});

test('a report has what users reach: no internals, and nothing of the main entry point again', () => {
  const more = fs.readFileSync(path.join(accepted, 'more.api.md'), 'utf8');
  expect(more).toContain('export class More {\n    // (undocumented)\n    shared(): Shared;\n}');
  expect(more).not.toMatch(/Parts|hidden|interface Shared/);
});

test('an inside that changed is no change of the surface', () => {
  const inside = TYPES['dist/more.d.ts'].replace('hidden: string', 'hidden: number');
  expect(check(changed({ 'dist/more.d.ts': inside })).problems).toEqual([]);
});

test('a parameter that changed is shown, with what to do', () => {
  const context = changed({ 'dist/index.d.ts': TYPES['dist/index.d.ts'].replace('b: number', 'b?: number') });
  const [problem, ...more] = check(context).problems;
  expect(more).toEqual([]);
  expect(problem).toMatch(
    /^api\/crossrank\.api\.md is not the surface of now; to accept it: npm run release:api\n/,
  );
  expect(problem).toContain('-export function add(a: number, b: number): Shared;');
  expect(problem).toContain('+export function add(a: number, b?: number): Shared;');
  callScript('release/api.mjs', 'acceptApi', context);
  const report = fs.readFileSync(path.join(context.accepted, 'crossrank.api.md'), 'utf8');
  expect(report).toContain('export function add(a: number, b?: number): Shared;');
});

test('an entry point that is new, or gone, is a problem', () => {
  const { '.': main } = manifest('0.1.0').exports;
  const other = { types: './dist/shared.d.ts', default: './dist/shared.js' };
  const context = changed({
    'package.json': { ...manifest('0.1.0'), exports: { '.': main, './other': other } },
  });
  const { problems } = check(context);
  expect(problems).toContainEqual(
    expect.stringMatching(/^api\/more\.api\.md is of an entry point that is gone/),
  );
  expect(problems).toContainEqual(expect.stringMatching(/^api\/other\.api\.md is not the surface of now/));
});

test('a type that users meet and cannot name is a problem', () => {
  const forgotten = `${TYPES['dist/index.d.ts']}\n/** New. */\nexport declare function read(): Headers;\ninterface Headers {\n  text: string;\n}\n`;
  expect(check(changed({ 'dist/index.d.ts': forgotten })).problems).toContainEqual(
    expect.stringMatching(
      /^ae-forgotten-export: The symbol "Headers(_\d+)?" needs to be exported .* \(dist\/index\.d\.ts:6\)$/,
    ),
  );
});

test('what the last release had is not lost in a small step', () => {
  const context = changed({});
  const git = (...args: string[]) => {
    const who = ['-c', 'user.name=A', '-c', 'user.email=a@example.org'];
    execFileSync('git', [...who, ...args], { cwd: context.root, stdio: 'ignore' });
  };
  git('init');
  git('add', 'api', 'package.json');
  git('commit', '-m', 'One');
  git('tag', 'v0.1.0');
  const renamed = TYPES['dist/index.d.ts'].replace('function add', 'function sum');
  writeFiles(context.root, { 'dist/index.d.ts': renamed, 'package.json': manifest('0.1.1') });
  callScript('release/api.mjs', 'acceptApi', context);
  const lost =
    /^crossrank\.api\.md lost since v0\.1\.0, so 0\.1\.1 is too small a step:\n {2}export function add/;
  expect(check(context).problems).toEqual([expect.stringMatching(lost)]);
  writeFiles(context.root, { 'package.json': manifest('0.2.0') });
  expect(check(context).problems).toEqual([]);
});
