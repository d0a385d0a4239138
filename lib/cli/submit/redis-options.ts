import { UsageError } from '../command-line';

/** Options of both commands that go through Redis. */
export const REDIS_OPTIONS = {
  queue: { type: 'string' },
  redis: { type: 'string' },
  'redis-wait': { type: 'string' },
} as const;

const DEFAULT_URL = 'redis://127.0.0.1:6379';

/** `--redis`, `REDIS_URL`, or this machine. */
export function readRedisUrl(option: string | undefined): string {
  return option ?? (process.env.REDIS_URL || DEFAULT_URL);
}

/** A part of keys in Redis. */
export function readQueue(name: string | undefined, otherwise: string): string {
  const queue = name ?? otherwise;
  if (/^[\w.-]{1,100}$/.test(queue)) return queue;
  throw new UsageError(`--queue takes letters, digits, - _ and ., up to 100, not ${JSON.stringify(queue)}`);
}
