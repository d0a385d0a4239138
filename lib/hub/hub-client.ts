import { setTimeout as wait } from 'node:timers/promises';
import { type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import { messageOf } from '../errors';
import { type Asked, DownloadError, refusal, unreachable } from './failures';
import { parseRepoInfo, type RepoInfo, type StoredFile, storedFileOf } from './repo-info';
import type { HubSettings } from './settings';

/** Tries of a request that gets no answer, or one that says later. */
export const MAX_TRIES = 5;
const MAX_BACK_OFF_MS = 8_000;
/** Who is told to come back later than this is told so at once. */
const MAX_RETRY_AFTER_MS = 60_000;
const MAX_REDIRECTS = 5;
/** A repository of 20,000 files; one of a model has some ten. */
const MAX_INFO_BYTES = 16 * 1024 * 1024;
const MAX_REFUSAL_BYTES = 64 * 1024;
const REDIRECTS = [301, 302, 303, 307, 308];

/** An answer, its body not read yet: read it, or `body.destroy()`. */
export interface HubAnswer {
  status: number;
  headers: Record<string, string>;
  body: Dispatcher.ResponseData['body'];
}

/**
 * Asks a hub. Requests go through the proxies that `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name.
 *
 * Connection errors, 408, 429 and 5xx are tried again, after a back-off that doubles or after `Retry-After`. Redirects
 * are followed here, not by the HTTP library: the token goes to the hub's own origin and nowhere else.
 */
export class HubClient {
  readonly #settings: HubSettings;
  readonly #signal: AbortSignal;
  readonly #agent: EnvHttpProxyAgent;
  readonly #userAgent: string;

  /** @param signal - Ends every request, and every wait for the next one */
  constructor(settings: HubSettings, userAgent: string, signal: AbortSignal) {
    this.#settings = settings;
    this.#signal = signal;
    this.#userAgent = userAgent;
    this.#agent = new EnvHttpProxyAgent({
      connect: { timeout: settings.answerTimeoutMs },
      headersTimeout: settings.answerTimeoutMs,
      bodyTimeout: settings.stallTimeoutMs,
    });
  }

  /**
   * The commit that a revision is, and the files of it.
   * @throws {@link DownloadError}; with the reason of the signal
   */
  async info(repository: string, revision: string): Promise<RepoInfo> {
    const path = `/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`;
    const asked = { repository, revision };
    return this.#retried(asked, async () => {
      const answer = await this.#send('GET', path, {}, asked);
      const text = await boundedText(answer, MAX_INFO_BYTES);
      if (text === undefined) {
        throw new DownloadError(`the description of ${repository} is larger than ${MAX_INFO_BYTES} bytes`);
      }
      return parseRepoInfo(text, repository);
    });
  }

  /** Size and hash of a file, where {@link info} did not tell: some mirrors leave them out. */
  async fileInfo(repository: string, commit: string, file: string): Promise<StoredFile> {
    const asked = { repository, revision: commit, file };
    return this.#retried(asked, async () => {
      const { headers, body } = await this.#send('HEAD', filePath(asked), {}, asked, linkedFile);
      body.destroy();
      return storedFileOf(headers, file);
    });
  }

  /**
   * One try to get a file from a byte on.
   * @returns the answer with status 200 (all of it), 206 (from there on) or 416 (there is nothing there)
   * @throws {@link Later} where it may be tried again, {@link DownloadError} where that would not help
   */
  async file(repository: string, commit: string, file: string, from: number): Promise<HubAnswer> {
    const asked = { repository, revision: commit, file };
    const range: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
    return this.#send('GET', filePath(asked), range, asked, ({ status }) => status === 416);
  }

  /** Milliseconds before try number `tries` + 1; doubles, less up to a quarter at random, so that many do not come together. */
  async backOff(tries: number, retryAfterMs: number | undefined): Promise<void> {
    const doubled = Math.min(this.#settings.retryDelayMs * 2 ** (tries - 1), MAX_BACK_OFF_MS);
    await wait(retryAfterMs ?? doubled * (1 - Math.random() / 4), undefined, { signal: this.#signal }).catch(
      (error) => {
        this.#signal.throwIfAborted(); // with the reason itself
        throw error;
      },
    );
  }

  /** Closes its connections. */
  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #retried<T>({ repository }: Asked, run: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await run();
      } catch (error) {
        const later = laterOf(error, this.#signal);
        if (tries === MAX_TRIES || later.isTooLate) {
          throw unreachable(
            `${this.#settings.endpoint} (asked for ${repository})`,
            later.message,
            tries,
            error,
          );
        }
        await this.backOff(tries, later.retryAfterMs);
      }
    }
  }

  /** @param accepts - statuses that are answers beside success */
  async #send(
    method: 'GET' | 'HEAD',
    path: string,
    headers: Record<string, string>,
    asked: Asked,
    accepts: (answer: HubAnswer) => boolean = () => false,
  ): Promise<HubAnswer> {
    const { endpoint, token } = this.#settings;
    const home = new URL(endpoint).origin;
    let address = new URL(`${endpoint}${path}`);
    for (let hops = 0; ; hops++) {
      const isHome = address.origin === home;
      const authorization: Record<string, string> =
        isHome && token !== undefined ? { authorization: `Bearer ${token}` } : {};
      const answer = toAnswer(
        await request(address, {
          method,
          headers: {
            'user-agent': this.#userAgent,
            'accept-encoding': 'identity', // hashes and ranges are of the file as it is stored
            ...headers,
            ...authorization,
          },
          dispatcher: this.#agent,
          signal: this.#signal,
        }),
      );
      if (accepts(answer) || (answer.status >= 200 && answer.status < 300)) return answer;
      if (!REDIRECTS.includes(answer.status)) {
        await drain(answer);
        throw laterStatus(answer) ?? refusal(answer.status, answer.headers, asked, this.#facts());
      }
      await drain(answer);
      if (hops === MAX_REDIRECTS)
        throw new DownloadError(`${endpoint} redirects more than ${MAX_REDIRECTS} times`);
      address = redirected(address, answer.headers.location);
    }
  }

  #facts(): { endpoint: string; hasToken: boolean } {
    return { endpoint: this.#settings.endpoint, hasToken: this.#settings.token !== undefined };
  }
}

