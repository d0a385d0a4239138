/**
 * A process that ends in the middle of a step of a reranker's life. `exits.ts` starts it with the step, the way to end,
 * the time into the step in milliseconds, and the model.
 */
import { writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Reranker } from '../../lib';
import { type Ending, EXIT_CODE, type Step } from './exits';

interface Plan {
  step: Step;
  ending: Ending;
  afterMs: number;
  model: string;
}

const documents = Array.from({ length: 60 }, (_, i) => `document ${i}${' about planets'.repeat(20)}`);

/** Brings a reranker to where the step begins; what it returns begins it and resolves when it is over. */
async function prepare({ step, model }: Plan): Promise<() => Promise<unknown>> {
  if (step === 'load') return () => Reranker.load(model);
  const unloads = step === 'unload' || step === 'reload';
  const reranker = await Reranker.load(model, unloads ? { idleUnloadMs: 0 } : {});
  const unloaded = async () => {
    while (reranker.info().loaded) await delay(1);
  };
  switch (step) {
    case 'warmUp':
      return () => reranker.warmUp();
    case 'run':
      return () => reranker.rerank('planet', documents);
    case 'dispose': {
      const call = reranker.rerank('planet', documents).catch(() => undefined);
      return () => Promise.all([reranker.dispose(), call]);
    }
    case 'unload':
      return unloaded;
    default:
      await unloaded();
      return () => reranker.rerank('planet', documents.slice(0, 2));
  }
}

/** Tells `exits.ts` when the end began. */
function report(name: string, milliseconds: number): void {
  writeSync(1, `${name} ${milliseconds}\n`);
}

function end(ending: Ending): void {
  report('ended at', Date.now());
  if (ending === 'throw') throw new Error('on purpose');
  if (ending === 'reallyExit')
    (process as unknown as { reallyExit(code: number): never }).reallyExit(EXIT_CODE);
  process.exit(EXIT_CODE);
}

async function live(plan: Plan): Promise<void> {
  const begin = await prepare(plan);
  parentPort?.postMessage('begins');
  const began = performance.now();
  if (isMainThread && plan.ending !== 'return') setTimeout(() => end(plan.ending), plan.afterMs);
  await begin().catch(() => undefined);
  if (isMainThread) report('step took', performance.now() - began);
}

async function liveInWorker(plan: Plan): Promise<void> {
  const worker = new Worker(__filename, { workerData: plan });
  await new Promise((resolve) => worker.once('message', resolve));
  await delay(plan.afterMs);
  if (plan.ending === 'exitOverWorker') end('exit');
  const began = performance.now();
  await worker.terminate();
  report('terminated in', performance.now() - began);
}

if (isMainThread) {
  const [step, ending, afterMs, model] = process.argv.slice(2) as [Step, Ending, string, string];
  const plan: Plan = { step, ending, afterMs: Number(afterMs), model };
  process.exitCode = EXIT_CODE;
  const inWorker = ending === 'terminate' || ending === 'exitOverWorker';
  void (inWorker ? liveInWorker(plan) : live(plan));
} else {
  void live(workerData as Plan);
}
