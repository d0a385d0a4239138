import { readFileSync } from 'node:fs';
import { Embedder, Reranker } from '../../lib';
import type { Progress } from '../../lib/cli/progress';
import type { RerankerInfo } from '../../lib/info';
import { nativeBinding } from '../../lib/native/binding';
import { type Spread, spreadOf } from '../../lib/statistics';
import { describeMachine, type Machine } from '../machine';
import { loadOptions } from '../measure';
import { chooseModel } from '../models';
import { DOCUMENTS, LENGTH, requestOf, SETS } from '../serve/work';
import { makeTexts, type TextSet } from '../texts';
import { inTurns } from '../turns';
import type { IntegrationBenchOptions } from './arguments';
import { type Answer, SIDES, type Side, type SideName } from './sides';

/** Requests at the same time: enough for all threads. */
export const CALLERS = 8;

/** What a side did in a round. */
export interface Work {
  /** Pairs or texts. */
  perSecond: number;
  /** Processor time of a pair or text, of all threads and processes that work for it. */
  cpuMs: number;
}

export interface Overhead {
  name: SideName;
  rounds: { framework: Work; library: Work }[];
  /** Pairs a second, framework over library, round by round. */
  ratio: Spread;
  /** Processor time, framework over library: who shares the machine does not change it as much. */
  cpuRatio: Spread;
}

export interface IntegrationsResult {
  date: string;
  command: string;
  machine: Machine;
  model: { name: string; synthetic: boolean; info: RerankerInfo };
  callers: number;
  documents: number;
  overheads: Overhead[];
}

export async function measureIntegrations(
  options: IntegrationBenchOptions,
  progress: Progress,
): Promise<IntegrationsResult> {
  progress.show('loading models', 0);
  const model = chooseModel(options);
  const load = { profile: false, cache: false, ...loadOptions(options) } as const;
  await using reranker = await Reranker.load(model.folder, load);
  const { profile: _, ...loadEmbedder } = load;
  await using embedder = await Embedder.load(undefined, loadEmbedder);
  try {
    const texts = await makeTexts(reranker, SETS, DOCUMENTS, LENGTH);
    const models = { reranker, embedder, folder: model.folder };
    const overheads: Overhead[] = [];
    for (const name of options.only) {
      const side = await SIDES[name](models);
      try {
        const show = (share: number) => progress.show(name, share);
        overheads.push(await measureOverhead(name, { ...side, texts, ...options }, show));
      } finally {
        await side.close?.();
      }
    }
    return {
      date: new Date().toISOString(),
      command: ['npm run bench:integrations --', ...process.argv.slice(2)].join(' '),
      machine: describeMachine(nativeBinding().cpuFeatures()),
      model: { name: model.name, synthetic: model.synthetic, info: reranker.info() },
      callers: CALLERS,
      documents: DOCUMENTS,
      overheads,
    };
  } finally {
    progress.clear();
  }
}

interface Contest extends Side {
  texts: readonly TextSet[];
  rounds: number;
  requests: number;
}

/** Both sides have the same requests of a round, no text of which comes twice to either. */
async function measureOverhead(
  name: SideName,
  { framework, library, pid, texts, rounds, requests }: Contest,
  show: (share: number) => void,
): Promise<Overhead> {
  const workOf = async (answer: Answer, round: number): Promise<Work> => {
    const started = performance.now();
    const cpuStarted = cpuTimeMs(pid);
    let next = 0;
    let pairs = 0;
    const caller = async () => {
      while (next < requests) pairs += await answer(requestOf(texts, round, next++));
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    const cpuMs = (cpuTimeMs(pid) - cpuStarted) / pairs;
    return { perSecond: (pairs / (performance.now() - started)) * 1000, cpuMs };
  };
  await workOf(framework, rounds); // code, connections and memory are warm then
  const measured = await inTurns(
    rounds,
    (round) => workOf(framework, round),
    (round) => workOf(library, round),
    (round) => show(round / rounds),
  );
  return {
    name,
    rounds: measured.map(([framework, library]) => ({ framework, library })),
    ratio: spreadOf(measured.map(([framework, library]) => framework.perSecond / library.perSecond)),
    cpuRatio: spreadOf(measured.map(([framework, library]) => framework.cpuMs / library.cpuMs)),
  };
}

/** Of this process, and on Linux of the other one. */
function cpuTimeMs(pid: number | undefined): number {
  const { user, system } = process.cpuUsage();
  const own = (user + system) / 1000;
  if (pid === undefined || process.platform !== 'linux') return own;
  // After the program's name, which may hold anything: proc(5), fields 14 and 15, in ticks of 10 ms.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return own + (Number(fields[11]) + Number(fields[12])) * 10;
}
