import { join } from 'node:path';
import type { Progress } from '../../lib/cli/progress';
import type { RerankerInfo } from '../../lib/info';
import { median, type Spread, spreadOf } from '../../lib/statistics';
import { Child } from '../child';
import { describeMachine, type Machine } from '../machine';
import { loadOptions } from '../measure';
import { chooseModel } from '../models';
import { inTurns } from '../turns';
import type { Show } from '../under-load/scenario';
import type { ServeBenchOptions } from './arguments';
import { RerankClient } from './client';
import { type Held, measureHeld } from './held';
import type { LibraryMethods, Texts } from './library-process';
import { ServedProcess } from './served-process';
import { runFor } from './throughput';
import { CALLERS, DOCUMENTS, requestOf } from './work';

/** Turns in a round of small requests, and requests of either side in a turn: short, as machines change their speed. */
const SMALL_TURNS = 10;
const SMALL_REQUESTS = 10;

export interface Throughput {
  callers: number;
  documents: number;
  rounds: { library: number; served: number }[];
  /** Pairs a second over HTTP, of those of the library. */
  ratio: Spread;
}

export interface Small {
  rounds: { libraryP50Ms: number; servedP50Ms: number }[];
  /** What HTTP adds at the median, in milliseconds. */
  overheadMs: Spread;
}

export interface ServeResult {
  date: string;
  command: string;
  machine: Machine;
  model: { name: string; synthetic: boolean; info: RerankerInfo };
  throughput?: Throughput;
  small?: Small;
  held?: Held;
}

interface Sides {
  library: Child<LibraryMethods>;
  served: ServedProcess;
  texts: Texts;
}

export async function measureServe(options: ServeBenchOptions, progress: Progress): Promise<ServeResult> {
  progress.show('loading the model on both sides', 0);
  const model = chooseModel(options);
  const library = new Child<LibraryMethods>(join(__dirname, 'library-process.js'));
  let served: ServedProcess | undefined;
  try {
    const load = loadOptions(options);
    const { texts, info, instructionSets } = await library.call('open', { model, options: load });
    served = await ServedProcess.start(serveArguments(model.folder ?? info.model, options));
    const sides = { library, served, texts };
    const result: ServeResult = {
      date: new Date().toISOString(),
      command: ['npm run bench:serve --', ...process.argv.slice(2)].join(' '),
      machine: describeMachine(instructionSets),
      model: { name: model.name, synthetic: model.synthetic, info },
    };
    const show = (name: string) => (share: number) => progress.show(name, share);
    if (options.only.includes('throughput'))
      result.throughput = await measureThroughput(sides, options, show('throughput'));
    if (options.only.includes('small')) result.small = await measureSmall(sides, options, show('small'));
    if (options.only.includes('held')) {
      const { connections, holdSeconds } = options;
      result.held = await measureHeld(served, texts.usual, connections, holdSeconds, show('held'));
    }
    return result;
  } finally {
    progress.clear();
    library.close();
    await served?.stop();
  }
}

function serveArguments(model: string, { precision, threads }: ServeBenchOptions): string[] {
  const args = ['--model', model, '--log-level', 'silent'];
  if (precision !== undefined) args.push('--precision', precision);
  if (threads !== undefined) args.push('--threads', String(threads));
  return args;
}

async function measureThroughput(
  { library, served, texts }: Sides,
  { rounds, seconds }: ServeBenchOptions,
  show: Show,
): Promise<Throughput> {
  const client = new RerankClient(served.address, CALLERS);
  try {
    const overHttp = async (number: number, round: number) => {
      const { status, results } = await client.rerank(requestOf(texts.usual, round, number));
      if (status !== 200) throw new Error(`the server answered ${status}`);
      return results;
    };
    await runFor(Math.min(seconds, 1), CALLERS, (number) => overHttp(number, rounds)); // connections and code are warm then
    const measured = await inTurns(
      rounds,
      (round) => library.call('throughput', { seconds, round }),
      (round) => runFor(seconds, CALLERS, (number) => overHttp(number, round)),
      (round) => show(round / rounds),
    );
    const perSecond = measured.map(([library, served]) => ({
      library: library.pairs / library.seconds,
      served: served.pairs / served.seconds,
    }));
    const ratio = spreadOf(perSecond.map(({ library, served }) => served / library));
    return { callers: CALLERS, documents: DOCUMENTS, rounds: perSecond, ratio };
  } finally {
    await client.close();
  }
}

async function measureSmall(
  { library, served, texts }: Sides,
  { rounds }: ServeBenchOptions,
  show: Show,
): Promise<Small> {
  const client = new RerankClient(served.address, 1);
  const overHttp = async (turn: number) => {
    const times: number[] = [];
    for (let number = 0; number < SMALL_REQUESTS; number++) {
      const request = requestOf(texts.small, turn, number);
      const started = performance.now();
      const { status } = await client.rerank(request);
      if (status !== 200) throw new Error(`the server answered ${status}`);
      times.push(performance.now() - started);
    }
    return times;
  };
  try {
    await overHttp(rounds * SMALL_TURNS); // connection and code are warm then
    const measured = await inTurns(
      rounds * SMALL_TURNS,
      (turn) => library.call('small', { requests: SMALL_REQUESTS, round: turn }),
      overHttp,
      (turn) => show(turn / (rounds * SMALL_TURNS)),
    );
    const medians = Array.from({ length: rounds }, (_, round) => {
      const turns = measured.slice(round * SMALL_TURNS, (round + 1) * SMALL_TURNS);
      return {
        libraryP50Ms: median(turns.flatMap(([library]) => library)),
        servedP50Ms: median(turns.flatMap(([, served]) => served)),
      };
    });
    const overheadMs = spreadOf(medians.map(({ libraryP50Ms, servedP50Ms }) => servedP50Ms - libraryP50Ms));
    return { rounds: medians, overheadMs };
  } finally {
    await client.close();
  }
}
