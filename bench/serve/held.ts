import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type Summary, summarize } from '../../lib/statistics';
import { Child } from '../child';
import type { TextSet } from '../texts';
import type { Show } from '../under-load/scenario';
import { RerankClient } from './client';
import type { ProbeMethods } from './probe-process';
import type { ServedProcess } from './served-process';
import { mixedRequest } from './work';

const MEMORY_EVERY_MS = 1000;
/** A client that was told to come back waits as it was told, at most so long. */
const LONGEST_WAIT_MS = 2000;

export interface Held {
  connections: number;
  seconds: number;
  pairs: number;
  /** How many requests were answered with which status; a connection that broke is 0. */
  statuses: Record<string, number>;
  /** Of the requests that were answered with 200. */
  latencyMs: Summary;
  /** What `/health` took meanwhile, asked from another process. */
  healthMs: Summary & { max: number; count: number };
  /** Resident memory of the server every second. */
  residentBytes: number[];
}

/** Many connections, each with one request of mixed size after the other. */
export async function measureHeld(
  served: ServedProcess,
  sets: readonly TextSet[],
  connections: number,
  seconds: number,
  show: Show,
): Promise<Held> {
  const client = new RerankClient(served.address, connections);
  const probe = new Child<ProbeMethods>(join(__dirname, 'probe-process.js'));
  const residentBytes: number[] = [];
  const memory = setInterval(() => residentBytes.push(served.residentBytes()), MEMORY_EVERY_MS);
  try {
    await probe.call('start', { address: served.address });
    const counted = await holdConnections(client, sets, connections, seconds, show);
    const health = await probe.call('stop');
    residentBytes.push(served.residentBytes());
    const healthMs = { ...summarize(health), max: Math.max(...health), count: health.length };
    const { times, ...rest } = counted;
    return { connections, ...rest, latencyMs: summarize(times), healthMs, residentBytes };
  } finally {
    clearInterval(memory);
    probe.close();
    await client.close();
  }
}

async function holdConnections(
  client: RerankClient,
  sets: readonly TextSet[],
  connections: number,
  seconds: number,
  show: Show,
) {
  const statuses: Record<string, number> = {};
  const times: number[] = [];
  let pairs = 0;
  let next = 0;
  const started = performance.now();
  const until = started + seconds * 1000;
  const connection = async () => {
    while (performance.now() < until) {
      const request = mixedRequest(sets, next++);
      const sent = performance.now();
      const reply = await client.rerank(request).catch(() => undefined);
      const status = reply?.status ?? 0;
      statuses[status] = (statuses[status] ?? 0) + 1;
      if (reply?.status === 200) {
        times.push(performance.now() - sent);
        pairs += reply.results;
      } else await wait(Math.min(LONGEST_WAIT_MS, reply?.retryAfterMs || LONGEST_WAIT_MS));
      show(Math.min(1, (performance.now() - started) / (seconds * 1000)));
    }
  };
  await Promise.all(Array.from({ length: connections }, connection));
  return { seconds: (performance.now() - started) / 1000, pairs, statuses, times };
}
