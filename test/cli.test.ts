import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCli } from './support/cli';
import { fixture, ROOT } from './support/models';

jest.setTimeout(60_000); // a shared machine may be slow; nothing here is about time

/** The commands that `--help` lists. */
function listed(): string[] {
  const { stdout } = runCli(['--help']);
  return [...stdout.matchAll(/^ {2}([a-z]+) {2}/gm)].map(([, name]) => name as string);
}

test.each([['--help'], ['-h'], ['help']])('%s lists the commands', (arg) => {
  const { status, stdout, stderr } = runCli([arg]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(listed()).toEqual(
    expect.arrayContaining(['rerank', 'embed', 'search', 'eval', 'verify', 'tune', 'bench', 'doctor']),
  );
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(120);
});

test('every command has help, which begins with how it is called', () => {
  for (const name of listed()) {
    const { status, stdout, stderr } = runCli([name, '--help']);
    expect({ name, status, stderr }).toEqual({ name, status: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^crossrank ${name}\\b`));
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(120);
    expect(runCli(['help', name]).stdout).toBe(stdout);
  }
});

test.each([
  ['verify', ['--precision', '--cpu', '--json']],
  ['tune', ['--length', '--chunk', '--rounds', '--dry-run']],
])('the help of %s names its options', (command, options) => {
  const { stdout } = runCli([command, '-h']);
  for (const option of options) expect(stdout).toContain(option);
});

test('--version is that of the package', () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(runCli(['--version'])).toMatchObject({ status: 0, stdout: `${version}\n` });
});

test('the command that package.json names is what these tests run, and starts with a shebang', () => {
  const { bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(bin.crossrank).toBe('dist/lib/cli/main.js');
  expect(readFileSync(join(ROOT, bin.crossrank), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
});

test.each<[string, string[], RegExp]>([
  ['no command', [], /no command: expected rerank, embed, .* or \w+/],
  ['an unknown command', ['tuna'], /unknown command "tuna": expected rerank, embed, /],
  ['an unknown option', ['verify', '--precison', 'int8'], /unknown option --precison; known are --precision/],
  [
    'an unknown precision',
    ['verify', '--precision', 'fp8'],
    /--precision takes all, fp32, bf16x3, bf16, int8, not "fp8"/,
  ],
  ['an unknown level', ['verify', '--cpu', 'sse'], /--cpu takes .*, not "sse"/],
  ['two models', ['verify', 'a', 'b'], /expected one MODEL but received 2: a, b/],
  ['an empty model', ['tune', ''], /MODEL but received ""/],
  ['an option without its value', ['tune', '--threads'], /--threads needs a value/],
  ['a flag with a value', ['tune', '--dry-run=yes'], /--dry-run takes no value/],
  [
    'threads that are no list',
    ['tune', '--threads', '1;2'],
    /--threads takes a list such as 1,2,4, not "1;2"/,
  ],
  ['a chunk of 0', ['tune', '--chunk', '0'], /--chunk takes an integer from 1 to 1048576, not "0"/],
  ['a length that shrinks', ['tune', '--length', '9-3'], /--length takes tokens as MIN-MAX/],
  [
    'a precision to tune that is none',
    ['tune', '--precision', 'fp32,auto'],
    /--precision takes .*, not "auto"/,
  ],
  ['no rounds', ['tune', '--rounds', '0'], /--rounds takes an integer from 1/],
])('%s is a usage error: exit code 2, a line, and where help is', (_, args, message) => {
  const { status, stdout, stderr } = runCli(args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(message);
  const help =
    args[0] === 'verify' || args[0] === 'tune' ? `${args[0]} --help lists options` : '--help lists commands';
  expect(stderr.endsWith(`\ncrossrank ${help}.\n`)).toBe(true);
});

test.each(['verify', 'tune'])(
  '%s of a model that is not there fails with exit code 1 and the code',
  (command) => {
    const { status, stdout, stderr } = runCli([command, '/no/such/model']);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^ERR_MODEL_NOT_FOUND: there is no model folder at \/no\/such\/model/);
  },
);

test('nothing is drawn on standard error that is no terminal', () => {
  const { status, stderr } = runCli(['verify', fixture('bert'), '--precision', 'fp32']);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
