import { basename } from 'node:path';
import type { LoadOptions } from '../lib';
import type { LoadResult } from '../lib/cli/bench/load';
import type { Progress } from '../lib/cli/progress';
import { type BenchOptions, UsageError } from './arguments';
import { describeMachine, type Machine, type Memory } from './machine';
import { type ChosenModel, chooseModel } from './models';
import { type LoadedModel, type ProductRate, Subject } from './subject';

/** What a plain run of the bench measured. */
export interface Profile {
  machine: Machine;
  model: ModelFacts;
  levels: LoadResult[];
  memory: Memory;
  /** Multiply-adds of the model's matrices alone, in the same run; null where these are not ours to measure. */
  products: ProductRate | null;
}

/** A model as it was loaded. */
export interface ModelFacts extends LoadedModel {
  name: string;
  synthetic: boolean;
}

const DOCUMENTS_IN_ALL = 800;

/** Several queries, so that no request repeats the one before; fewer where each has many documents. */
export function textSets(documents: number): number {
  return Math.min(8, Math.max(2, Math.ceil(DOCUMENTS_IN_ALL / documents)));
}

export function loadOptions({
  precision,
  threads,
}: Pick<BenchOptions, 'precision' | 'threads'>): LoadOptions {
  return {
    ...(precision === undefined ? {} : { precision: precision as LoadOptions['precision'] }),
    ...(threads === undefined ? {} : { threads }),
  } as LoadOptions;
}

/** Loads the chosen model into a process of its own and gives it texts. */
export async function startSubject(
  subject: Subject,
  model: ChosenModel,
  options: BenchOptions,
): Promise<ModelFacts> {
  const loaded = await subject.call('load', { model: model.folder, options: loadOptions(options) });
  const room = Math.min(loaded.info.maxLength, 512);
  if (options.length.max >= room) {
    throw new UsageError(
      `--length goes up to ${options.length.max} tokens, and a pair has room for ${room} with the query`,
    );
  }
  const name = model.folder === undefined ? `${basename(loaded.info.model)} (embedded)` : model.name;
  return { ...loaded, name, synthetic: model.synthetic };
}

/** Latency, throughput and memory at each level of concurrency. */
export async function measureProfile(options: BenchOptions, progress: Progress): Promise<Profile> {
  progress.show('preparing the model', 0);
  const chosen = chooseModel(options);
  const subject = new Subject();
  try {
    const model = await startSubject(subject, chosen, options);
    const { documents, length, concurrency: wanted, seconds } = options;
    await subject.call('makeTexts', { sets: textSets(documents), documents, length });
    await subject.call('warmUp');
    const levels: LoadResult[] = [];
    for (const [i, concurrency] of wanted.entries()) {
      const show = (share: number) =>
        progress.show(`concurrency ${concurrency}`, (i + Math.min(1, share)) / wanted.length);
      show(0);
      levels.push(await subject.call('run', { concurrency, seconds }, show));
    }
    const memory = await subject.call('memory');
    const products = await subject.call('products');
    return { machine: describeMachine(model.instructionSets), model, levels, memory, products };
  } finally {
    progress.clear();
    subject.close();
  }
}
