import { freemem } from 'node:os';
import { join } from 'node:path';
import type { Progress } from '../../lib/cli/progress';
import { nativeBinding } from '../../lib/native/binding';
import { describeMachine } from '../machine';
import { chooseModel } from '../models';
import type { TextSet } from '../texts';
import { agreementOf } from './agreement';
import { type PeersOptions, PRECISIONS } from './arguments';
import { CONTENDERS, type Contender } from './contenders';
import { type Entrant, enter, type Loaded, type Probe, probe, runRounds } from './contest';
import { isInstalled } from './environment';
import { readableByPeers } from './expanded';
import { cacheOf, PreparedModel } from './prepare';
import { type Absent, type Measured, type PeersResult, ratiosOf, summarizeRounds } from './result';
import { type PeerTexts, peerTexts } from './texts';
import { PeerError } from './worker';

const REQUEST_DOCUMENTS = 50;
/** What a process takes at most, as a multiple of fp32 weights: several copy them while loading. */
const COPIES = 2;
const PROCESS_BYTES = 500e6;

/** Everything that one run needs. */
interface Bench {
  options: PeersOptions;
  progress: Progress;
  model: PreparedModel;
  texts: PeerTexts;
  reference: number[] | undefined;
  probes: Probe[];
  absent: Absent[];
  measured: Measured[];
}

/** All contenders on the same model and texts. Those that cannot take part are listed with the reason. */
export async function comparePeers(
  options: PeersOptions,
  progress: Progress,
  say: (line: string) => void,
): Promise<PeersResult> {
  progress.show('preparing model and texts', 0);
  const { model: folder, shape, documents } = options;
  const chosen = chooseModel({ model: folder, shape: folder === undefined ? shape : undefined });
  const source = chosen.folder as string;
  const readable = readableByPeers(source, () => join(cacheOf(source), 'expanded'));
  const texts = await peerTexts(readable, options);
  const model = new PreparedModel(readable, texts.sets, (line) => {
    progress.clear();
    say(line);
  });
  const reference = await model.reference();
  const bench: Bench = {
    ...{ options, progress, model, texts, reference },
    ...{ probes: [], absent: [], measured: [] },
  };

  const wanted = CONTENDERS.filter(
    ({ peer, precision }) => options.only.includes(peer) && options.precision.includes(precision),
  );
  const entrants: Entrant[] = [];
  for (const contender of wanted) entrants.push(...(await entrantsOf(contender, bench)));
  const together = entrants.length * (COPIES * 4 * texts.parameters + PROCESS_BYTES) < freemem();
  const groups = together
    ? [entrants]
    : PRECISIONS.map((precision) => entrants.filter(({ contender }) => contender.precision === precision));
  for (const group of groups) await measureGroup(group, bench);
  progress.clear();

  const counts = texts.tokens.flat();
  return {
    date: new Date().toISOString(),
    command: ['npm run bench:peers --', ...process.argv.slice(2)].join(' '),
    machine: describeMachine(nativeBinding().cpuFeatures()),
    model: { name: chosen.name, synthetic: chosen.synthetic, parameters: texts.parameters },
    documents,
    requestDocuments: Math.min(REQUEST_DOCUMENTS, documents),
    rounds: options.rounds,
    tokensPerPair: counts.reduce((sum, count) => sum + count, 0) / counts.length,
    together,
    reference: reference === undefined ? 'crossrank fp32' : 'torch float64',
    measured: bench.measured,
    absent: bench.absent,
    probes: bench.probes,
    ratios: ratiosOf(bench.measured),
  };
}

/** The documented way, and the fastest where that is another one. */
async function entrantsOf(contender: Contender, bench: Bench): Promise<Entrant[]> {
  const { name, precision, runtime, documented } = contender;
  if (!isInstalled(runtime) || (documented.files !== 'source' && !isInstalled('python'))) {
    bench.absent.push({ name, precision, reason: 'not installed; --install does it' });
    return [];
  }
  const usual: Entrant = { name, contender, way: documented };
  try {
    // Before anyone is loaded: converting takes as much memory as running.
    bench.progress.show(`writing files for ${name}`, 0);
    await bench.model.folder(documented.files);
  } catch (error) {
    miss(bench, usual, error as Error);
    return [];
  }
  const { probe: requests } = bench.options;
  if (requests === 0 || contender.others.length === 0) return [usual];
  bench.progress.show(`trying ways to run ${name}`, 0);
  const { best, probes } = await probe(contender, bench.model, bench.texts.sets, requests);
  bench.probes.push(...probes);
  return best === undefined || best === documented
    ? [usual]
    : [usual, { name: `${name}, fastest way`, contender, way: best }];
}

async function measureGroup(entrants: readonly Entrant[], bench: Bench): Promise<void> {
  const { options, texts, progress } = bench;
  const loaded: Loaded[] = [];
  try {
    for (const entrant of entrants) {
      progress.show(`loading ${entrant.name}`, 0);
      try {
        loaded.push(await enter(entrant, bench.model, texts.sets[0] as TextSet, options.threads));
      } catch (error) {
        miss(bench, entrant, error as Error);
      }
    }
    const requestDocuments = Math.min(REQUEST_DOCUMENTS, options.documents);
    const plan = { rounds: options.rounds, requests: options.requests, requestDocuments };
    const results = await runRounds(loaded, texts.sets, texts.tokens, plan, (round, name) =>
      progress.show(`round ${round + 1} of ${options.rounds}: ${name}`, round / options.rounds),
    );
    // Without torch, our own fp32 is what the others are held against.
    bench.reference ??= loaded.find(({ name }) => name === 'crossrank fp32')?.scores;
    for (const [entrant, rounds] of results) {
      if (!Array.isArray(rounds)) {
        miss(bench, entrant, rounds);
        continue;
      }
      const { name, contender, way, facts, scores, worker } = entrant;
      bench.measured.push({
        ...{ name, peer: contender.peer, precision: contender.precision, how: way.how, ...facts },
        ...(await worker.call('memory', {})),
        ...summarizeRounds(rounds),
        agreement: agreementOf(scores, bench.reference ?? scores),
      });
    }
  } finally {
    for (const { worker } of loaded) worker.close();
  }
}

function miss(bench: Bench, { name, contender }: Entrant, error: Error): void {
  bench.absent.push({ name, precision: contender.precision, reason: reasonOf(error) });
}

/** What a library refused is told in its own words; the codes are for what went wrong around it. */
function reasonOf(error: Error): string {
  if (!(error instanceof PeerError)) return error.message;
  return error.code === 'PEER_FAILED'
    ? `not available here: ${error.message}`
    : `${error.code}: ${error.message}`;
}
