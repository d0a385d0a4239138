import { constants, existsSync } from 'node:fs';
import { access, lstat, readdir, stat, statfs } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Check, ok, problem, sizeText, warning } from './check';

type Environment = NodeJS.ProcessEnv;

const LEAST_FREE = 2 * 1024 ** 3;

/** Where huggingface_hub keeps what it downloads. */
function homeOf(env: Environment): string {
  return env.HF_HOME || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
}

export async function checkHub(env: Environment = process.env): Promise<Check[]> {
  return [await checkCache(env.HF_HUB_CACHE || join(homeOf(env), 'hub')), checkToken(env), checkNetwork(env)];
}

async function checkCache(folder: string): Promise<Check> {
  const name = 'model cache';
  const existing = firstExisting(folder);
  const isThere = existing === folder;
  if (isThere && !(await stat(folder)).isDirectory()) {
    return problem(name, `${folder} is a file`, 'remove it, or name another folder with HF_HUB_CACHE');
  }
  const isWritable = await access(existing, constants.W_OK).then(
    () => true,
    () => false,
  );
  const { bavail, bsize } = await statfs(existing);
  const free = bavail * bsize;
  const size = isThere ? `${sizeText(await sizeOf(folder))} in it` : 'not there yet';
  const message = `${folder}, ${size}, ${sizeText(free)} free`;
  if (!isWritable) {
    const advice =
      'models can be used but not downloaded: make it writable, or name another with HF_HUB_CACHE';
    return warning(name, `${message}; this user may not write there`, advice);
  }
  if (free < LEAST_FREE) {
    return warning(name, message, 'make room for models, or name a folder elsewhere with HF_HUB_CACHE');
  }
  return ok(name, message);
}

/** The folder, or the nearest above it that is there. */
function firstExisting(folder: string): string {
  let existing = folder;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  return existing;
}

/** Of the files; snapshots are links to them, which are not followed. */
async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += await sizeOf(path);
    else if (entry.isFile()) bytes += (await lstat(path).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}

/** Whether there is one, never what it is. */
function checkToken(env: Environment): Check {
  const path = env.HF_TOKEN_PATH || join(homeOf(env), 'token');
  if (env.HF_TOKEN) return ok('hub token', 'set by HF_TOKEN');
  if (existsSync(path)) return ok('hub token', `in ${path}`);
  return ok('hub token', 'none; only models behind a login need one (HF_TOKEN)');
}

const PROXIES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY'];

function checkNetwork(env: Environment): Check {
  const name = 'network';
  const facts: string[] = [];
  for (const upper of PROXIES) {
    const variable = env[upper] ? upper : upper.toLowerCase();
    const value = env[variable];
    if (!value) continue;
    const host = hostOf(value);
    if (host === undefined) {
      return warning(
        name,
        `${variable} is no address`,
        `set ${variable} to an address such as http://proxy:3128`,
      );
    }
    facts.push(`${variable} is ${host}`);
  }
  const exceptions = env.NO_PROXY || env.no_proxy;
  if (exceptions) facts.push(`NO_PROXY is ${exceptions}`);
  if (env.HF_ENDPOINT) {
    const host = hostOf(env.HF_ENDPOINT);
    if (host === undefined)
      return warning(name, 'HF_ENDPOINT is no address', 'set it to an address, or unset it');
    facts.push(`HF_ENDPOINT is ${host}`);
  }
  if (/^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE ?? '')) {
    facts.push('HF_HUB_OFFLINE is set: nothing is downloaded');
  }
  return ok(name, facts.length === 0 ? 'no proxy, no mirror' : facts.join('; '));
}

/** Without user and password. */
function hostOf(address: string): string | undefined {
  try {
    const { protocol, host } = new URL(address);
    return host === '' ? undefined : `${protocol}//${host}`;
  } catch {
    return undefined;
  }
}
