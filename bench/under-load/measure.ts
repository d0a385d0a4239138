import { basename, join } from 'node:path';
import type { Progress } from '../../lib/cli/progress';
import { Child } from '../child';
import { describeMachine } from '../machine';
import { loadOptions } from '../measure';
import { chooseModel } from '../models';
import { type LoadBenchOptions, SCENARIOS } from './arguments';
import type { Measured, ScenarioMethods, UnderLoadResult } from './result';
import type { Settings } from './scenario';

/**
 * So that the memory of the soak is what is kept. V8 lets its young generation grow from 3 to 48 MB with the speed of
 * allocation, whatever a program keeps, and lets garbage lie as long as there is room; the soak collects it before it
 * looks.
 */
const STEADY_HEAP = ['--expose-gc', '--max-semi-space-size=1'];

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
    const { info, instructionSets } = await inChild([], (child) => child.call('describe', settings));
    const wanted = SCENARIOS.filter((name) => options.only.includes(name));
    const measured: Measured = {};
    for (const [i, name] of wanted.entries()) {
      const show = (share: number) => progress.show(name, (i + share) / wanted.length);
      show(0);
      const measure = (child: Child<ScenarioMethods>): Promise<Measured[typeof name]> =>
        child.call(name, settings, show).catch((error: Error) => {
          throw new Error(`${name}: ${error.message}`);
        });
      Object.assign(measured, { [name]: await inChild(name === 'soak' ? STEADY_HEAP : [], measure) });
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

async function inChild<T>(
  execArgv: string[],
  ask: (child: Child<ScenarioMethods>) => Promise<T>,
): Promise<T> {
  const child = new Child<ScenarioMethods>(join(__dirname, 'scenario-process.js'), execArgv);
  try {
    return await ask(child);
  } finally {
    child.close();
  }
}
