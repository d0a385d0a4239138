import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { CrossrankError } from '../errors';
import { type HubOptions, isEndpoint, isToken } from './options';

/** Options and environment together: what a download goes by. */
export interface HubSettings {
  cacheFolder: string;
  /** Without a slash at its end. */
  endpoint: string;
  token: string | undefined;
  offline: boolean;
  /** False where `HF_HUB_DISABLE_SYMLINKS` says so: then snapshots hold the files themselves. */
  symlinks: boolean;
  /** Until an answer begins. */
  answerTimeoutMs: number;
  /** Without a byte, after which a transfer counts as broken. */
  stallTimeoutMs: number;
  /** Before the first retry; it doubles from there. */
  retryDelayMs: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

const PUBLIC_HUB = 'https://huggingface.co';
const DEFAULT_TIMEOUT_MS = 10_000;
const RETRY_DELAY_MS = 500;

/**
 * What the options leave out is read as huggingface_hub reads it.
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` where a variable holds what it cannot mean
 */
export async function readSettings(
  options: HubOptions,
  env: Environment = process.env,
): Promise<HubSettings> {
  return {
    cacheFolder: hubCacheFolder(options.cacheFolder, env),
    endpoint: readEndpoint(options.endpoint, env),
    token: await readToken(options.token, env),
    offline: options.offline ?? (isTrue(env.HF_HUB_OFFLINE) || isTrue(env.TRANSFORMERS_OFFLINE)),
    symlinks: !isTrue(env.HF_HUB_DISABLE_SYMLINKS),
    answerTimeoutMs: readSeconds('HF_HUB_ETAG_TIMEOUT', env),
    stallTimeoutMs: readSeconds('HF_HUB_DOWNLOAD_TIMEOUT', env),
    retryDelayMs: RETRY_DELAY_MS,
  };
}

/** The cache's folder, whether there is one or not. */
export function hubCacheFolder(named: string | undefined, env: Environment = process.env): string {
  if (named !== undefined) return resolve(named);
  const folder = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE;
  return folder ? resolve(expanded(folder, env)) : join(homeFolder(env), 'hub');
}

function homeFolder(env: Environment): string {
  if (env.HF_HOME) return resolve(expanded(env.HF_HOME, env));
  return resolve(expanded(join(env.XDG_CACHE_HOME || '~/.cache', 'huggingface'), env));
}

/** `~` and variables, as Python's `expanduser` and `expandvars`. */
function expanded(path: string, env: Environment): string {
  const named = path.replace(/^~(?=$|[/\\])/, () => env.HOME || homedir());
  return named.replace(/\$(?:(\w+)|\{(\w+)\})/g, (whole, plain, braced) => env[plain ?? braced] ?? whole);
}

function readEndpoint(named: string | undefined, env: Environment): string {
  const endpoint = named ?? (env.HF_ENDPOINT || PUBLIC_HUB);
  if (!isEndpoint(endpoint)) {
    throw new CrossrankError(
      'ERR_INVALID_ARGUMENT',
      'HF_ENDPOINT holds no http or https address (one without a password, a query or a fragment)',
    );
  }
  return endpoint.replace(/\/+$/, '');
}

async function readToken(named: HubOptions['token'], env: Environment): Promise<string | undefined> {
  if (named === false) return undefined;
  if (named !== undefined) return named;
  if (isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  const variable = (env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN || '').trim();
  if (variable !== '') return requireToken(variable, 'HF_TOKEN');
  const path = env.HF_TOKEN_PATH ? expanded(env.HF_TOKEN_PATH, env) : join(homeFolder(env), 'token');
  // A file that is not there, or not ours to read, is no token.
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trim() === '' ? undefined : requireToken(text.trim(), path);
}

function requireToken(text: string, where: string): string {
  if (isToken(text)) return text;
  throw new CrossrankError(
    'ERR_INVALID_ARGUMENT',
    `${where} holds no access token: one is a word of letters, digits and "_"; remove it or log in again`,
  );
}

function readSeconds(name: string, env: Environment): number {
  const text = env[name];
  if (!text) return DEFAULT_TIMEOUT_MS;
  const seconds = Number(text);
  if (seconds > 0 && seconds <= 86_400) return seconds * 1000;
  throw new CrossrankError(
    'ERR_INVALID_ARGUMENT',
    `${name} takes seconds, from more than 0 to 86400, not ${JSON.stringify(text)}`,
  );
}

function isTrue(value: string | undefined): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes((value ?? '').toUpperCase());
}
