import { DownloadError } from '../lib/hub/failures';
import { laterOf, redirected } from '../lib/hub/hub-client';
import { isCommit } from '../lib/hub/model-id';
import { isFileName, parseRepoInfo } from '../lib/hub/repo-info';
import { randomNumbers } from '../lib/random';

const COMMIT = 'a'.repeat(40);
const GOOD = {
  sha: COMMIT,
  siblings: [
    { rfilename: 'config.json', size: 10, blobId: 'b'.repeat(40) },
    {
      rfilename: 'onnx/model.onnx',
      size: 20,
      blobId: 'c'.repeat(40),
      lfs: { sha256: 'd'.repeat(64), size: 20 },
    },
    { rfilename: '__proto__', size: 1, blobId: 'e'.repeat(40) },
    { rfilename: 'README.md' },
  ],
};

test('a description is read', () => {
  const { commit, files } = parseRepoInfo(JSON.stringify(GOOD), 'a/b');
  expect(commit).toBe(COMMIT);
  expect([...files]).toEqual([
    ['config.json', { bytes: 10, hash: 'b'.repeat(40) }],
    ['onnx/model.onnx', { bytes: 20, hash: 'd'.repeat(64) }],
    ['__proto__', { bytes: 1, hash: 'e'.repeat(40) }],
    ['README.md', undefined],
  ]);
});

test.each<[string, string | undefined, string | null]>([
  ['https://hub/a/b', '/c?d', 'https://hub/c?d'],
  ['https://hub/a/b', 'https://storage/x', 'https://storage/x'],
  ['http://hub/a', 'https://storage/x', 'https://storage/x'],
  ['http://hub/a', '//storage/x', 'http://storage/x'],
  ['https://hub/a', 'http://storage/x', null],
  ['https://hub/a', 'http://hub/a', null],
  ['http://hub/a', 'file:///etc/passwd', null],
  ['http://hub/a', 'data:text/plain,x', null],
  ['http://hub/a', 'http://[', null],
  ['http://hub/a', undefined, null],
])('a redirect from %s to %s leads to %s', (from, location, expected) => {
  if (expected === null) expect(() => redirected(new URL(from), location)).toThrow(DownloadError);
  else expect(redirected(new URL(from), location).href).toBe(expected);
});

test('a certificate that is not accepted is not tried again, and says what to do', () => {
  const { signal } = new AbortController();
  const error = Object.assign(new TypeError('fetch failed'), {
    cause: Object.assign(new Error('self-signed certificate'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
  });
  expect(() => laterOf(error, signal)).toThrow(/DEPTH_ZERO_SELF_SIGNED_CERT.*NODE_EXTRA_CA_CERTS/);
  expect(laterOf(new Error('other side closed'), signal).message).toContain('other side closed');
  expect(() => laterOf(error, AbortSignal.abort('why'))).toThrow('why');
});

test('whatever comes is read as what it should be, or refused with one error', () => {
  const random = randomNumbers(7);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const names = [
    'config.json',
    '../x',
    '/x',
    'a\\b',
    'C:x',
    '',
    'a/./b',
    'a\0b',
    'sub/x.onnx',
    '__proto__',
    'constructor',
  ];
  const scalars = [null, true, false, 0, -1, 1.5, 1e308, COMMIT, 'd'.repeat(64), 'D'.repeat(64), ...names];
  const keys = ['sha', 'siblings', 'rfilename', 'size', 'blobId', 'lfs', 'sha256', '__proto__', 'x'];
  const value = (depth: number): unknown => {
    const kind = random();
    if (depth > 4 || kind < 0.4) return pick(scalars);
    if (kind < 0.6) return Array.from({ length: Math.floor(random() * 4) }, () => value(depth + 1));
    return Object.fromEntries(
      Array.from({ length: Math.floor(random() * 6) }, () => [pick(keys), value(depth + 1)]),
    );
  };
  /** A good description with some values exchanged: deep enough to reach every check. */
  const mutated = (node: unknown): unknown => {
    if (random() < 0.06) return value(2);
    if (Array.isArray(node)) return node.map(mutated);
    if (typeof node !== 'object' || node === null) return node;
    return Object.fromEntries(
      Object.entries(node).map(([key, inner]) => [random() < 0.03 ? pick(keys) : key, mutated(inner)]),
    );
  };
  let read = 0;
  for (let round = 0; round < 5_000; round++) {
    let text = JSON.stringify(round % 4 === 0 ? value(0) : mutated(GOOD)) ?? 'null';
    if (random() < 0.1) text = text.slice(0, Math.floor(random() * text.length));
    try {
      const { commit, files } = parseRepoInfo(text, 'a/b');
      read++;
      expect(isCommit(commit)).toBe(true);
      for (const [name, stored] of files) {
        expect(isFileName(name)).toBe(true);
        if (stored === undefined) continue;
        expect(Number.isSafeInteger(stored.bytes) && stored.bytes >= 0).toBe(true);
        expect(stored.hash).toMatch(/^([0-9a-f]{40}|[0-9a-f]{64})$/);
      }
    } catch (error) {
      if (!(error instanceof DownloadError)) throw error;
      expect(error.message.length).toBeLessThan(1500);
    }
  }
  expect(read).toBeGreaterThan(250);
  expect(read).toBeLessThan(4_750);
});
