import { modelName } from '../embedding/model-name';
import type { RerankerInfo } from '../info';
import type { Precision } from '../options';
import { PASSAGES, QUERIES } from '../precision/pairs';
import type { RunningPrecision } from '../precision/scorer';
import { COMPARED_PRECISIONS, type VerifyReport, verifyPrecisions } from '../precision/verify';
import { PROFILE_VERSION, type Profile, profilePlace, readProfile, writeProfile } from '../profile';
import { Reranker } from '../reranker';
import { usableProcessors } from '../threads';
import { makeWorkload, type Workload } from './bench/workload';
import {
  type Range,
  readChoices,
  readInteger,
  readList,
  readModel,
  readRange,
  readValues,
} from './command-line';
import { modelFolder } from './model-folder';
import { Progress } from './progress';
import { formatTable } from './table';
import { chooseAuto, chooseSetting, isSame } from './tune/choose';
import { type Combination, type Measured, measureAll, pairsPerSecond, VISIT_MS } from './tune/measure';

const OPTIONS = {
  length: { type: 'string' },
  documents: { type: 'string' },
  precision: { type: 'string' },
  threads: { type: 'string' },
  chunk: { type: 'string' },
  rounds: { type: 'string' },
  'dry-run': { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

interface Arguments {
  model: string | undefined;
  length: Range;
  documents: number;
  rounds: number;
  precisions: Exclude<Precision, 'auto'>[];
  threads: number[];
  /** Empty: around the model's default. */
  chunks: number[];
  dryRun: boolean;
  json: boolean;
}

function readArguments(args: readonly string[]): Arguments {
  const positionals: string[] = [];
  const values = readValues(args, OPTIONS, positionals);
  const precisions = ['fp32', ...COMPARED_PRECISIONS] as const;
  return {
    model: readModel(positionals),
    length: readRange(values.length ?? '60-130'),
    documents: readInteger('documents', values.documents ?? '50', 100_000),
    rounds: readInteger('rounds', values.rounds ?? '3', 1000),
    precisions: readChoices('precision', values.precision ?? precisions.join(), precisions),
    threads: values.threads === undefined ? defaultThreads() : readList('threads', values.threads),
    chunks: values.chunk === undefined ? [] : readList('chunk', values.chunk, 1 << 20),
    dryRun: values['dry-run'] !== undefined,
    json: values.json !== undefined,
  };
}

/** Powers of two, and all. */
function defaultThreads(): number[] {
  const all = usableProcessors();
  const threads = [all];
  for (let power = 1; power < all; power *= 2) threads.push(power);
  return threads.sort((a, b) => a - b);
}

/** What a first look at the model tells. */
interface Probe {
  info: RerankerInfo;
  workload: Workload;
  tokensPerPair: number;
  pairsPerSecond: number;
  loadMs: number;
}

export const help = `crossrank tune [MODEL]       measures threads, chunk tokens and precisions, and writes the profile that load picks up

MODEL is a model folder, or ORGANISATION/NAME of the hub; without it the embedded model.

  --length MIN-MAX           tokens of a document (default 60-130)
  --documents N              documents of a query (default 50)
  --precision LIST           such as fp32,bf16 (default all that this CPU runs)
  --threads LIST             such as 1,2,4 (default powers of two up to all processors)
  --chunk LIST               tokens one run computes at most (default 128,256,512,1024)
  --rounds N                 measurements of each combination (default 3)
  --dry-run                  measure and print, write no profile
  --json                     the measurements as JSON`;

export async function run(args: readonly string[]): Promise<number> {
  const given = readArguments(args);
  const progress = new Progress();
  try {
    const asked = { ...given, model: await modelFolder(given.model, progress) };
    progress.show('looking at the model', 0);
    const probe = await look(asked);
    const { info } = probe;
    const isExported = info.precision === 'model';
    const compared = isExported ? [] : asked.precisions.filter((precision) => precision !== 'fp32');
    const estimate = estimateSeconds(probe, asked, isExported ? 1 : asked.precisions.length);
    progress.clear();
    console.error(`crossrank tune: about ${describeSeconds(estimate)}, less with faster precisions`);

    const verified = await verifyPrecisions(
      (precision) => Reranker.load(asked.model, { precision, profile: false }),
      compared,
      (what, done) => progress.show(`scoring in ${what}`, VERIFY_SHARE * done),
    );
    const running: RunningPrecision[] = isExported
      ? ['model']
      : asked.precisions.filter((precision) =>
          verified.refused.every((refused) => refused.precision !== precision),
        );
    const combinations = combine(running, asked.threads, chunksOf(asked, info));
    const measured = await measureAll(
      combinations,
      asked.rounds,
      ({ precision, threads, maxTokensPerChunk }) =>
        Reranker.load(asked.model, {
          precision: precision === 'model' ? 'auto' : precision,
          threads,
          maxTokensPerChunk,
          profile: false,
        }),
      probe.workload,
      (each, done) =>
        progress.show(
          `${each.precision}, ${each.threads} threads, ${each.maxTokensPerChunk} tokens`,
          VERIFY_SHARE + (1 - VERIFY_SHARE) * done,
        ),
    );
    progress.clear();
    const outcome = await settle(probe, verified, measured);
    if (!asked.dryRun) await writeProfile(outcome.path, outcome.profile);
    console.log(
      asked.json
        ? JSON.stringify({
            ...outcome,
            verified,
            measured,
            tokensPerPair: probe.tokensPerPair,
            written: !asked.dryRun,
          })
        : describeOutcome(probe, asked, verified, measured, outcome),
    );
    return 0;
  } finally {
    progress.clear();
  }
}

const VERIFY_SHARE = 0.1;

async function look({ model, documents, length }: Arguments): Promise<Probe> {
  const started = performance.now();
  await using reranker = await Reranker.load(model, { precision: 'auto', profile: false });
  const loadMs = performance.now() - started;
  const workload = await makeWorkload(reranker, documents, length);
  const { query, maxLength } = workload;
  const rate = await pairsPerSecond(reranker, workload);
  const { usage } = await reranker.rerank(query, workload.documents, {
    maxLength,
    returnDocuments: false,
    cache: false,
  });
  return {
    info: reranker.info(),
    workload,
    tokensPerPair: usage.tokens / usage.pairs,
    pairsPerSecond: rate,
    loadMs,
  };
}

/** As if every precision were as slow as the first one, and as if threads divided the work evenly. */
function estimateSeconds(probe: Probe, asked: Arguments, precisions: number): number {
  const { info, workload, loadMs } = probe;
  const chunks = chunksOf(asked, info).length;
  const queryMs = (threads: number) =>
    ((workload.documents.length / probe.pairsPerSecond) * 1000 * info.threads) /
    Math.min(threads, info.threads);
  let visitMs = 0;
  for (const threads of asked.threads) visitMs += loadMs + Math.max(VISIT_MS, 1.2 * queryMs(threads));
  const verifyMs = loadMs + ((QUERIES.length * PASSAGES.length) / probe.pairsPerSecond) * 1000;
  return (asked.rounds * precisions * chunks * visitMs + precisions * verifyMs) / 1000;
}

function describeSeconds(seconds: number): string {
  return seconds < 120 ? `${Math.ceil(seconds)} seconds` : `${Math.ceil(seconds / 60)} minutes`;
}

/** An exported graph runs padded rows, and its default is larger. */
function chunksOf({ chunks }: Arguments, { packed, maxTokensPerChunk }: RerankerInfo): number[] {
  if (chunks.length > 0) return chunks;
  return packed ? [128, 256, 512, 1024] : [maxTokensPerChunk / 4, maxTokensPerChunk / 2, maxTokensPerChunk];
}

function combine(
  precisions: readonly RunningPrecision[],
  threads: readonly number[],
  chunks: readonly number[],
): Combination[] {
  return precisions.flatMap((precision) =>
    threads.flatMap((count) =>
      chunks.map((maxTokensPerChunk) => ({ precision, threads: count, maxTokensPerChunk })),
    ),
  );
}

interface Outcome {
  path: string;
  earlier: Profile | undefined;
  profile: Profile;
  chosen: Measured[];
}

/** The profile that the measurements come to, beside the earlier one. */
async function settle(probe: Probe, verified: VerifyReport, measured: readonly Measured[]): Promise<Outcome> {
  const { path, ...identity } = await profilePlace(probe.info.model);
  const earlier = await readProfile({ path, ...identity });
  const names = [...new Set(measured.map(({ precision }) => precision))];
  const chosen = names.map((name) =>
    chooseSetting(
      measured.filter(({ precision }) => precision === name),
      probe.info,
      earlier?.precisions[name],
    ),
  );
  const held = verified.precisions.filter(({ broken }) => broken.length === 0);
  const holding = new Set<RunningPrecision>(['fp32', 'model', ...held.map(({ precision }) => precision)]);
  const auto = chooseAuto(chosen, holding, earlier?.auto);
  const profile: Profile = {
    version: PROFILE_VERSION,
    ...identity,
    precisions: Object.fromEntries(chosen.map((each) => [each.precision, settingOf(each)])),
    ...(auto === undefined ? {} : { auto }),
    measured: new Date().toISOString(),
  };
  return { path, earlier, profile, chosen };
}

function settingOf({ threads, maxTokensPerChunk, pairsPerSecond: { median } }: Measured) {
  return { threads, maxTokensPerChunk, pairsPerSecond: Number(median.toPrecision(4)) };
}

function describeOutcome(
  { info, workload, tokensPerPair }: Probe,
  { rounds, length, dryRun }: Arguments,
  verified: VerifyReport,
  measured: readonly Measured[],
  { path, earlier, profile, chosen }: Outcome,
): string {
  const { cpuModel, cores } = profile.machine;
  const lines = [
    `${modelName(info.model)} on ${cpuModel}, ${cores} processors`,
    `${workload.documents.length} documents of ${length.min} to ${length.max} tokens, ` +
      `${tokensPerPair.toFixed(0)} tokens a pair, ${rounds} ${rounds === 1 ? 'round' : 'rounds'} in turns`,
    '',
    formatTable(
      ['precision', 'threads', 'chunk', 'pairs/s', 'least', 'most', ''],
      measured.map((each) => [
        each.precision,
        String(each.threads),
        String(each.maxTokensPerChunk),
        ...[each.pairsPerSecond.median, each.pairsPerSecond.min, each.pairsPerSecond.max].map(rateText),
        chosen.includes(each) ? '<- chosen' : '',
      ]),
    ),
    '',
  ];
  for (const { precision, parity, broken } of verified.precisions) {
    const tau = parity.tau === null ? '' : `, Kendall tau ${parity.tau.toFixed(4)}`;
    lines.push(`${precision} ${broken.length === 0 ? 'holds' : 'DOES NOT HOLD'} against fp32${tau}`);
  }
  for (const { precision, reason } of verified.refused) lines.push(`${precision} not measured: ${reason}`);
  if (profile.auto !== undefined)
    lines.push(`auto: ${profile.auto}, ${settingText(profile.precisions[profile.auto])}`);
  lines.push(
    `profile ${verdict(profile, earlier)}`,
    `${dryRun ? 'not written (--dry-run)' : 'written'}: ${path}`,
  );
  return lines.join('\n');
}

/** Confirmed when the earlier profile says the same of every precision it shares with this one. */
function verdict(profile: Profile, earlier: Profile | undefined): string {
  if (earlier === undefined) return 'new';
  const changes: string[] = [];
  for (const [name, setting] of Object.entries(profile.precisions)) {
    const before = earlier.precisions[name as RunningPrecision];
    if (before !== undefined && !isSame(setting, before)) changes.push(`${name} was ${settingText(before)}`);
  }
  if (profile.auto !== earlier.auto) changes.push(`auto was ${earlier.auto ?? 'open'}`);
  return changes.length === 0 ? 'confirmed' : `changed: ${changes.join('; ')}`;
}

function settingText(setting: Profile['precisions'][RunningPrecision]): string {
  if (setting === undefined) return 'not measured';
  const { threads, maxTokensPerChunk, pairsPerSecond: rate } = setting;
  return `${threads} threads, chunks of ${maxTokensPerChunk} tokens, ${rateText(rate)} pairs/s`;
}

function rateText(rate: number): string {
  return rate.toFixed(rate < 100 ? 1 : 0);
}
