import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { DownloadProgress } from '../lib/hub/options';
import { BERT_FILES, bertFiles, downloadError, namesBelow, quickFetch, useHub } from './support/hub';
import type { Fault } from './support/hub-server';
import { temporaryFolder } from './support/models';

const WEIGHTS = 'model.safetensors';
const hub = useHub();
let cache: string;
beforeEach(() => {
  cache = temporaryFolder();
  hub().add('acme/bert', { ...bertFiles(), 'README.md': 'not needed', 'pytorch_model.bin': 'not needed' });
});

const faults = (file: string, ...list: Fault[]) => hub().faults.set(file, list);
const ranges = (file: string) =>
  hub()
    .transfersOf(file)
    .map(({ headers }) => headers.range);
const blobs = () => readdirSync(join(cache, 'models--acme--bert/blobs'));
const size = (file: string) => (bertFiles()[file] as Buffer).length;

async function expectWhole(folder: string): Promise<void> {
  const files = bertFiles();
  for (const name of BERT_FILES) {
    expect(readFileSync(join(folder, name)).equals(files[name] as Buffer)).toBe(true);
  }
  expect(blobs().filter((name) => name.includes('incomplete'))).toEqual([]);
}

test('fetches what a load reads and nothing else, each once, laid out as huggingface_hub does', async () => {
  const { folder, commit, fetchedBytes } = await quickFetch(hub(), cache);
  await expectWhole(folder);
  expect(folder).toBe(join(cache, 'models--acme--bert/snapshots', commit));
  expect(readdirSync(folder).sort()).toEqual([...BERT_FILES].sort());
  expect(fetchedBytes).toBe(BERT_FILES.reduce((sum, name) => sum + size(name), 0));
  for (const name of BERT_FILES) {
    expect(hub().transfersOf(name)).toHaveLength(1);
    expect(readlinkSync(join(folder, name))).toMatch(/^\.\.\/\.\.\/blobs\/([0-9a-f]{40}|[0-9a-f]{64})$/);
  }
  expect(readFileSync(join(cache, 'models--acme--bert/refs/main'), 'utf8')).toBe(commit);

  const again = await quickFetch(hub(), cache);
  expect(again).toMatchObject({ folder, fetchedBytes: 0 });
  for (const name of BERT_FILES) expect(hub().transfersOf(name)).toHaveLength(1);
});

test('further files come when they are asked for', async () => {
  const { folder } = await quickFetch(hub(), cache, { include: (name) => name === 'README.md' });
  expect(readFileSync(join(folder, 'README.md'), 'utf8')).toBe('not needed');
  expect(existsSync(join(folder, 'pytorch_model.bin'))).toBe(false);
});

test('a transfer that breaks off, however often, goes on where it broke off', async () => {
  const step = 300_000;
  faults(WEIGHTS, ...Array.from({ length: 7 }, () => ({ cutAfter: step })));
  const { folder } = await quickFetch(hub(), cache);
  await expectWhole(folder);
  const starts = ranges(WEIGHTS).map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0));
  expect(starts).toHaveLength(8);
  starts.slice(1).forEach((start, i) => {
    const gained = start - (starts[i] as number);
    expect(gained).toBeGreaterThan(100_000); // the client may drop what it has not handed on when a connection ends
    expect(gained).toBeLessThanOrEqual(step);
  });
});

test.each<[string, number, Fault[]]>([
  ['the storage ignores Range', 2, [{ cutAfter: 500_000 }, { ignoreRange: true }]],
  ['another part comes than was asked for', 3, [{ cutAfter: 500_000 }, { wrongRange: true }]],
  ['less is announced than the file has', 2, [{ shortBy: 1_000_000 }]],
  ['the answer is empty', 2, [{ cutAfter: 0 }]],
  ['the hub has a bad moment', 5, [{ status: 500 }, { status: 503 }, { status: 408 }, { status: 502 }]],
  ['a byte is wrong', 2, [{ corrupt: true }]],
  ['more comes than the file has', 2, [{ longBy: 10 }]],
])('the file is whole in the end where %s', async (_, transfers, list) => {
  faults(WEIGHTS, ...list);
  faults(
    'config.json',
    ...list.map((fault) => ({ ...fault, cutAfter: fault.cutAfter && 100, shortBy: fault.shortBy && 9 })),
  );
  await expectWhole((await quickFetch(hub(), cache)).folder);
  expect(hub().transfersOf(WEIGHTS)).toHaveLength(transfers);
});

test('silence in the middle of a transfer counts as broken', async () => {
  faults(WEIGHTS, { stallAfter: 400_000 });
  await expectWhole((await quickFetch(hub(), cache, { stallTimeoutMs: 200 })).folder);
  expect(ranges(WEIGHTS)[1]).toMatch(/^bytes=[1-9]\d*-$/);
});

