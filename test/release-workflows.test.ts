// The workflows build what a release needs, on systems as old as it promises, and run commands that exist.

import fs from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { ROOT } from './support/models';
import { scriptValues } from './support/release';

interface Step {
  uses?: string;
  run?: string;
  with?: Record<string, unknown>;
}

interface Job {
  if?: string;
  needs?: string;
  environment?: string;
  permissions?: Record<string, string>;
  env?: Record<string, string>;
  container?: string;
  strategy?: { matrix: { include?: { platform: string; runner: string; container?: string }[] } };
  steps: Step[];
}

interface Workflow {
  on: Record<string, unknown>;
  permissions: Record<string, string>;
  jobs: Record<string, Job>;
}

const folder = path.join(ROOT, '.github', 'workflows');
const names = fs.readdirSync(folder);
const workflow = (name: string) => parse(fs.readFileSync(path.join(folder, name), 'utf8')) as Workflow;
const stepsOf = (name: string) => Object.values(workflow(name).jobs).flatMap(({ steps }) => steps);

const { scripts } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
const { PLATFORMS, FLOORS } = scriptValues<{ PLATFORMS: string[]; FLOORS: Record<string, string> }>(
  'release/rules.mjs',
);
const { prebuild, tarball, publish } = workflow('prebuilds.yml').jobs as Record<string, Job>;
const built = prebuild?.strategy?.matrix.include ?? [];

test('prebuilds are built for the platforms that a release needs', () => {
  expect(built.map(({ platform }) => platform).sort()).toEqual(PLATFORMS);
});

test('on Linux they are built in containers whose C library is the oldest that is promised', () => {
  const onLinux = built.filter(({ platform }) => platform.startsWith('linux-'));
  const machines: Record<string, string> = { 'linux-x64': 'x86_64', 'linux-arm64': 'aarch64' };
  for (const { platform, container } of onLinux) {
    const floor = String(FLOORS.glibc).replace('.', '_');
    expect(container).toBe(`quay.io/pypa/manylinux_${floor}_${machines[platform]}`);
  }
  expect(onLinux).toHaveLength(2);
  expect(prebuild?.container).toMatch(/^\$\{\{ matrix\.container \}\}$/);
});

test('on macOS they are built for the oldest system that is promised', () => {
  expect(prebuild?.env?.MACOSX_DEPLOYMENT_TARGET).toBe(FLOORS.macos);
});

test('what is published was checked as a release, tagged, approved, and signed for', () => {
  const commands = (job: Job | undefined) => job?.steps.map(({ run }) => run ?? '').join('\n') ?? '';
  expect(commands(tarball)).toMatch(/^npm run release:check$/m);
  expect(tarball?.needs).toBe('prebuild');
  expect(publish).toMatchObject({
    needs: 'tarball',
    if: "startsWith(github.ref, 'refs/tags/v')",
    environment: 'npm',
    permissions: { contents: 'read', 'id-token': 'write' },
  });
  expect(commands(publish)).toContain('npm publish ./crossrank-*.tgz');
});

describe.each(names)('%s', (name) => {
  test('runs commands that are there', () => {
    const runs = stepsOf(name).map(({ run }) => run ?? '');
    const called = runs.flatMap((run) =>
      [...run.matchAll(/npm run (?:-s )?([\w:-]+)/g)].map(([, script]) => script),
    );
    expect(called.length).toBeGreaterThan(0);
    for (const script of called) expect(Object.keys(scripts)).toContain(script);
    const files = runs.flatMap((run) => run.match(/^\.\w+\/\w+$/gm) ?? []);
    for (const file of files) expect(fs.statSync(path.join(ROOT, file)).mode & 0o111).not.toBe(0);
  });

  test('may only read, unless a job needs more', () => {
    expect(workflow(name).permissions).toEqual({ contents: 'read' });
    const wider = Object.entries(workflow(name).jobs).filter(([, job]) => job.permissions !== undefined);
    expect(wider.map(([job]) => job)).toEqual(name === 'prebuilds.yml' ? ['publish'] : []);
  });

  test('uses actions of a stated version, which leave no credentials behind', () => {
    const used = stepsOf(name).filter(({ uses }) => uses !== undefined);
    for (const { uses, with: options } of used) {
      expect(uses).toMatch(/^actions\/[\w-]+@v\d+$/);
      if (uses?.startsWith('actions/checkout@'))
        expect(options).toMatchObject({ 'persist-credentials': false });
    }
  });
});
