import { DeadlinePassed, withDeadline } from '../../deadline';
import { CrossrankError, invalidArgument } from '../../errors';

/** What a server answered. */
export interface Answer {
  status: number;
  /** The JSON of it; the text, where it is an error that is no JSON. */
  body: unknown;
}

export interface JsonServerOptions {
  /** Of the product, for messages. */
  name: string;
  url: string;
  headers: Record<string, string>;
  /** For each request, from its start to the end of its answer. */
  timeoutMs: number;
}

export interface Send {
  body?: unknown;
  signal?: AbortSignal | undefined;
  /** Statuses beside 2xx that are an answer and no failure. */
  accept?: readonly number[];
}

/** What of an answer a message repeats. */
const QUOTED_CHARACTERS = 300;

/**
 * A server that takes and gives JSON, seen as one that may be gone, hang or answer anything. A failure is an `ERR_STORE`
 * that tells what to check, and ends nothing: the next request tries again.
 */
export class JsonServer {
  readonly #name: string;
  readonly #base: string;
  readonly #headers: Record<string, string>;
  readonly #timeoutMs: number;

  constructor({ name, url, headers, timeoutMs }: JsonServerOptions) {
    this.#name = name;
    this.#base = checkUrl(url);
    this.#headers = { accept: 'application/json', ...headers };
    this.#timeoutMs = timeoutMs;
  }

  /** "Qdrant at http://127.0.0.1:6333" */
  get place(): string {
    return `${this.#name} at ${this.#base}`;
  }

  /**
   * @throws {@link CrossrankError} with `ERR_STORE`; the signal's reason when it is aborted
   */
  async send(method: string, path: string, { body, signal, accept = [] }: Send = {}): Promise<Answer> {
    const init: RequestInit = { method, headers: this.#headers, redirect: 'error' };
    if (body !== undefined) {
      init.headers = { ...this.#headers, 'content-type': 'application/json' };
      init.body = JSON.stringify(body);
    }
    try {
      return await withDeadline(signal, this.#timeoutMs, async (limited) => {
        const response = await fetch(this.#base + path, { ...init, signal: limited });
        const text = await response.text();
        const { status, ok } = response;
        if (!ok && !accept.includes(status)) throw this.#refusal(`${method} ${path}`, status, text);
        return { status, body: this.#parse(`${method} ${path}`, ok, text) };
      });
    } catch (cause) {
      signal?.throwIfAborted();
      if (cause instanceof CrossrankError) throw cause;
      throw this.#unreachable(cause);
    }
  }

  /** For an answer that is JSON, but not what the API promises. */
  unexpected(what: string, received: unknown): CrossrankError {
    return new CrossrankError(
      'ERR_STORE',
      `${this.place} answered without ${what}: ${quoted(JSON.stringify(received) ?? 'nothing')}; ` +
        `check that the url is that of a ${this.#name} server of a version that is supported`,
    );
  }

  #parse(request: string, ok: boolean, text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      if (!ok) return text;
      throw new CrossrankError(
        'ERR_STORE',
        `${this.place} answered ${request} with what is no JSON: ${quoted(text)}; ` +
          `check that the url is that of a ${this.#name} server, without a proxy that answers for it`,
        { cause },
      );
    }
  }

  #refusal(request: string, status: number, text: string): CrossrankError {
    const advice =
      status === 401 || status === 403
        ? 'check apiKey or headers'
        : status === 404
          ? 'if the collection was deleted, open the store again'
          : "check the server's log";
    return new CrossrankError(
      'ERR_STORE',
      `${this.place} answered ${request} with ${status}: ${quoted(text)}; ${advice}`,
    );
  }

  #unreachable(cause: unknown): CrossrankError {
    const message =
      cause instanceof DeadlinePassed
        ? `${this.place} did not answer within ${this.#timeoutMs} ms; check that it is well, or raise timeoutMs`
        : `${this.place} cannot be reached (${reasonOf(cause)}); check the url and that the server is running`;
    return new CrossrankError('ERR_STORE', message, { cause });
  }
}

/** `fetch` says "fetch failed" and keeps the reason in the cause, which for two addresses has no message. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  const { code, message: inner } = (cause ?? {}) as { code?: unknown; message?: unknown };
  return [inner, code, message].find((part) => typeof part === 'string' && part !== '') as string;
}

/** What an object of an answer has; nothing, where it is none. */
export function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function quoted(text: string): string {
  return text.length > QUOTED_CHARACTERS ? `${text.slice(0, QUOTED_CHARACTERS)}…` : text;
}

function checkUrl(url: unknown): string {
  const parsed = typeof url === 'string' && URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'http:' && parsed?.protocol !== 'https:') {
    throw invalidArgument('url', "a URL such as 'http://127.0.0.1:8000'", url);
  }
  if (parsed.username !== '' || parsed.password !== '' || parsed.search !== '' || parsed.hash !== '') {
    // Not repeated: it may hold a password.
    throw new CrossrankError(
      'ERR_INVALID_ARGUMENT',
      'url has a user, a password, a query or a fragment; leave them out',
    );
  }
  return parsed.href.replace(/\/+$/, '');
}
