import { type OptionValues, readSeconds, UsageError } from './command-line';

/** Options of both commands that go through Redis. */
export const REDIS_OPTIONS = {
  queue: { type: 'string' },
  redis: { type: 'string' },
  'redis-wait': { type: 'string' },
} as const;

/** Lines of `--help`. */
export const REDIS_HELP = `  --redis URL                redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// for TLS (default $REDIS_URL, which
                             other users of the machine cannot read, or redis://127.0.0.1:6379)`;

const DEFAULT_URL = 'redis://127.0.0.1:6379';

/**
 * Of `--redis`, `REDIS_URL`, or this machine.
 * @param wait - Seconds for which it may be away, where nothing else is said
 */
export function readRedis(
  values: OptionValues<typeof REDIS_OPTIONS>,
  wait: number,
): { url: string; waitMs: number } {
  return {
    url: values.redis ?? (process.env.REDIS_URL || DEFAULT_URL),
    waitMs: 1000 * readSeconds('redis-wait', values['redis-wait'] ?? String(wait)),
  };
}

/** A part of keys in Redis. */
export function readQueue(name: string | undefined, otherwise: string): string {
  const queue = name ?? otherwise;
  if (/^[\w.-]{1,100}$/.test(queue)) return queue;
  throw new UsageError(`--queue takes letters, digits, - _ and ., up to 100, not ${JSON.stringify(queue)}`);
}
