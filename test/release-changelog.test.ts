// A release's entry in the changelog: there, dated, in order, and its tag still free.

import { execFileSync } from 'node:child_process';
import { temporaryFolder } from './support/models';
import { callScript, type Outcome, writeFiles } from './support/release';

const HEAD = '# Changelog\n\n';
const NEW = '## [0.2.0] - 2026-02-03\n### Added\n- This.\n';
const OLD = '## [0.1.0] - 2026-01-02\n### Fixed\n- That.\n';

function packageWith(changelog?: string): string {
  const root = temporaryFolder();
  writeFiles(root, { 'package.json': { name: 'crossrank', version: '0.2.0' } });
  if (changelog !== undefined) writeFiles(root, { 'CHANGELOG.md': changelog });
  return root;
}

const check = (root: string): Outcome => callScript('release/changelog.mjs', 'checkChangelog', { root });

test('an entry for the version, with a date and changes, passes', () => {
  expect(check(packageWith(HEAD + NEW + OLD))).toEqual({
    problems: [],
    facts: '0.2.0 of 2026-02-03, 1 changes',
  });
});

test('links and an empty Unreleased pass', () => {
  const links = ['Unreleased', '0.2.0', '0.1.0'].map((name) => `[${name}]: https://example.org/${name}\n`);
  expect(check(packageWith(`${HEAD}## [Unreleased]\n\n${NEW}${OLD}\n${links.join('')}`)).problems).toEqual(
    [],
  );
});

test.each([
  ['no file', undefined, /CHANGELOG\.md is missing/],
  ['no entry', HEAD + OLD, /no entry "## \[0\.2\.0\]/],
  ['no date', `${HEAD}## [0.2.0]\n- This.\n`, /its date is missing/],
  ['a date that is none', `${HEAD}## [0.2.0] - 2026-02-30\n- This.\n`, /its date is 2026-02-30/],
  ['a date to come', `${HEAD}## [0.2.0] - 2999-01-01\n- This.\n`, /still to come/],
  ['no change', `${HEAD}## [0.2.0] - 2026-02-03\n${OLD}`, /0\.2\.0: it lists no change/],
  [
    'a kind of change that nobody knows',
    HEAD + NEW.replace('Added', 'Improved'),
    /"Improved" is none of Added/,
  ],
  ['changes under Unreleased', `${HEAD}## [Unreleased]\n- More.\n${NEW}`, /under Unreleased: move them/],
  ['Unreleased below', `${HEAD}${NEW}## [Unreleased]\n`, /Unreleased is not the first/],
  ['the oldest first', HEAD + OLD + NEW, /0\.1\.0 stands before 0\.2\.0/],
  ['an entry twice', HEAD + NEW + NEW, /0\.2\.0 stands before 0\.2\.0/],
  [
    'a newer version of an older day',
    HEAD + NEW.replace('2026-02-03', '2025-02-03') + OLD,
    /older by its date/,
  ],
  [
    'a heading that cannot be read',
    `${HEAD}## Version two\n- This.\n${NEW}`,
    /Version two: that is no version/,
  ],
  [
    'a link of no entry',
    `${HEAD}${NEW}\n[0.2.0]: https://a.b\n[0.0.9]: https://a.b\n`,
    /link \[0\.0\.9\] belongs to no/,
  ],
  ['an entry without its link', `${HEAD}${NEW}${OLD}\n[0.2.0]: https://a.b\n`, /0\.1\.0 has no link/],
])('%s is a problem', (_, changelog, message) => {
  expect(check(packageWith(changelog)).problems).toContainEqual(expect.stringMatching(message));
});

test('a tag on another commit is a problem, and on this one it is the release', () => {
  const root = packageWith(HEAD + NEW);
  const git = (...args: string[]) => {
    const who = ['-c', 'user.name=A', '-c', 'user.email=a@example.org'];
    execFileSync('git', [...who, ...args], { cwd: root, stdio: 'ignore' });
  };
  git('init');
  git('add', '.');
  git('commit', '-m', 'One');
  git('tag', 'v0.2.0');
  expect(check(root).problems).toEqual([]);
  git('commit', '--allow-empty', '-m', 'Two');
  expect(check(root).problems).toEqual([expect.stringMatching(/the tag v0\.2\.0 is on another commit/)]);
});
