/** Asks for `/health` from a process of its own, so that a busy load generator does not count. */
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'undici';
import { serveParent } from '../child';

const EVERY_MS = 50;

let stopped = true;
let asking: Promise<number[]>;

async function ask(address: string): Promise<number[]> {
  const client = new Client(address);
  const times: number[] = [];
  while (!stopped) {
    const started = performance.now();
    const { statusCode, body } = await client.request({ method: 'GET', path: '/health' });
    await body.dump();
    if (statusCode !== 200) throw new Error(`/health answered ${statusCode}`);
    times.push(performance.now() - started);
    await wait(EVERY_MS);
  }
  await client.close();
  return times;
}

const methods = {
  async start({ address }: { address: string }): Promise<void> {
    stopped = false;
    asking = ask(address);
  },
  /** Milliseconds of each answer. */
  stop(): Promise<number[]> {
    stopped = true;
    return asking;
  },
};

export type ProbeMethods = typeof methods;

serveParent<ProbeMethods>(methods);
