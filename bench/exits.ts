/**
 * How long a process, or a worker, takes to end in the middle of each step of a reranker's life: `npm run bench:exits`.
 * The tests ask only that it ends cleanly (test/life-cycle.test.ts); time is measured here, on a machine of its own.
 */
import { readInteger, readValues } from '../lib/cli/command-line';
import { Progress } from '../lib/cli/progress';
import { median } from '../lib/statistics';
import { ENDINGS, type Ending, endDuring, STEPS, type Step } from '../test/support/exits';
import { runBench } from './entry';

const USAGE = `npm run bench:exits

  --model FOLDER   (default: the embedded model)
  --points N       moments of each step to end at, evenly spread (default 8)
  --help`;

const OPTIONS = { model: { type: 'string' }, points: { type: 'string' }, help: { type: 'boolean' } } as const;

async function main(args: readonly string[]): Promise<void> {
  const values = readValues(args, OPTIONS);
  if (values.help !== undefined) {
    console.log(USAGE);
    return;
  }
  const model = values.model ?? 'models/crossrank-mini';
  const points = readInteger('points', values.points ?? '8', 1000);
  const progress = new Progress();
  console.log('step      ending          median ms  most ms  (step ms)');
  for (const [i, step] of STEPS.entries()) {
    progress.show(step, i / STEPS.length);
    const { stepMs = 0 } = await endDuring(step, 'return', 0, model);
    for (const ending of ENDINGS.filter((each) => each !== 'return')) {
      progress.show(`${step}, ${ending}`, i / STEPS.length);
      const times = await exitTimes(step, ending, stepMs, model, points);
      progress.clear();
      const [usual, most] = [median(times), Math.max(...times)].map((ms) => ms.toFixed(0).padStart(9));
      console.log(`${step.padEnd(10)}${ending.padEnd(16)}${usual}${most}  (${stepMs.toFixed(0)})`);
    }
  }
}

/** In milliseconds. @throws Error where the process ended in another way than asked for */
async function exitTimes(
  step: Step,
  ending: Ending,
  stepMs: number,
  model: string,
  points: number,
): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < points; i++) {
    const exit = await endDuring(step, ending, (i / points) * stepMs, model);
    if (exit.signal !== null || exit.exitMs === undefined)
      throw new Error(`${step}, ${ending}: ended by ${exit.signal}: ${exit.stderr}`);
    times.push(exit.exitMs);
  }
  return times;
}

runBench(main);
