import { setTimeout as delay } from 'node:timers/promises';
import type { TextSet } from '../texts';
import type { Contender, Way } from './contenders';
import { NPM_MODULES, workerCommand } from './environment';
import type { PreparedModel } from './prepare';
import { type LoadedPeer, PeerError, PeerWorker } from './worker';

/** A contender that is to run one way. */
export interface Entrant {
  name: string;
  contender: Contender;
  way: Way;
}

/** A way that was tried before the rounds. */
export interface Probe {
  contender: string;
  how: string;
  /** Of the fastest request: on a machine that others use, the slow ones tell of them. */
  pairsPerSecond: number | undefined;
  error: string | undefined;
}

/** An entrant whose process holds the model. */
export interface Loaded extends Entrant {
  worker: PeerWorker;
  facts: LoadedPeer;
  /** Of the first query. */
  scores: number[];
}

/** Threads of the one before may still spin for a moment. */
const REST_MS = 200;

/** Loads a model and scores the first query once, which also warms up. @throws PeerError, Error of a conversion */
export async function enter(
  entrant: Entrant,
  model: PreparedModel,
  first: TextSet,
  threads: number | undefined,
): Promise<Loaded> {
  const folder = await model.folder(entrant.way.files);
  const worker = new PeerWorker(workerCommand(entrant.contender.runtime));
  try {
    return { ...entrant, worker, ...(await loadInto(worker, entrant, folder, first, threads)) };
  } catch (error) {
    worker.close();
    throw error;
  }
}

async function loadInto(
  worker: PeerWorker,
  { contender, way }: Pick<Entrant, 'contender' | 'way'>,
  folder: string,
  first: TextSet,
  threads: number | undefined,
): Promise<{ facts: LoadedPeer; scores: number[] }> {
  const settings = { ...way.settings, ...moreSettings(contender, threads) };
  const facts = await worker.call('load', { api: way.api, model: folder, settings });
  const { scores } = await worker.call('score', first);
  if (scores.length !== first.documents.length) {
    throw new PeerError('PEER_GARBLED', `${scores.length} scores for ${first.documents.length} documents`);
  }
  return { facts, scores };
}

function moreSettings({ runtime }: Contender, threads: number | undefined): object {
  if (runtime === 'npm') return { modules: NPM_MODULES };
  return runtime === 'crossrank' && threads !== undefined ? { threads } : {};
}

/** Milliseconds of one request. */
export async function time(worker: PeerWorker, set: TextSet): Promise<number> {
  await delay(REST_MS);
  const { elapsedMs } = await worker.call('score', set);
  if (!(elapsedMs > 0)) throw new PeerError('PEER_GARBLED', `a request that took ${elapsedMs} ms`);
  return elapsedMs;
}

/** Tries every way of a contender, one after the other in a process that then ends, and finds the fastest. */
export async function probe(
  contender: Contender,
  model: PreparedModel,
  sets: readonly TextSet[],
  requests: number,
): Promise<{ best: Way | undefined; probes: Probe[] }> {
  const probes: Probe[] = [];
  let best: { way: Way; rate: number } | undefined;
  let worker: PeerWorker | undefined;
  for (const way of [contender.documented, ...contender.others]) {
    const found = { contender: contender.name, how: way.how };
    try {
      const folder = await model.folder(way.files);
      worker ??= new PeerWorker(workerCommand(contender.runtime));
      await loadInto(worker, { contender, way }, folder, sets[0] as TextSet, undefined);
      const rate = await fastestRate(worker, sets, requests);
      if (best === undefined || rate > best.rate) best = { way, rate };
      probes.push({ ...found, pairsPerSecond: rate, error: undefined });
    } catch (error) {
      probes.push({ ...found, pairsPerSecond: undefined, error: (error as Error).message });
      worker?.close();
      worker = undefined;
    }
  }
  worker?.close();
  return { best: best?.way, probes };
}

async function fastestRate(worker: PeerWorker, sets: readonly TextSet[], requests: number): Promise<number> {
  let fastest = 0;
  for (let i = 0; i < requests; i++) {
    const set = sets[(i + 1) % sets.length] as TextSet;
    fastest = Math.max(fastest, (set.documents.length / (await time(worker, set))) * 1000);
  }
  return fastest;
}

export interface RoundPlan {
  rounds: number;
  /** Requests of fewer documents after the whole query. */
  requests: number;
  requestDocuments: number;
}

/** What one entrant did in one round. */
export interface RoundResult {
  pairsPerSecond: number;
  tokensPerSecond: number;
  requestMs: number[];
}

/**
 * Everyone scores the same queries, one after the other while the others rest; who begins changes each round, so that a
 * machine that slows down or is shared hurts all alike. One that fails takes no further part.
 */
export async function runRounds(
  entrants: readonly Loaded[],
  sets: readonly TextSet[],
  tokens: readonly (readonly number[])[],
  plan: RoundPlan,
  onTurn: (round: number, name: string) => void,
): Promise<Map<Loaded, RoundResult[] | Error>> {
  const results = new Map<Loaded, RoundResult[] | Error>(entrants.map((entrant) => [entrant, []]));
  for (let round = 0; round < plan.rounds; round++) {
    const begin = round % entrants.length;
    for (const entrant of [...entrants.slice(begin), ...entrants.slice(0, begin)]) {
      const done = results.get(entrant);
      if (!Array.isArray(done)) continue;
      onTurn(round, entrant.name);
      try {
        const at = (round + 1) % sets.length;
        const set = sets[at] as TextSet;
        const elapsed = (await time(entrant.worker, set)) / 1000;
        const sum = (tokens[at] as readonly number[]).reduce((total, count) => total + count, 0);
        const requestMs: number[] = [];
        for (let i = 0; i < plan.requests; i++) {
          const { query, documents } = sets[(at + 1 + i) % sets.length] as TextSet;
          requestMs.push(
            await time(entrant.worker, { query, documents: documents.slice(0, plan.requestDocuments) }),
          );
        }
        const result = {
          pairsPerSecond: set.documents.length / elapsed,
          tokensPerSecond: sum / elapsed,
          requestMs,
        };
        done.push(result);
      } catch (error) {
        results.set(entrant, error as Error);
      }
    }
  }
  return results;
}
