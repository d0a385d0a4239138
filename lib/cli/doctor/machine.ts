import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { isMusl } from '../../native/load';
import { cpuQuota, usableProcessors } from '../../threads';
import { type Check, ok, problem, sizeText, warning } from './check';

/** package.json says the same. */
const LEAST_NODE = 20;
/** The embedded models with all their threads take less. */
const LEAST_MEMORY = 512 * 1024 * 1024;

export function checkPlatform(): Check {
  const { platform, arch } = process;
  const name = `${platform}-${arch}`;
  if (platform !== 'linux') {
    const advice =
      'Linux x64 with glibc is what is tested; elsewhere run crossrank verify before you rely on it';
    return warning('platform', name, advice);
  }
  if (isMusl()) {
    const advice =
      'the prebuilt addon is for glibc: use a glibc image such as node:20-slim, or build from source';
    return warning('platform', `${name}, musl`, advice);
  }
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return ok('platform', `${name}, glibc ${report?.header?.glibcVersionRuntime ?? 'unknown'}`);
}

export function checkNode(version = process.versions.node): Check {
  const message = `v${version}`;
  if (Number.parseInt(version, 10) >= LEAST_NODE) return ok('Node.js', message);
  return problem('Node.js', message, `install Node.js ${LEAST_NODE} or newer`);
}

export function checkProcessors(): Check {
  const all = cpus();
  const affinity = availableParallelism();
  const quota = cpuQuota('/');
  const usable = usableProcessors();
  const limits = [
    ...(affinity < all.length ? [`affinity allows ${affinity}`] : []),
    ...(Number.isFinite(quota) ? [`the container's CPU quota is ${quota.toFixed(2)}`] : []),
  ];
  const model = all[0]?.model.trim() || 'unknown processor';
  const message =
    `${model}, ${all.length} processors, ${usable} for this process` +
    (limits.length === 0 ? '' : ` (${limits.join(', ')})`);
  if (quota >= usable || !Number.isFinite(quota)) return ok('processors', message);
  return warning(
    'processors',
    message,
    `a quota that is no whole number makes threads wait for each other: set it to ${usable}, or threads to ${usable - 1 || 1}`,
  );
}

export function checkMemory(): Check {
  // 0 where nothing limits it, or where Node is too old to tell.
  const limit = process.constrainedMemory?.() ?? 0;
  const isLimited = limit > 0 && limit < totalmem();
  const available = isLimited ? Math.max(0, limit - process.memoryUsage.rss()) : freemem();
  const message =
    `${sizeText(available)} available of ${sizeText(isLimited ? limit : totalmem())}` +
    (isLimited ? ', the limit of this container' : '');
  if (available >= LEAST_MEMORY) return ok('memory', message);
  return warning('memory', message, 'end other processes, or load models with a memoryBudget');
}
