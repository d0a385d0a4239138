import { Embedder, Reranker } from '../../lib';
import type { Progress } from '../../lib/cli/progress';
import type { RerankerInfo } from '../../lib/info';
import { nativeBinding } from '../../lib/native/binding';
import { median, type Spread, spreadOf } from '../../lib/statistics';
import { describeMachine, type Machine } from '../machine';
import { loadOptions } from '../measure';
import { chooseModel } from '../models';
import { DOCUMENTS, LENGTH, requestOf, SETS } from '../serve/work';
import { makeTexts, type TextSet } from '../texts';
import { inTurns } from '../turns';
import type { IntegrationBenchOptions } from './arguments';
import { INSTANT } from './instant';
import { type Answer, SIDES, type Side, type SideName } from './sides';

export interface Overhead {
  name: SideName;
  /** Pairs or texts a second of the median request, round by round. */
  rounds: { framework: number; library: number }[];
  /** Pairs a second, framework over library, round by round. */
  ratio: Spread;
  /**
   * Of one request through the framework where the model answers at once, in milliseconds, the median; over MCP where the
   * server has its scores in the cache.
   */
  layerMs: number;
  /** That, as a share of the time that the library took for a request in its best round. */
  layerShare: number;
}

export interface IntegrationsResult {
  date: string;
  command: string;
  machine: Machine;
  model: { name: string; synthetic: boolean; info: RerankerInfo };
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
    const { precision } = reranker.info();
    const serverArguments = [
      ...(model.folder === undefined ? [] : ['--model', model.folder]),
      ...(precision === 'model' ? [] : ['--precision', precision]),
    ];
    const models = { reranker, embedder, serverArguments };
    const overheads: Overhead[] = [];
    for (const name of options.only) {
      const side = await SIDES[name](models);
      try {
        const show = (share: number) => progress.show(name, share);
        const layer = side.isApart ? side : await SIDES[name](INSTANT);
        const layerMs = await measureLayer(layer.framework, texts);
        overheads.push(await measureOverhead(name, { ...side, layerMs, texts, ...options }, show));
      } finally {
        await side.close?.();
      }
    }
    return {
      date: new Date().toISOString(),
      command: ['npm run bench:integrations --', ...process.argv.slice(2)].join(' '),
      machine: describeMachine(nativeBinding().cpuFeatures()),
      model: { name: model.name, synthetic: model.synthetic, info: reranker.info() },
      documents: DOCUMENTS,
      overheads,
    };
  } finally {
    progress.clear();
  }
}

const LAYER_REQUESTS = 300;

/** One request at a time, the same one. */
async function measureLayer(framework: Answer, texts: readonly TextSet[]): Promise<number> {
  const request = requestOf(texts, 0, 0);
  const times: number[] = [];
  for (let i = 0; i < LAYER_REQUESTS; i++) {
    const started = performance.now();
    await framework(request);
    times.push(performance.now() - started);
  }
  return median(times);
}

interface Contest extends Side {
  layerMs: number;
  texts: readonly TextSet[];
  rounds: number;
  requests: number;
}

/**
 * Both sides have the same requests of a round, one by one in turns, so that a machine that others load meanwhile is as
 * slow for one as for the other. No text comes twice to either.
 */
async function measureOverhead(
  name: SideName,
  { framework, library, layerMs, texts, rounds, requests }: Contest,
  show: (share: number) => void,
): Promise<Overhead> {
  const timeOf = async (answer: Answer, round: number, number: number) => {
    const request = requestOf(texts, round, number);
    const started = performance.now();
    await answer(request);
    return performance.now() - started;
  };
  await timeOf(framework, rounds, 0); // code, connections and memory are warm then
  await timeOf(library, rounds, 0);
  const measured: Overhead['rounds'] = [];
  for (let round = 0; round < rounds; round++) {
    const times = await inTurns(
      requests,
      (number) => timeOf(framework, round, number),
      (number) => timeOf(library, round, number),
      (number) => show((round + number / requests) / rounds),
    );
    const perSecond = (ofSide: number[]) => (DOCUMENTS / median(ofSide)) * 1000;
    measured.push({
      framework: perSecond(times.map(([ms]) => ms)),
      library: perSecond(times.map(([, ms]) => ms)),
    });
  }
  const libraryMs = (DOCUMENTS / Math.max(...measured.map(({ library }) => library))) * 1000;
  return {
    name,
    layerMs,
    layerShare: layerMs / libraryMs,
    rounds: measured,
    ratio: spreadOf(measured.map(({ framework, library }) => framework / library)),
  };
}
