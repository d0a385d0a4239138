import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Progress } from '../../lib/cli/progress';
import type { RerankerInfo } from '../../lib/info';
import { type Spread, spreadOf } from '../../lib/statistics';
import { Child } from '../child';
import { describeMachine, type Machine } from '../machine';
import { loadOptions } from '../measure';
import { chooseModel } from '../models';
import { inTurns } from '../turns';
import { type BulkBenchOptions, DOCUMENTS } from './arguments';
import { startWorker, submit } from './commands';
import type { LibraryMethods } from './library-process';
import { BenchRedis } from './redis';

export interface BulkResult {
  date: string;
  command: string;
  machine: Machine;
  model: { name: string; synthetic: boolean; info: RerankerInfo };
  workers: number;
  /** Of either side in a round. */
  pairs: number;
  /** Pairs a second. */
  rounds: { library: number; bulk: number }[];
  /** Of the workers, of that of the library. */
  ratio: Spread;
}

export async function measureBulk(options: BulkBenchOptions, progress: Progress): Promise<BulkResult> {
  progress.show('loading the model on both sides', 0);
  const { rounds, workers, length } = options;
  const questions = Math.floor(options.pairs / rounds / DOCUMENTS);
  const folder = mkdtempSync(join(tmpdir(), 'crossrank-bulk-'));
  const model = chooseModel(options);
  const library = new Child<LibraryMethods>(join(__dirname, 'library-process.js'));
  const stops: (() => unknown)[] = [() => library.close(), () => rmSync(folder, { recursive: true })];
  try {
    const { info, instructionSets } = await library.call('open', {
      model,
      options: loadOptions(options),
      length,
    });
    const own = options.redis === undefined ? await BenchRedis.start(folder) : undefined;
    if (own !== undefined) stops.unshift(() => own.stop());
    const redis = own?.url ?? (options.redis as string);
    const threads = Math.max(1, Math.floor(info.threads / workers));
    const queue = ['--queue', `crossrank-bench-${process.pid}`];
    const load = [
      '--model',
      model.folder ?? info.model,
      '--precision',
      info.precision,
      '--threads',
      String(threads),
    ];
    for (let i = 0; i < workers; i++) {
      const child = await startWorker([...queue, ...load], redis);
      stops.unshift(() => child.kill());
    }
    const path = join(folder, 'questions.jsonl');
    const write = (round: string) => library.call('write', { path, round, questions });
    const output = (round: string) => join(folder, `${round}.jsonl`);
    const bulk = async (round: string) => {
      await write(`bulk ${round}`);
      const named = ['--batch', path, '--output', output(round), '--no-documents'];
      const done = await submit([...queue, ...named], redis);
      rmSync(output(round));
      return done;
    };
    const measured = await inTurns(
      rounds,
      async (round) => {
        await write(`library ${round}`);
        return library.call('answer', { path });
      },
      (round) => bulk(String(round)),
      (round) => progress.show('rounds', round / rounds),
    );
    const perSecond = measured.map(([library, bulk]) => ({
      library: library.pairs / library.seconds,
      bulk: bulk.pairs / bulk.seconds,
    }));
    return {
      date: new Date().toISOString(),
      command: ['npm run bench:bulk --', ...process.argv.slice(2)].join(' '),
      machine: describeMachine(instructionSets),
      model: { name: model.name, synthetic: model.synthetic, info },
      ...{ workers, pairs: questions * DOCUMENTS, rounds: perSecond },
      ratio: spreadOf(perSecond.map(({ library, bulk }) => bulk / library)),
    };
  } finally {
    progress.clear();
    for (const stop of stops) await stop();
  }
}
