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
import { type Answer, SIDES, type SideName } from './sides';

/** Requests at the same time: enough for all threads. */
export const CALLERS = 8;

export interface Overhead {
  name: SideName;
  /** Pairs or texts a second, round by round. */
  rounds: { framework: number; library: number }[];
  /** Framework over library, round by round. */
  ratio: Spread;
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
        const { framework, library } = side;
        const show = (share: number) => progress.show(name, share);
        overheads.push(await measureOverhead(name, { framework, library, texts, ...options }, show));
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

interface Contest {
  framework: Answer;
  library: Answer;
  texts: readonly TextSet[];
  rounds: number;
  requests: number;
}

/** Both sides have the same requests of a round, no text of which comes twice to either. */
async function measureOverhead(
  name: SideName,
  { framework, library, texts, rounds, requests }: Contest,
  show: (share: number) => void,
): Promise<Overhead> {
  const perSecond = async (answer: Answer, round: number) => {
    const started = performance.now();
    let next = 0;
    let pairs = 0;
    const caller = async () => {
      while (next < requests) pairs += await answer(requestOf(texts, round, next++));
    };
    await Promise.all(Array.from({ length: CALLERS }, caller));
    return (pairs / (performance.now() - started)) * 1000;
  };
  await perSecond(framework, rounds); // code, connections and memory are warm then
  const measured = await inTurns(
    rounds,
    (round) => perSecond(framework, round),
    (round) => perSecond(library, round),
    (round) => show(round / rounds),
  );
  return {
    name,
    rounds: measured.map(([framework, library]) => ({ framework, library })),
    ratio: spreadOf(measured.map(([framework, library]) => framework / library)),
  };
}
