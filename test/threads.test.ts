import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { Reranker } from '../lib';
import { cpuQuota, usableProcessors } from '../lib/threads';
import { fixture, temporaryFolder } from './support/models';

/** A root folder with these files. */
function rootWith(files: Record<string, string>): string {
  const root = temporaryFolder();
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

describe('the CPU quota of control groups', () => {
  const unified = '0::/pods/pod7/box\n';
  const older = '12:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc\n';

  test.each<[string, Record<string, string>, number]>([
    ['is none where nothing is mounted', {}, Number.POSITIVE_INFINITY],
    [
      'of version 2 is quota by period',
      { 'proc/self/cgroup': unified, 'sys/fs/cgroup/pods/pod7/box/cpu.max': '150000 100000\n' },
      1.5,
    ],
    [
      'is the smallest on the way up to the root',
      {
        'proc/self/cgroup': unified,
        'sys/fs/cgroup/pods/pod7/box/cpu.max': 'max 100000\n',
        'sys/fs/cgroup/pods/pod7/cpu.max': '300000 100000\n',
        'sys/fs/cgroup/pods/cpu.max': '800000 100000\n',
      },
      3,
    ],
    [
      'is found at the mount, where the namespace hides the path',
      { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '50000 100000\n' },
      0.5,
    ],
    [
      'of version 2 beside 1 is read as well',
      { 'proc/self/cgroup': older + unified, 'sys/fs/cgroup/unified/pods/cpu.max': '200000 100000\n' },
      2,
    ],
    [
      'of version 1 is in two files',
      {
        'proc/self/cgroup': older,
        'sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us': '250000\n',
        'sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us': '100000\n',
        'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n',
        'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
      },
      2.5,
    ],
    [
      'is none where the files say something else',
      { 'proc/self/cgroup': `nonsense\n${unified}`, 'sys/fs/cgroup/cpu.max': '???\n' },
      Number.POSITIVE_INFINITY,
    ],
  ])('%s', (_, files, expected) => {
    expect(cpuQuota(rootWith(files))).toBe(expected);
  });

  test('makes whole processors, at least one and no more than the affinity allows', () => {
    const withQuota = (quota: string) =>
      usableProcessors(rootWith({ 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': quota }));
    expect(withQuota('20000 100000')).toBe(1);
    expect(withQuota('110000 100000')).toBe(Math.min(2, availableParallelism()));
    expect(withQuota('99900000 100000')).toBe(availableParallelism());
    expect(usableProcessors(temporaryFolder())).toBe(availableParallelism());
  });
});

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('lanes are nice on request, and no other thread is', async () => {
  /** The 19th field of stat; the second, in brackets, may hold anything. */
  const niceOf = (stat: string) => {
    const text = readFileSync(stat, 'utf8');
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[16]);
  };
  const own = niceOf('/proc/self/stat');
  await using model = await Reranker.load(fixture('bert'), { threads: 3, nice: 7 });
  await model.warmUp(); // every lane is up
  const nices = readdirSync('/proc/self/task').map((id) => niceOf(`/proc/self/task/${id}/stat`));
  expect(nices.sort()).toEqual([...nices.slice(3).fill(own), own + 7, own + 7, own + 7]);
});

test.each([-1, 20, 0.5, Number.NaN, 'low'])('nice: %p is refused', async (value) => {
  await expect(Reranker.load(fixture('bert'), { nice: value as number })).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringMatching(/^Expected an integer from 0 to 19 for nice but received /),
  });
});

describe('warmUp', () => {
  test('runs every lane, also of a model that has been unloaded', async () => {
    await using model = await Reranker.load(fixture('roberta'), { threads: 3, idleUnloadMs: 1 });
    await Promise.all([model.warmUp(), model.warmUp()]);
    expect(await model.predict([['planet', 'mars is red']])).toHaveLength(1);
  });

  test('of a disposed reranker rejects', async () => {
    const model = await Reranker.load();
    const during = model.warmUp().catch((error) => expect(error).toMatchObject({ code: 'ERR_CLOSED' }));
    await model.dispose();
    await during;
    await expect(model.warmUp()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  test('takes chunks that are smaller than any pair', async () => {
    await using model = await Reranker.load(fixture('bert'), { maxTokensPerChunk: 1 });
    await model.warmUp();
  });
});
