import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, temporaryFolder } from './support/models';

/** What `npm start -- args` runs after its set-up. */
function start(args: readonly string[], input = '') {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/rank.mjs'), ...args], {
    encoding: 'utf8',
    input,
  });
  return { status, stdout, stderr };
}

function file(name: string, content: string): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, content);
  return path;
}

const LINES = 'Bread is made of flour.\n\nMars is the red planet.\r\nVenus is hot.\n';
const JSON_LINES =
  '{"id": 1, "text": "Bread is made of flour."}\n"Mars is the red planet."\n{"text": "Venus is hot."}\n';
const QUERY = ['--query', 'which planet is red?', '--documents'];

test('without arguments a Chinese and an English sample are ranked', () => {
  const { status, stdout } = start([]);
  expect(status).toBe(0);
  expect(stdout.match(/^Query: /gm)).toHaveLength(2);
  expect(stdout).toMatch(/^ +1 {2}0\.\d{4} {2}红烧肉的做法/m);
  expect(stdout).toMatch(/^ +1 {2}0\.\d{4} {2}Vaccines protect people/m);
  expect(stdout.trimEnd().split('\n').at(-1)).toMatch(
    /^crossrank-mini, (?:fp32|bf16), \d+ threads: 10 pairs at \d+ pairs\/s, [\d.]+ ms a query$/,
  );
});

test.each([
  ['a .txt file', [...QUERY, 'TXT'], ''],
  ['a .jsonl file', [...QUERY, 'JSONL'], ''],
  ['lines on standard input', [...QUERY, '-'], LINES],
  ['JSON lines on standard input', [...QUERY, '-'], JSON_LINES],
])('ranks %s', (_, args, input) => {
  const files: Record<string, string> = { TXT: file('a.txt', LINES), JSONL: file('a.jsonl', JSON_LINES) };
  const { status, stdout } = start([...args.map((arg) => files[arg] ?? arg), '--top-k', '2'], input);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^ +1 .*Mars is the red planet\.$/m);
  expect(stdout.match(/^ +\d+ {2}0\./gm)).toHaveLength(2);
});

test.each<[string, string[], RegExp]>([
  ['a query without documents', ['--query', 'x'], /go together/],
  ['a misspelt option', ['--qery', 'x'], /--qery/],
  [
    'a file that is missing',
    [...QUERY, '/no/such/file.txt'],
    /cannot read --documents \/no\/such\/file\.txt/,
  ],
  ['a file without documents', [...QUERY, '/dev/null'], /holds no documents/],
  ['a top-k of 0', [...QUERY, '-', '--top-k', '0'], /--top-k takes a positive integer, not 0/],
])('%s is told in a line, with what to do', (_, args, message) => {
  const { status, stdout, stderr } = start(args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/--help/);
});

test('a broken JSON line is named', () => {
  const { status, stderr } = start([...QUERY, file('a.jsonl', '{"text": "fine"}\n{"txt": 1}\n')]);
  expect(status).toBe(2);
  expect(stderr).toMatch(/line 2: neither a string nor an object with "text"/);
});
