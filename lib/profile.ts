import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { cpus, homedir } from 'node:os';
import { join } from 'node:path';
import { nativeBinding } from './native/binding';
import type { LoadOptions } from './options';
import type { RunningPrecision } from './precision/scorer';
import { usableProcessors } from './threads';

/**
 * What `crossrank tune` found best for a model on a machine, and `load` takes for options that its caller leaves out.
 * A JSON file in the user's cache folder; one that is broken, of another version, model or machine counts as absent.
 */
export interface Profile {
  version: typeof PROFILE_VERSION;
  /** The real path of the model's folder. */
  model: string;
  /** Size and time of its files: another model in the same folder has to be tuned, and verified, again. */
  files: string;
  machine: Machine;
  precisions: Partial<Record<RunningPrecision, Setting>>;
  /** What `precision: 'auto'` takes: the fastest that held against fp32, never int8. */
  auto?: RunningPrecision;
  /** When, as an ISO date. */
  measured: string;
}

export interface Setting {
  threads: number;
  maxTokensPerChunk: number;
  pairsPerSecond: number;
}

export interface Machine {
  cpuModel: string;
  /** Processors that this process may use. */
  cores: number;
  /** Instruction sets that the engine sees, or the level that `CROSSRANK_CPU` names. */
  level: string;
}

export const PROFILE_VERSION = 1;

const PRECISION_NAMES: readonly string[] = ['fp32', 'bf16x3', 'bf16', 'int8', 'model'];

export function thisMachine(): Machine {
  return {
    cpuModel: cpus()[0]?.model.trim() || 'unknown processor',
    cores: usableProcessors(),
    level: process.env.CROSSRANK_CPU || nativeBinding().cpuFeatures(),
  };
}

/** `$CROSSRANK_CACHE`, else `crossrank` in the platform's folder for caches. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.CROSSRANK_CACHE) return env.CROSSRANK_CACHE;
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'crossrank');
  if (process.platform === 'win32' && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, 'crossrank', 'cache');
  return join(homedir(), '.cache', 'crossrank');
}

/** Where the profile of a model on this machine is, or would be, and what it has to say of itself. */
export interface ProfilePlace {
  path: string;
  model: string;
  files: string;
  machine: Machine;
}

export async function profilePlace(folder: string): Promise<ProfilePlace> {
  const model = await realpath(folder);
  const machine = thisMachine();
  const hash = createHash('sha256')
    .update(JSON.stringify([model, machine]))
    .digest('hex')
    .slice(0, 32);
  return {
    path: join(cacheFolder(), 'profiles', `${hash}.json`),
    model,
    files: await fingerprint(model),
    machine,
  };
}

/** The profile at its place, or undefined. */
export async function readProfile(place: ProfilePlace): Promise<Profile | undefined> {
  try {
    const profile: unknown = JSON.parse(await readFile(place.path, 'utf8'));
    return isProfile(profile, place) ? profile : undefined;
  } catch {
    return undefined;
  }
}

/** Writes the profile so that a reader sees the old one or the new one, never a part. */
export async function writeProfile(path: string, profile: Profile): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, `${JSON.stringify(profile, undefined, 2)}\n`);
    await rename(temporary, path);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Options with what the profile knows of those left out, and the profile's path where it was used. */
export async function applyProfile(
  folder: string,
  options: LoadOptions,
): Promise<{ options: LoadOptions; profile: string | null }> {
  const unused = { options, profile: null };
  // Kernels of a level that was named are not the ones that were measured.
  const isOff = options.profile === false || process.env.CROSSRANK_PROFILE === 'off';
  if (isOff || options.cpu !== undefined) return unused;
  const asked = options.precision ?? 'auto';
  if (asked !== 'auto' && options.threads !== undefined && options.maxTokensPerChunk !== undefined)
    return unused;
  let place: ProfilePlace;
  try {
    place = await profilePlace(folder);
  } catch {
    return unused; // load tells what is wrong with the folder
  }
  const profile = await readProfile(place);
  const precision = asked === 'auto' ? profile?.auto : asked;
  const setting = precision && (profile?.precisions[precision] ?? profile?.precisions.model);
  if (precision === undefined || setting === undefined) return unused;
  return {
    options: {
      threads: setting.threads,
      maxTokensPerChunk: setting.maxTokensPerChunk,
      ...withoutUndefined(options),
      precision: precision === 'model' ? asked : precision,
    },
    profile: place.path,
  };
}

function withoutUndefined(options: LoadOptions): LoadOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

async function fingerprint(folder: string): Promise<string> {
  const hash = createHash('sha256');
  for (const below of ['', 'onnx']) {
    const names = await readdir(join(folder, below)).catch(() => []);
    for (const name of names.sort()) {
      if (!/\.(safetensors|onnx|onnx_data|json)$/.test(name)) continue;
      const { size, mtimeMs } = await stat(join(folder, below, name));
      hash.update(JSON.stringify([below, name, size, mtimeMs]));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

function isProfile(value: unknown, place: ProfilePlace): value is Profile {
  const profile = value as Partial<Profile> | null;
  if (
    profile?.version !== PROFILE_VERSION ||
    profile.model !== place.model ||
    profile.files !== place.files
  ) {
    return false;
  }
  const { machine, precisions, auto } = profile;
  return (
    machine?.cpuModel === place.machine.cpuModel &&
    machine.cores === place.machine.cores &&
    machine.level === place.machine.level &&
    typeof precisions === 'object' &&
    precisions !== null &&
    Object.entries(precisions).every(
      ([name, setting]) => PRECISION_NAMES.includes(name) && isSetting(setting),
    ) &&
    (auto === undefined || precisions[auto] !== undefined)
  );
}

function isSetting(value: unknown): value is Setting {
  const setting = value as Partial<Setting> | null;
  return (
    isCount(setting?.threads, 1024) &&
    isCount(setting.maxTokensPerChunk, 1 << 20) &&
    typeof setting.pairsPerSecond === 'number' &&
    setting.pairsPerSecond > 0
  );
}

function isCount(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max;
}
