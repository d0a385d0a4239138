// CHANGELOG.md (https://keepachangelog.com/en/1.1.0/) has a dated entry for the version of package.json, and its order is
// sound. The tag of that version is still free, or is what is being released.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

const HEADING = /^## \[?([^\]\s]+)\]?(?: - (\S+))?$/;
const KINDS = ['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'];

/** @param root - The folder of package.json and CHANGELOG.md */
export function checkChangelog({ root }) {
  const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  const file = path.join(root, 'CHANGELOG.md');
  if (!fs.existsSync(file))
    return { problems: [`CHANGELOG.md is missing: say in it what ${version} brings`] };
  const { entries, links } = readChangelog(fs.readFileSync(file, 'utf8'));
  const entry = entries.find((each) => each.version === version);
  return {
    problems: [
      ...(entry ? [] : [`CHANGELOG.md has no entry "## [${version}] - YYYY-MM-DD": write what it brings`]),
      ...entries.flatMap(entryProblems),
      ...orderProblems(entries),
      ...linkProblems(entries, links),
      ...tagProblems(root, `v${version}`),
    ],
    facts: entry && `${version} of ${entry.date}, ${entry.changes} changes`,
  };
}

/** Entries in the order of the file, and the versions that link definitions at its end name. */
function readChangelog(text) {
  const entries = [];
  const links = [];
  for (const line of text.split(/\r?\n/)) {
    const heading = HEADING.exec(line);
    if (heading) entries.push({ version: heading[1], date: heading[2], kinds: [], changes: 0 });
    else if (/^## /.test(line))
      entries.push({ version: line.slice(3), date: 'unreadable', kinds: [], changes: 0 });
    const entry = entries.at(-1);
    if (entry && /^### /.test(line)) entry.kinds.push(line.slice(4).trim());
    if (entry && /^- \S/.test(line)) entry.changes++;
    const link = /^\[([^\]]+)\]:\s*\S/.exec(line);
    if (link) links.push(link[1]);
  }
  return { entries, links };
}

const isUnreleased = ({ version }) => version === 'Unreleased';

function entryProblems(entry) {
  const { version, date, kinds, changes } = entry;
  if (isUnreleased(entry)) {
    return changes > 0
      ? ['CHANGELOG.md has changes under Unreleased: move them into the entry of this version']
      : [];
  }
  const where = `CHANGELOG.md, ${version}:`;
  const problems = [];
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) problems.push(`${where} that is no version`);
  if (!isDate(date))
    problems.push(`${where} its date is ${date ?? 'missing'}; write "## [${version}] - YYYY-MM-DD"`);
  else if (Date.parse(date) > Date.now()) problems.push(`${where} its date, ${date}, is still to come`);
  if (changes === 0) problems.push(`${where} it lists no change`);
  for (const kind of kinds.filter((each) => !KINDS.includes(each))) {
    problems.push(`${where} "${kind}" is none of ${KINDS.join(', ')}`);
  }
  return problems;
}

function isDate(text) {
  return /^\d{4}-\d{2}-\d{2}$/.test(text ?? '') && new Date(text).toJSON()?.slice(0, 10) === text;
}

function orderProblems(entries) {
  const problems = [];
  if (entries.slice(1).some(isUnreleased)) problems.push('CHANGELOG.md: Unreleased is not the first entry');
  const released = entries.filter((entry) => !isUnreleased(entry));
  for (const [index, newer] of released.slice(0, -1).entries()) {
    const older = released[index + 1];
    if (compareVersions(newer.version, older.version) <= 0) {
      problems.push(
        `CHANGELOG.md: ${newer.version} stands before ${older.version}; the newest comes first, each once`,
      );
    }
    if (isDate(newer.date) && isDate(older.date) && newer.date < older.date) {
      problems.push(`CHANGELOG.md: ${newer.version} is older by its date than ${older.version}`);
    }
  }
  return problems;
}

function linkProblems(entries, links) {
  const versions = entries.map(({ version }) => version);
  const dangling = links.filter((name) => !versions.includes(name));
  const unlinked = links.length > 0 ? versions.filter((version) => !links.includes(version)) : [];
  return [
    ...dangling.map((name) => `CHANGELOG.md: the link [${name}] belongs to no entry`),
    ...unlinked.map((version) => `CHANGELOG.md: ${version} has no link, and others have`),
  ];
}

/** By Semantic Versioning; of two pre-releases the names decide as they are. */
export function compareVersions(left, right) {
  const [a, b] = [left, right].map((text) => {
    const [numbers, pre] = text.split(/-(.*)/);
    return { numbers: numbers.split('.').map(Number), pre };
  });
  for (let i = 0; i < 3; i++) {
    if (a.numbers[i] !== b.numbers[i]) return a.numbers[i] - b.numbers[i];
  }
  if (a.pre === b.pre) return 0;
  if (a.pre === undefined || b.pre === undefined) return a.pre === undefined ? 1 : -1;
  return a.pre < b.pre ? -1 : 1;
}

function tagProblems(root, tag) {
  const revision = (name) => {
    const args = ['rev-parse', '--quiet', '--verify', `${name}^{commit}`];
    return spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout?.trim();
  };
  const tagged = revision(`refs/tags/${tag}`);
  if (!tagged || tagged === revision('HEAD')) return [];
  return [`the tag ${tag} is on another commit: that version is out, so raise "version" in package.json`];
}
