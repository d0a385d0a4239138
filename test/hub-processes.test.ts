import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLI } from './support/cli';
import {
  BERT_FILES,
  bertFiles,
  downloadError,
  hubEnvironment,
  quickFetch,
  resultOf,
  startCli,
  startNode,
  until,
  useHub,
} from './support/hub';
import { temporaryFolder } from './support/models';

const WEIGHTS = 'model.safetensors';
const hub = useHub();
let cache: string;
beforeEach(() => {
  cache = temporaryFolder();
  hub().add('acme/bert', bertFiles());
});

const environment = () => hubEnvironment(hub(), cache);

/** Bytes of the weights that have come; undefined while there are none. */
function partialBytes(): number {
  const blobs = join(cache, 'models--acme--bert/blobs');
  try {
    const name = readdirSync(blobs).find((blob) => /^\w{64}\.incomplete$/.test(blob));
    return name === undefined ? 0 : statSync(join(blobs, name)).size;
  } catch {
    return 0;
  }
}

function expectWhole(folder: string): void {
  const files = bertFiles();
  for (const name of BERT_FILES)
    expect(readFileSync(join(folder, name)).equals(files[name] as Buffer)).toBe(true);
}

test('the second of two processes waits for the first, and each file is fetched once', async () => {
  let asked = 0;
  const both = new Promise<void>((resolve) => {
    hub().editInfo = (info) => {
      if (++asked === 2) resolve();
      return info;
    };
  });
  hub().faults.set(WEIGHTS, [{ after: both }]);
  const pulls = [1, 2].map(() => startCli(['pull', 'acme/bert', '--json'], environment()));
  const results = await Promise.all(pulls);
  expect(results.map(({ status, stderr }) => [status, stderr])).toEqual([
    [0, ''],
    [0, ''],
  ]);
  const reports = results.map(({ stdout }) => JSON.parse(stdout));
  expect(reports[0].folder).toBe(reports[1].folder);
  const total = Object.values(bertFiles()).filter((_, i) =>
    BERT_FILES.includes(Object.keys(bertFiles())[i] as string),
  );
  expect(reports[0].fetchedBytes + reports[1].fetchedBytes).toBe(
    total.reduce((sum, { length }) => sum + length, 0),
  );
  expectWhole(reports[0].folder);
  for (const name of BERT_FILES) expect(hub().transfersOf(name)).toHaveLength(1);
});

test.each([
  ['SIGKILL', null, 'SIGKILL', ''],
  ['SIGINT', 130, null, 'interrupted: what has come is kept, and the same command goes on with it\n'],
  ['SIGTERM', 130, null, 'interrupted: what has come is kept, and the same command goes on with it\n'],
] as const)('a download ended by %s goes on where it was', async (name, status, signal, stderr) => {
  hub().faults.set(WEIGHTS, [{ stallAfter: 1_200_000 }]);
  const child = startNode([CLI, 'pull', 'acme/bert'], environment());
  const result = resultOf(child);
  await until(() => partialBytes() >= 1_000_000);
  child.kill(name);
  expect(await result).toEqual({ status, signal, stdout: '', stderr });

  const offline = await startCli(['verify', 'acme/bert'], { ...environment(), HF_HUB_OFFLINE: '1' });
  expect(offline.status).toBe(1);
  expect(offline.stderr).toMatch(/^ERR_DOWNLOAD: acme\/bert at main is not in/); // no ref before all is there

  const kept = partialBytes();
  const again = await startCli(['pull', 'acme/bert', '--json'], environment());
  expect([again.status, again.stderr]).toEqual([0, '']);
  const { folder, fetchedBytes } = JSON.parse(again.stdout);
  expectWhole(folder);
  expect(hub().transfersOf(WEIGHTS).at(-1)?.headers.range).toBe(`bytes=${kept}-`);
  expect(fetchedBytes).toBe(statSync(join(folder, WEIGHTS)).size - kept);
});

