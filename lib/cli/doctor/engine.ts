import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Embedder } from '../../embedder';
import { embeddedModel } from '../../engine';
import { CrossrankError, messageOf } from '../../errors';
import type { RerankerInfo } from '../../info';
import { nativeAddonPath, nativeBinding } from '../../native/binding';
import { CPU_LEVELS, type CpuLevel, type LoadOptions } from '../../options';
import { checkGolden } from '../../precision/golden';
import { significant } from '../../precision/parity';
import { profilePlace, readProfile } from '../../profile';
import { Reranker } from '../../reranker';
import { type Check, ok, problem, warning } from './check';

const REINSTALL = 'install crossrank again: npm ci, or npm install crossrank';
const PRECISIONS = ['fp32', 'bf16x3', 'bf16', 'int8'] as const;

export function checkAddon(): Check {
  try {
    nativeBinding();
    return ok('native addon', nativeAddonPath());
  } catch (error) {
    // The message ends with what to do on this machine.
    const lines = messageOf(error).split('\n');
    return problem('native addon', lines.slice(0, -1).join('\n'), lines.at(-1) ?? REINSTALL);
  }
}

/** What the engine makes of this CPU; needs the addon. */
export async function checkEngine(): Promise<Check[]> {
  const open = (options: LoadOptions) =>
    Reranker.load(undefined, { profile: false, cache: false, ...options });
  let info: RerankerInfo;
  try {
    await using reranker = await open({ precision: 'fp32' });
    info = reranker.info();
  } catch (error) {
    const { code } = error as { code?: unknown };
    const advice =
      code === 'ERR_RUNTIME'
        ? `${REINSTALL}; or name a library of ONNX Runtime 1.18 or newer with CROSSRANK_ONNXRUNTIME`
        : REINSTALL;
    return [problem('ONNX Runtime', messageOf(error), advice)];
  }
  const { version, path } = info.onnxRuntime;
  return [
    ok('ONNX Runtime', `${version}, ${path}`),
    await checkKernels(open, info.kernels.level),
    ...(await checkPrecisions(open)),
    checkProvider(path),
  ];
}

type Open = (options: LoadOptions) => Promise<Reranker>;

/** Levels up to the best one; the load with the lowest shows whether CROSSRANK_CPU hides some. */
async function checkKernels(open: Open, level: CpuLevel): Promise<Check> {
  const available: string[] = [];
  for (const cpu of CPU_LEVELS) if ((await tryLoad(open, { cpu })).info !== undefined) available.push(cpu);
  const { info } = await tryLoad(open, {});
  const refused = info?.kernels.refused;
  const message = `${level}; levels ${available.join(', ')}; instruction sets ${nativeBinding().cpuFeatures()}`;
  if (refused !== undefined) {
    const advice = 'ask whoever runs the machine or container to allow it; everything works without, slower';
    return warning('CPU kernels', `${message}; refused: ${refused}`, advice);
  }
  const named = process.env.CROSSRANK_CPU;
  if (named) {
    return warning(
      'CPU kernels',
      `${message}; CROSSRANK_CPU is ${named}`,
      'unset CROSSRANK_CPU to use all there is',
    );
  }
  if (level === 'generic') {
    return warning('CPU kernels', message, 'this CPU has no AVX2: expect a fraction of the speed');
  }
  return ok('CPU kernels', message);
}

async function checkPrecisions(open: Open): Promise<Check[]> {
  const checks: Check[] = [];
  const auto = (await tryLoad(open, { precision: 'auto' })).info?.precision;
  for (const precision of PRECISIONS) {
    const name = `precision ${precision}`;
    const { info, error } = await tryLoad(open, { precision });
    if (info !== undefined) {
      const { linear, attention } = info.kernels;
      const chosen = precision === auto ? ', what auto takes' : '';
      checks.push(ok(name, `matrices ${linear}, attention ${attention}${chosen}`));
    } else if ((error as { code?: unknown }).code === 'ERR_PRECISION') {
      checks.push(ok(name, `not on this CPU: ${messageOf(error)}`));
    } else {
      checks.push(problem(name, messageOf(error), REINSTALL));
    }
  }
  return checks;
}