/** A failure that may be another one, or none, in a moment. */
export class Later extends Error {
  readonly retryAfterMs: number | undefined;

  constructor(message: string, retryAfterMs?: number, cause?: unknown) {
    super(message, { cause });
    this.retryAfterMs = retryAfterMs;
  }

  get isTooLate(): boolean {
    return (this.retryAfterMs ?? 0) > MAX_RETRY_AFTER_MS;
  }
}

/**
 * What was thrown, as what may be tried again.
 * @throws the reason of the signal, or the error itself, where a new try would not help
 */
export function laterOf(error: unknown, signal: AbortSignal): Later {
  signal.throwIfAborted();
  if (error instanceof Later) return error;
  if (error instanceof DownloadError) throw error;
  const code = codeOf(error);
  if (/CERT|SELF_SIGNED|^ERR_TLS|^ERR_SSL/.test(code)) {
    throw new DownloadError(
      `the hub's certificate is not accepted (${code}); where a proxy answers for it, name its authority with ` +
        'NODE_EXTRA_CA_CERTS',
      { cause: error },
    );
  }
  return new Later(`cannot be reached or broke off (${code})`, undefined, error);
}

/** Undici's codes and the system's, of the error itself or of what caused it. */
function codeOf(error: unknown): string {
  const { code, cause, message } = error as { code?: unknown; cause?: unknown; message?: unknown };
  if (typeof code === 'string') return code;
  if (typeof cause === 'object' && cause !== null) return codeOf(cause);
  return typeof message === 'string' ? message : messageOf(error);
}

function laterStatus({ status, headers }: HubAnswer): Later | undefined {
  if (status !== 408 && status !== 429 && status < 500) return undefined;
  const after = retryAfterMs(headers['retry-after']);
  const when = after === undefined ? '' : ` and asks to come back after ${Math.ceil(after / 1000)} s`;
  return new Later(`answered ${status}${when}`, after);
}

/** Seconds or a date (RFC 9110, 10.2.3). */
function retryAfterMs(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(ms, 0);
}

function filePath({ repository, revision, file = '' }: Asked): string {
  const path = file.split('/').map(encodeURIComponent).join('/');
  return `/${repository}/resolve/${encodeURIComponent(revision)}/${path}`;
}

/** The hub's own answer, before the redirect to where the bytes are, has the hash of the file in a header. */
function linkedFile({ status, headers }: HubAnswer): boolean {
  return REDIRECTS.includes(status) && headers['x-linked-etag'] !== undefined;
}

/** Where a redirect leads: never from an encrypted address to one that is not, and never off the web. */
export function redirected(from: URL, location: string | undefined): URL {
  if (location === undefined || !URL.canParse(location, from.href)) {
    throw new DownloadError(`${from.origin} redirects to no address`);
  }
  const to = new URL(location, from);
  if (to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:')) return to;
  throw new DownloadError(`${from.origin} redirects to an address that is not encrypted (${to.protocol})`);
}

function toAnswer({ statusCode, headers, body }: Dispatcher.ResponseData): HubAnswer {
  const single: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    const first = Array.isArray(value) ? value[0] : value;
    if (first !== undefined) single[name.toLowerCase()] = first;
  }
  // A body that is not read to its end fails when its connection closes, which nobody waits for.
  body.on('error', () => {});
  return { status: statusCode, headers: single, body };
}

async function drain({ body }: HubAnswer): Promise<void> {
  await body.dump({ limit: MAX_REFUSAL_BYTES }).catch(() => {});
}

/** Undefined where the body is larger than `maxBytes`: then the rest is not read. */
async function boundedText({ body }: HubAnswer, maxBytes: number): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBytes) {
      body.destroy();
      return undefined;
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
