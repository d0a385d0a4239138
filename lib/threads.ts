import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';

/** Where the hierarchies of control groups are mounted: version 2 alone or beside 1, then the CPU controller of 1. */
const UNIFIED = ['sys/fs/cgroup', 'sys/fs/cgroup/unified'];
const CPU_CONTROLLER = ['sys/fs/cgroup/cpu', 'sys/fs/cgroup/cpu,cpuacct'];

/**
 * Processors that this process may use: those of its affinity, and no more than the CPU quota of its container allows,
 * which `os.availableParallelism()` does not know.
 *
 * @param root - for tests: what stands for `/`
 */
export function usableProcessors(root = '/'): number {
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(cpuQuota(root))));
}

/** Processors' worth of time that control groups grant; infinite where they do not limit it. */
export function cpuQuota(root: string): number {
  let least = Number.POSITIVE_INFINITY;
  for (const { mounts, group, quotaIn } of hierarchies(root)) {
    // Each group on the way up may have a limit of its own. In a container's namespace the path may not exist below
    // the mount, whose root is then the container's group.
    for (const mount of mounts) {
      for (let path = group; ; path = dirname(path)) {
        least = Math.min(least, quotaIn(join(root, mount, path)));
        if (path === '/') break;
      }
    }
  }
  return least;
}

interface Hierarchy {
  mounts: readonly string[];
  group: string;
  quotaIn: (folder: string) => number;
}

/** Lines of /proc/self/cgroup are `id:controllers:path`; version 2 has id 0 and no controllers. */
function hierarchies(root: string): Hierarchy[] {
  const found: Hierarchy[] = [];
  for (const line of read(join(root, 'proc/self/cgroup')).split('\n')) {
    const [id, controllers, ...rest] = line.split(':');
    const group = rest.join(':');
    if (!group.startsWith('/')) continue;
    if (id === '0' && controllers === '') {
      found.push({ mounts: UNIFIED, group, quotaIn: unifiedQuota });
    } else if (controllers?.split(',').includes('cpu')) {
      found.push({ mounts: CPU_CONTROLLER, group, quotaIn: controllerQuota });
    }
  }
  return found;
}

/** cpu.max: `max 100000`, or microseconds of processor time in each period of so many microseconds. */
function unifiedQuota(folder: string): number {
  const [quota, period] = read(join(folder, 'cpu.max')).trim().split(' ');
  return quotient(quota, period);
}

/** The same in two files; -1 is no limit. */
function controllerQuota(folder: string): number {
  return quotient(read(join(folder, 'cpu.cfs_quota_us')), read(join(folder, 'cpu.cfs_period_us')));
}

function quotient(quota: string | undefined, period: string | undefined): number {
  const processors = Number.parseInt(quota ?? '', 10) / Number.parseInt(period ?? '', 10);
  return processors > 0 ? processors : Number.POSITIVE_INFINITY;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // not Linux, or no such limit
  }
}
