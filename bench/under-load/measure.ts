import { basename, join } from 'node:path';
import type { Progress } from '../../lib/cli/progress';
import { Child } from '../child';
import { describeMachine } from '../machine';
import { loadOptions } from '../measure';
import { chooseModel } from '../models';
import { type LoadBenchOptions, SCENARIOS } from './arguments';
import type { Measured, ScenarioMethods, UnderLoadResult } from './result';
import type { Settings } from './scenario';

/** The scenarios that were asked for, one after the other. */
export async function measureUnderLoad(
  options: LoadBenchOptions,
  progress: Progress,
): Promise<UnderLoadResult> {
  const { rounds, seconds, soak } = options;
  progress.show('preparing the model', 0);
  const model = chooseModel(options);
  const settings: Settings = { model, options: loadOptions(options), rounds, seconds, soak };
  try {
    const { info, instructionSets } = await inChild((child) => child.call('describe', settings));
    const wanted = SCENARIOS.filter((name) => options.only.includes(name));
    const measured: Measured = {};
    for (const [i, name] of wanted.entries()) {
      const show = (share: number) => progress.show(name, (i + share) / wanted.length);
      show(0);
      Object.assign(measured, {
        [name]: await inChild((child): Promise<Measured[typeof name]> => child.call(name, settings, show)),
      });
    }
    const name = model.folder === undefined ? `${basename(info.model)} (embedded)` : model.name;
    return {
      date: new Date().toISOString(),
      command: ['npm run bench:load --', ...process.argv.slice(2)].join(' '),
      machine: describeMachine(instructionSets),
      model: { name, synthetic: model.synthetic, info },
      settings: { rounds, seconds, soak },
      ...measured,
    };
  } finally {
    progress.clear();
  }
}

async function inChild<T>(ask: (child: Child<ScenarioMethods>) => Promise<T>): Promise<T> {
  const child = new Child<ScenarioMethods>(join(__dirname, 'scenario-process.js'));
  try {
    return await ask(child);
  } finally {
    child.close();
  }
}
