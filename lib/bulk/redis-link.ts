import { setMaxListeners } from 'node:events';
import { Redis } from 'ioredis';
import { orAbort } from '../deadline';
import { CrossrankError } from '../errors';

export interface RedisLinkOptions {
  url: string;
  /** How long Redis may be away, in milliseconds. */
  waitMs: number;
  /** Is told when Redis has gone and when it is back: once each. */
  say: (text: string) => void;
}

/** A wrong address is told soon, while a Redis that was there may come back. */
const FIRST_WAIT_MS = 10_000;
const MAX_RETRY_MS = 2000;
const FIRST_RETRY_MS = 50;
const WRONG_LOGIN = /^(NOAUTH|WRONGPASS)\b|invalid (username-)?password/i;

/**
 * A connection to Redis that comes back by itself: what is asked meanwhile waits. `failed` is aborted with `ERR_REDIS` when
 * Redis stays away for longer than it may, and whoever waits for an answer waits with {@link RedisLink.orFail}.
 */
export class RedisLink {
  readonly client: Redis;
  /** The address without user and password. */
  readonly place: string;
  readonly #options: RedisLinkOptions;
  readonly #failed = new AbortController();
  readonly #noticed = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #wasReady = false;
  #isGone = false;
  #closed = false;
  #cause: Error | undefined;

  private constructor(options: RedisLinkOptions) {
    this.#options = options;
    setMaxListeners(0, this.failed); // all that is asked meanwhile listens
    this.place = placeOf(options.url);
    this.client = new Redis(options.url, {
      maxRetriesPerRequest: null, // as BullMQ asks
      retryStrategy: (times) => Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(times, 10)),
    });
    this.client.on('error', (error) => this.#onError(error));
    this.client.on('close', () => this.#onGone());
    this.client.on('ready', () => this.#onReady());
    this.#waitFor(Math.min(FIRST_WAIT_MS, options.waitMs));
  }

  /**
   * Resolves when Redis answers.
   * @throws CrossrankError with `ERR_REDIS`, or `ERR_INVALID_ARGUMENT` for what is no address; with the signal's reason
   */
  static async open(options: RedisLinkOptions, signal: AbortSignal): Promise<RedisLink> {
    signal.throwIfAborted();
    const link = new RedisLink(options);
    signal.addEventListener('abort', () => link.#failed.abort(signal.reason), { once: true });
    try {
      await link.orFail(link.client.ping());
      await link.#warnOfEviction();
      return link;
    } catch (error) {
      link.close();
      throw error;
    }
  }

  /** Also aborted by the signal it was opened with. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  /** Whether Redis does not answer now. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /**
   * What was asked of Redis, or its failure, whichever comes first.
   * @throws CrossrankError with `ERR_REDIS`, also for what Redis refuses
   */
  async orFail<T>(answer: Promise<T>): Promise<T> {
    answer.catch(() => undefined); // it may fail after the connection has
    try {
      return await orAbort(answer, this.failed);
    } catch (error) {
      if (isRefusal(error)) throw this.#errorOf(this.#refused(error), error);
      throw error;
    }
  }

  /** Tells what Redis refuses to something that tries again by itself: once each kind. */
  notice(error: unknown): void {
    if (!isRefusal(error)) return;
    const [kind = ''] = error.message.split(' ');
    if (this.#noticed.has(kind)) return;
    this.#noticed.add(kind);
    this.#options.say(this.#refused(error));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.client.disconnect();
  }

  #onReady(): void {
    clearTimeout(this.#timer);
    if (this.#isGone && this.#wasReady) this.#options.say(`Redis at ${this.place} is back`);
    this.#isGone = false;
    this.#wasReady = true;
  }

  #onGone(): void {
    if (this.#closed || this.#isGone) return;
    this.#isGone = true;
    if (!this.#wasReady) return;
    this.#options.say(`Redis at ${this.place} is gone; waiting for it, nothing is lost`);
    this.#waitFor(this.#options.waitMs);
  }

  #onError(error: Error): void {
    this.#cause = error;
    if (WRONG_LOGIN.test(error.message)) this.#fail(this.#refused(error));
  }

  #refused({ message }: Error): string {
    if (WRONG_LOGIN.test(message)) {
      return `Redis at ${this.place} refused the login; put the user and password into REDIS_URL, as redis://USER:PASSWORD@HOST`;
    }
    return `Redis at ${this.place} refuses: ${message.replace(/\.$/, '')}; put that right, and run the same command again: nothing is lost`;
  }

  #waitFor(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const why = this.#cause === undefined ? '' : ` (${causeOf(this.#cause)})`;
      this.#fail(
        `Redis at ${this.place} has not answered for ${ms / 1000} s${why}; start it, or name another one with --redis or ` +
          'REDIS_URL, and run the same command again: it goes on where it was',
      );
    }, ms);
  }

  #fail(message: string): void {
    if (!this.#closed) this.#failed.abort(this.#errorOf(message, this.#cause));
  }

  #errorOf(message: string, cause: unknown): CrossrankError {
    return new CrossrankError('ERR_REDIS', message, { cause });
  }

  /** Redis that makes room by forgetting forgets jobs as well. They are added again, which costs their work. */
  async #warnOfEviction(): Promise<void> {
    const facts = await this.orFail(this.client.info('memory').catch(() => ''));
    const policy = /^maxmemory_policy:(\S+)/m.exec(facts)?.[1] ?? 'noeviction';
    if (policy === 'noeviction') return;
    this.#options.say(
      `Redis at ${this.place} may drop what is queued when it is full (maxmemory-policy ${policy}); ` +
        'run: redis-cli config set maxmemory-policy noeviction',
    );
  }
}

/** Whether it is an answer of Redis, such as that its memory is full, and not a connection that ended. */
function isRefusal(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

function placeOf(text: string): string {
  try {
    const { protocol, host, pathname } = new URL(text);
    if (/^rediss?:$/.test(protocol) && host !== '')
      return `${protocol}//${host}${pathname === '/' ? '' : pathname}`;
  } catch {
    // Refused below, without the text: it may hold a password.
  }
  throw new CrossrankError(
    'ERR_INVALID_ARGUMENT',
    'expected redis://HOST:PORT for --redis or REDIS_URL, or rediss:// for TLS, with USER:PASSWORD@ before the host ' +
      'where Redis asks for them',
  );
}

function causeOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return code ?? error.message;
}
