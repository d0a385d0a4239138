import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** Steps of a reranker's life, in order. */
export const STEPS = ['load', 'warmUp', 'run', 'dispose', 'unload', 'reload'] as const;
export type Step = (typeof STEPS)[number];

/**
 * How the process, or the worker that does the step, ends. `reallyExit` is what process.exit ends in; without the event
 * 'exit' it stands for native code that calls exit(). `return`: the main thread runs out of work once the step is over.
 */
export const ENDINGS = ['exit', 'reallyExit', 'throw', 'return', 'terminate', 'exitOverWorker'] as const;
export type Ending = (typeof ENDINGS)[number];

export const EXIT_CODE = 7;

export interface Exit {
  status: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
  /** How long the step took; only where it came to its end. */
  stepMs: number | undefined;
  /** From the call that ends the process, or the worker, until it is gone. */
  exitMs: number | undefined;
}

/** Starts a process, and ends it so many milliseconds after the step began. */
export function endDuring(step: Step, ending: Ending, afterMs: number, model: string): Promise<Exit> {
  const script = join(__dirname, 'exit-child.js');
  const child = spawn(process.execPath, [script, step, ending, String(afterMs), model], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  let stdout = '';
  let stderr = '';
  let gone = 0;
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  child.once('exit', () => {
    gone = Date.now();
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => {
      const value = (name: string): number | undefined => {
        const found = new RegExp(`${name} (\\S+)`).exec(stdout);
        return found ? Number(found[1]) : undefined;
      };
      const endedAt = value('ended at');
      const exitMs = endedAt === undefined ? value('terminated in') : gone - endedAt;
      resolve({ status, signal, stderr, stepMs: value('step took'), exitMs });
    });
  });
}

/** Runs tasks two at a time, and hands back their results in order. */
export async function twoAtATime<T>(tasks: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results = new Array<T>(tasks.length);
  let next = 0;
  const work = async () => {
    for (let i = next++; i < tasks.length; i = next++) results[i] = await (tasks[i] as () => Promise<T>)();
  };
  await Promise.all([work(), work()]);
  return results;
}