async function tryLoad(open: Open, options: LoadOptions): Promise<{ info?: RerankerInfo; error?: unknown }> {
  try {
    await using reranker = await open(options);
    return { info: reranker.info() };
  } catch (error) {
    return { error };
  }
}

const PROVIDER_LIBRARY = /onnxruntime_providers_(\w+)\.(so|dll|dylib)$/;

/** The CPU is what runs. Libraries of other providers beside the runtime, and a GPU, are told but not used. */
export function checkProvider(runtimePath: string): Check {
  const folder = dirname(runtimePath);
  const beside = existsSync(folder) ? readdirSync(folder) : [];
  const others = beside
    .flatMap((file) => PROVIDER_LIBRARY.exec(file)?.[1] ?? [])
    .filter((each) => each !== 'shared');
  const driver = /Kernel Module\D*([\d.]+)/.exec(readIfThere('/proc/driver/nvidia/version'))?.[1];
  const facts = [
    others.length === 0
      ? 'the runtime comes with no other provider'
      : `beside the runtime: ${others.join(', ')}`,
    driver === undefined ? 'no NVIDIA driver is loaded' : `NVIDIA driver ${driver} is loaded`,
  ];
  return ok(
    'execution provider',
    `CPU, which is what runs in this version; a GPU is not used (${facts.join('; ')})`,
  );
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** The embedded models load, and say what they should. */
export async function checkModels(): Promise<Check[]> {
  return [await checkReranker(), await checkEmbedder(), await checkProfile()];
}

async function checkReranker(): Promise<Check> {
  const name = 'embedded reranker';
  try {
    await using reranker = await Reranker.load(undefined, { precision: 'fp32', profile: false });
    const golden = await checkGolden(reranker.info().model, reranker);
    if (golden === undefined) return problem(name, 'golden.json is missing beside it', REINSTALL);
    const { cases, maxDifference, broken } = golden;
    if (broken.length > 0)
      return problem(name, `${broken.length} of ${cases} scores are wrong: ${broken[0]}`, REINSTALL);
    return ok(name, `${cases} scores are those of the reference, within ${significant(maxDifference)}`);
  } catch (error) {
    return problem(name, messageOf(error), REINSTALL);
  }
}

const SIMILAR = ['Mars is often called the Red Planet.', 'Bread is made of flour and water.'];

async function checkEmbedder(): Promise<Check> {
  const name = 'embedded embedder';
  try {
    await using embedder = await Embedder.load();
    const [query] = await embedder.embed(['Which planet is red?'], { kind: 'query' });
    const [right, wrong] = (await embedder.embed(SIMILAR, { kind: 'document' })).map((vector) =>
      vector.reduce((sum, value, i) => sum + value * (query?.[i] as number), 0),
    ) as [number, number];
    if (!(right > wrong)) return problem(name, 'finds bread more like a red planet than Mars', REINSTALL);
    return ok(name, `${embedder.space.dimension} dimensions`);
  } catch (error) {
    return problem(name, messageOf(error), REINSTALL);
  }
}

async function checkProfile(): Promise<Check> {
  const place = await profilePlace(embeddedModel('crossrank-mini'));
  const profile = await readProfile(place);
  if (profile === undefined) {
    return ok('profile', 'none for the embedded model on this machine; crossrank tune finds what is fastest');
  }
  if (process.env.CROSSRANK_PROFILE === 'off') {
    return warning(
      'profile',
      `${place.path} is not used: CROSSRANK_PROFILE is off`,
      'unset CROSSRANK_PROFILE',
    );
  }
  return ok('profile', `${place.path}, of ${profile.measured.slice(0, 10)}`);
}

/** What may be installed beside crossrank. */
export function checkOptionalPackages(): Check {
  const name = '@lancedb/lancedb';
  try {
    require.resolve(name, { paths: [process.cwd(), __dirname] });
    return ok('optional packages', `${name} is installed, for LanceStore`);
  } catch {
    return ok('optional packages', `${name} is not installed; LanceStore needs it: npm install ${name}`);
  }
}

/** Turns what a check throws into its answer. */
export async function guarded(name: string, check: () => Promise<Check[]> | Check[]): Promise<Check[]> {
  try {
    return await check();
  } catch (error) {
    const code = error instanceof CrossrankError ? `${error.code}: ` : '';
    return [problem(name, `${code}${messageOf(error)}`, REINSTALL)];
  }
}
