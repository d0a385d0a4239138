import { Console } from 'node:console';
import { createInterface } from 'node:readline';
import { memoryOfThisProcess } from '../machine';
import type { Answer, Call, LoadedPeer, LoadRequest, PeerMethods, ScoreRequest } from './worker';

/** A library that this process measures. */
export interface Peer {
  load(request: LoadRequest): Promise<Omit<LoadedPeer, 'loadMs'>>;
  score(request: ScoreRequest): Promise<number[]>;
}

type Asynchronous<T> = {
  [K in keyof T]: T[K] extends (argument: infer A) => infer R ? (argument: A) => Promise<R> : never;
};

/** Answers calls on standard input until it ends; `PeerWorker` is the other end. */
export function servePeer(peer: Peer): void {
  const methods: Asynchronous<PeerMethods> = {
    async load(request) {
      const started = performance.now();
      const facts = await peer.load(request);
      return { loadMs: performance.now() - started, ...facts };
    },
    async score(request) {
      const started = performance.now();
      const scores = await peer.score(request);
      return { elapsedMs: performance.now() - started, scores };
    },
    async memory() {
      return { peakBytes: memoryOfThisProcess().peakBytes };
    },
  };
  // Answers alone go to standard output; libraries print where they like.
  globalThis.console = new Console(process.stderr);
  const lines = createInterface({ input: process.stdin });
  lines.on('line', async (line) => {
    const { id, method, argument } = JSON.parse(line) as Call;
    let answer: Answer;
    try {
      answer = { id, value: await (methods[method] as (argument: unknown) => Promise<unknown>)(argument) };
    } catch (error) {
      answer = { id, error: describe(error) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  });
  lines.on('close', () => process.exit());
  // The terminal sends it to every process of the group; the parent decides.
  process.on('SIGINT', () => {});
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? `${error.code}: ${error.message}` : error.message;
}