test('an answer that never begins is asked for again', async () => {
  hub().apiAnswers.push(() => {});
  await expectWhole((await quickFetch(hub(), cache, { answerTimeoutMs: 200 })).folder);
});

describe.each([
  [WEIGHTS, /^\w{64}\.incomplete/],
  ['tokenizer.json', /^\w{40}\.incomplete/],
])('%s with a wrong hash', (name, incomplete) => {
  test('is fetched once more from the start, then refused, and nothing of it stays', async () => {
    faults(name, { corrupt: true }, { corrupt: true });
    const { code, message } = await downloadError(quickFetch(hub(), cache));
    expect(code).toBe('ERR_DOWNLOAD');
    expect(message).toContain(`${name} of acme/bert is not what the hub announced`);
    expect(ranges(name)).toEqual([undefined, undefined]);
    expect(blobs().filter((blob) => incomplete.test(blob))).toEqual([]);
    expect(namesBelow(cache).filter((path) => path.endsWith(name) || path.includes('refs/main'))).toEqual([]);
    await expectWhole((await quickFetch(hub(), cache)).folder);
  });
});

test.each<[string, (bytes: number) => Buffer]>([
  ['of the right size but another content', (bytes) => Buffer.alloc(bytes)],
  ['that is longer than the file', (bytes) => Buffer.alloc(bytes + 1)],
  ['that is the beginning of something else', (bytes) => Buffer.alloc(bytes >> 1)],
])('an incomplete file %s does no harm', async (_, content) => {
  const { folder } = await quickFetch(hub(), cache);
  const blob = join(folder, readlinkSync(join(folder, WEIGHTS)));
  const fresh = temporaryFolder();
  const place = blob.replace(cache, fresh);
  cache = fresh;
  mkdirSync(join(place, '..'), { recursive: true });
  writeFileSync(`${place}.incomplete`, content(size(WEIGHTS)));
  await expectWhole((await quickFetch(hub(), cache)).folder);
});

test('a blob of another size is not taken for the file', async () => {
  const { folder } = await quickFetch(hub(), cache);
  const blob = join(folder, readlinkSync(join(folder, WEIGHTS)));
  writeFileSync(blob, 'cut');
  const again = await quickFetch(hub(), cache);
  await expectWhole(again.folder);
  expect(again.fetchedBytes).toBe(size(WEIGHTS));
});

test('a hub that stays down is given up on, with the number of tries', async () => {
  faults(WEIGHTS, ...Array.from({ length: 9 }, () => ({ status: 503 })));
  const { code, message } = await downloadError(quickFetch(hub(), cache));
  expect(code).toBe('ERR_DOWNLOAD');
  expect(message).toMatch(
    /model\.safetensors of acme\/bert: the hub answered 503 \(5 tries\); check the network/,
  );
  expect(hub().transfersOf(WEIGHTS)).toHaveLength(5);
});

test('a hub that sends next to nothing each time is given up on', async () => {
  faults(WEIGHTS, ...Array.from({ length: 9 }, () => ({ cutAfter: 10 })));
  expect((await downloadError(quickFetch(hub(), cache))).message).toContain('(5 tries)');
});

test('Retry-After is waited for', async () => {
  faults(WEIGHTS, { status: 429, headers: { 'Retry-After': '1' } });
  await expectWhole((await quickFetch(hub(), cache)).folder);
  const [first, second] = hub()
    .transfersOf(WEIGHTS)
    .map(({ at }) => at) as [number, number];
  expect(second - first).toBeGreaterThan(990);
});

test('a Retry-After of an hour is said at once', async () => {
  faults(WEIGHTS, { status: 429, headers: { 'Retry-After': '3600' } });
  const { message } = await downloadError(quickFetch(hub(), cache));
  expect(message).toContain('answered 429 and asks to come back after 3600 s');
  expect(hub().transfersOf(WEIGHTS)).toHaveLength(1);
});

test('a redirect that leads in a circle, or away from the web, is not followed', async () => {
  hub().editHeaders = (headers) => {
    if (headers.Location !== undefined) headers.Location = 'file:///etc/passwd';
  };
  expect((await downloadError(quickFetch(hub(), cache))).message).toMatch(/redirects to an address/);
  hub().editHeaders = (headers) => {
    if (headers.Location !== undefined) {
      headers.Location = hub().requests.at(-1)?.path as string;
      headers['X-Linked-Etag'] = '"x"';
    }
  };
  expect((await downloadError(quickFetch(hub(), cache))).message).toMatch(/redirects more than 5 times/);
});