test('a process that waits takes over from one that is killed', async () => {
  hub().faults.set(WEIGHTS, [{ stallAfter: 1_200_000 }]);
  const first = startNode([CLI, 'pull', 'acme/bert'], environment());
  await until(() => partialBytes() >= 1_000_000);
  const second = startCli(['pull', 'acme/bert', '--json'], environment());
  await until(() => hub().requests.filter(({ path }) => path.startsWith('/api/')).length === 2);
  first.kill('SIGKILL');
  const { status, stdout } = await second;
  expect(status).toBe(0);
  expectWhole(JSON.parse(stdout).folder);
  expect(hub().transfersOf(WEIGHTS)).toHaveLength(2);
  expect(hub().transfersOf(WEIGHTS)[1]?.headers.range).toMatch(/^bytes=1\d{6}-$/);
});

describe('a disk', () => {
  const disk = temporaryFolder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', disk], { encoding: 'utf8' });
  const canMount = mounted.status === 0;
  if (!canMount) console.warn(`no file system can be mounted here, so none is filled: ${mounted.stderr}`);
  afterAll(() => {
    if (canMount) spawnSync('umount', [disk]);
  });
  beforeEach(() => {
    cache = join(disk, 'cache');
  });
  afterEach(() => {
    rmSync(join(disk, 'ballast'), { force: true });
    rmSync(cache, { recursive: true, force: true });
  });
  const whenMounted = canMount ? test : test.skip;

  whenMounted('that is full is said before a download is begun', async () => {
    writeFileSync(join(disk, 'ballast'), Buffer.alloc(18 << 20));
    const { code, message } = await downloadError(quickFetch(hub(), cache));
    expect(code).toBe('ERR_DOWNLOAD');
    expect(message).toMatch(
      /^\d+ bytes more are needed in .*cache\S*, which has \d+ free; make room, or name another/,
    );
    expect(hub().transfersOf(WEIGHTS)).toEqual([]);
  });

  whenMounted('that may only be read serves what is on it', async () => {
    await quickFetch(hub(), cache, { revision: 'main' });
    rmSync(join(cache, 'models--acme--bert/refs'), { recursive: true });
    rmSync(join(cache, 'models--acme--bert/.no_exist'), { recursive: true });
    spawnSync('mount', ['-o', 'remount,ro', disk]);
    try {
      expect((await quickFetch(hub(), cache)).fetchedBytes).toBe(0);
      hub().add('acme/bert', { ...bertFiles(), 'config.json': '{}' });
      const { code, message } = await downloadError(quickFetch(hub(), cache));
      expect([code, message]).toEqual([
        'ERR_DOWNLOAD',
        expect.stringMatching(/cannot be written to \(E\w+\); name another folder/),
      ]);
    } finally {
      spawnSync('mount', ['-o', 'remount,rw', disk]);
    }
  });

  whenMounted('that fills up in the middle of a download keeps what has come', async () => {
    let fill = () => {};
    const isFull = new Promise<void>((resolve) => {
      fill = resolve;
    });
    hub().faults.set(WEIGHTS, [{ cutAfter: 400_000 }, { after: isFull }]);
    const failure = downloadError(quickFetch(hub(), cache));
    await until(() => hub().transfersOf(WEIGHTS).length === 2);
    spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'ballast')}`, 'bs=64k']);
    fill();
    const { code, message } = await failure;
    expect(code).toBe('ERR_DOWNLOAD');
    const [, needed] =
      /^(\d+) bytes more are needed in .*, which is full;.*What has come is kept/.exec(message) ?? [];
    const kept = partialBytes();
    expect(kept).toBeGreaterThan(100_000);
    expect(Number(needed)).toBe(statSync(join(__dirname, '../../test/fixtures/bert', WEIGHTS)).size - kept);

    rmSync(join(disk, 'ballast'));
    expectWhole((await quickFetch(hub(), cache)).folder);
    expect(hub().transfersOf(WEIGHTS).at(-1)?.headers.range).toBe(`bytes=${kept}-`);
  });
});
