/**
 * How long a process, or a worker, takes to end in the middle of each step of a reranker's life: `npm run bench:exits`.
 * The tests ask only that it ends cleanly (test/life-cycle.test.ts); time is measured here, on a machine of its own.
 */
import { parseArgs } from 'node:util';
import { ENDINGS, endDuring, STEPS } from '../test/support/exits';

const HELP = `npm run bench:exits -- [options]

  --model FOLDER   (default: the embedded model)
  --points N       moments of each step to end at, evenly spread (default: 8)`;

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'models/crossrank-mini' },
    points: { type: 'string', default: '8' },
    help: { type: 'boolean', default: false },
  },
});

async function measure(model: string, points: number): Promise<void> {
  console.log('step      ending          median ms  most ms  (step ms)');
  for (const step of STEPS) {
    const { stepMs = 0 } = await endDuring(step, 'return', 0, model);
    for (const ending of ENDINGS.filter((each) => each !== 'return')) {
      const times: number[] = [];
      for (let i = 0; i < points; i++) {
        const exit = await endDuring(step, ending, (i / points) * stepMs, model);
        if (exit.signal !== null || exit.exitMs === undefined) {
          throw new Error(`${step}, ${ending}: ended by ${exit.signal}: ${exit.stderr}`);
        }
        times.push(exit.exitMs);
      }
      times.sort((a, b) => a - b);
      const median = (times[times.length >> 1] as number).toFixed(0);
      const most = (times.at(-1) as number).toFixed(0);
      console.log(
        `${step.padEnd(10)}${ending.padEnd(16)}${median.padStart(9)}${most.padStart(9)}  (${stepMs.toFixed(0)})`,
      );
    }
  }
}

if (values.help) console.log(HELP);
else void measure(values.model, Number(values.points));