test('an abort rejects with its reason, and the next download goes on', async () => {
  const reason = new Error('enough');
  const controller = new AbortController();
  faults(WEIGHTS, { stallAfter: 1_000_000 });
  const onProgress = ({ file, bytes }: DownloadProgress) => {
    if (file === WEIGHTS && bytes > 1_000_000) controller.abort(reason);
  };
  await expect(quickFetch(hub(), cache, { signal: controller.signal, onProgress })).rejects.toBe(reason);
  const [part] = blobs().filter((name) => name.endsWith('.incomplete'));
  const kept = statSync(join(cache, 'models--acme--bert/blobs', part as string)).size;
  expect(kept).toBeGreaterThan(500_000);
  const { folder, fetchedBytes } = await quickFetch(hub(), cache);
  await expectWhole(folder);
  expect(ranges(WEIGHTS)[1]).toBe(`bytes=${kept}-`);
  expect(fetchedBytes).toBe(size(WEIGHTS) - kept);
});

test('a signal that is aborted already sends no request', async () => {
  await expect(quickFetch(hub(), cache, { signal: AbortSignal.abort('no') })).rejects.toBe('no');
  expect(hub().requests).toEqual([]);
});

test('an abort ends a wait for the next try', async () => {
  const controller = new AbortController();
  hub().apiAnswers.push((response) => {
    response.writeHead(429, { 'Retry-After': '50' }).end(() => controller.abort('now'));
  });
  await expect(quickFetch(hub(), cache, { signal: controller.signal })).rejects.toBe('now');
});

test('progress tells the bytes of all files, and ends with all of them', async () => {
  const seen: DownloadProgress[] = [];
  faults(WEIGHTS, { cutAfter: 700_000 });
  await quickFetch(hub(), cache, { onProgress: (progress) => seen.push({ ...progress }) });
  const last = seen.at(-1) as DownloadProgress;
  expect(last.bytes).toBe(last.totalBytes);
  expect(last.totalBytes).toBeGreaterThan(size(WEIGHTS));
  seen.slice(1).forEach(({ bytes }, i) => expect(bytes).toBeGreaterThanOrEqual(seen[i]?.bytes as number));
});

test.each([new Error('broken bar'), 'a string', null])(
  'what a progress function throws, %p, is what the download rejects with',
  async (reason) => {
    const onProgress = () => {
      throw reason;
    };
    await expect(quickFetch(hub(), cache, { onProgress })).rejects.toBe(reason);
  },
);

test('two downloads in one process fetch a file once', async () => {
  const [one, other] = await Promise.all([quickFetch(hub(), cache), quickFetch(hub(), cache)]);
  await expectWhole(one.folder);
  expect(other.folder).toBe(one.folder);
  for (const name of BERT_FILES) expect(hub().transfersOf(name)).toHaveLength(1);
});

test('without symbolic links the snapshot holds the files themselves, once', async () => {
  const both = [quickFetch(hub(), cache, { symlinks: false }), quickFetch(hub(), cache, { symlinks: false })];
  const [folder] = (await Promise.all(both)).map((fetched) => fetched.folder) as [string, string];
  await expectWhole(folder);
  expect(statSync(join(folder, WEIGHTS)).isFile()).toBe(true);
  expect(blobs()).toEqual([]);
  expect((await quickFetch(hub(), cache, { symlinks: false })).fetchedBytes).toBe(0);
  expect(hub().transfersOf(WEIGHTS)).toHaveLength(1);
});

test('without symbolic links a snapshot does not take a blob away from others', async () => {
  const { folder } = await quickFetch(hub(), cache);
  hub().add('acme/bert', { ...bertFiles(), 'golden.json': '{}' });
  const next = await quickFetch(hub(), cache, { symlinks: false });
  expect(next.fetchedBytes).toBe(2);
  await expectWhole(folder);
  expect(readFileSync(join(next.folder, WEIGHTS)).equals(bertFiles()[WEIGHTS] as Buffer)).toBe(true);
});

test('the token goes to the hub and to no other host', async () => {
  await quickFetch(hub(), cache, { token: 'hf_secret' });
  const sent = hub().requests.map(({ host, headers }) => [host, headers.authorization]);
  expect(sent.filter(([host]) => host === 'storage')).toEqual([['storage', undefined]]);
  for (const [host, token] of sent) expect(token).toBe(host === 'hub' ? 'Bearer hf_secret' : undefined);
});

test('requests say who asks, and nothing of the machine', async () => {
  await quickFetch(hub(), cache);
  for (const { headers } of hub().requests) {
    expect(headers['user-agent']).toMatch(/^crossrank\/\d+\.\d+\.\d+; node\/\d+\.\d+\.\d+$/);
  }
});
