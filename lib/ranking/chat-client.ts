import { setTimeout as wait } from 'node:timers/promises';
import { DeadlinePassed, withDeadline } from '../deadline';
import { CrossrankError } from '../errors';
import { type Completion, type CompletionTokens, readCompletion, readErrorMessage } from './chat-completion';
import type { ChatMessage } from './listwise-prompt';

/** A permutation takes less than a kilobyte; reasoning beside it may take more. */
const MAX_ANSWER_BYTES = 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;
const MAX_ERROR_CHARACTERS = 200;
/** Back-off ends here, as in OpenAI's own clients; a `Retry-After` may ask for more. */
const MAX_BACK_OFF_MS = 8_000;
/** Who is told to come back later than this is told so at once. */
const MAX_RETRY_AFTER_MS = 60_000;

/** How an endpoint is reached. */
export interface ChatEndpoint {
  /** Full address of `/chat/completions`. */
  address: URL;
  /** Sent with every request; what they hold never appears in an error. */
  headers: Readonly<Record<string, string>>;
  /** Of the body, beside `messages`. */
  body: Readonly<Record<string, unknown>>;
  requestTimeoutMs: number;
  maxRetries: number;
  retryDelayMs: number;
}

/** What the requests of one call took; a client adds to it as it goes, so that a call that fails knows too. */
export interface ChatUsage extends CompletionTokens {
  /** Requests that were sent, retries included. */
  requests: number;
  /** Waited before retries. */
  backOffMs: number;
}

/** Why a try gave no answer. */
interface Failure {
  reason: string;
  retryable: boolean;
  /** As the endpoint asks. */
  retryAfterMs?: number;
}

type Try = { body: string } | { malformed: string } | { failure: Failure };

/**
 * A client of any endpoint that speaks `POST /chat/completions`.
 *
 * Connection errors, time-outs of a request, 408, 429 and 5xx are retried, after a back-off that doubles or after
 * `Retry-After`. Redirects are not followed: they would carry the key elsewhere. Bodies are read up to a limit.
 */
export class ChatClient {
  readonly #endpoint: ChatEndpoint;

  constructor(endpoint: ChatEndpoint) {
    this.#endpoint = endpoint;
  }

  /**
   * @param signal - Ends the request in flight, or the wait for the next one
   * @param deadline - On the clock of `performance.now()`; a wait that would go beyond it is not begun
   * @throws {@link CrossrankError} with `ERR_ENDPOINT`; with the reason of `signal`
   */
  async complete(
    messages: readonly ChatMessage[],
    usage: ChatUsage,
    signal: AbortSignal,
    deadline = Number.POSITIVE_INFINITY,
  ): Promise<Completion> {
    const body = JSON.stringify({ ...this.#endpoint.body, messages });
    for (let tries = 1; ; tries++) {
      usage.requests++;
      const result = await this.#try(body, signal);
      if ('body' in result) {
        const { completion, tokens } = readCompletion(result.body);
        usage.promptTokens += tokens.promptTokens;
        usage.completionTokens += tokens.completionTokens;
        return completion;
      }
      if ('malformed' in result) return result;
      const { failure } = result;
      const waitMs = this.#backOffMs(tries, failure);
      const comesTooLate = waitMs > MAX_RETRY_AFTER_MS || performance.now() + waitMs >= deadline;
      if (!failure.retryable || tries > this.#endpoint.maxRetries || comesTooLate) {
        throw this.#error(failure, tries);
      }
      const started = performance.now();
      try {
        await wait(waitMs, undefined, { signal });
      } finally {
        usage.backOffMs += performance.now() - started;
      }
    }
  }

  /** Doubles with every try, less up to a quarter at random, so that many callers do not come back at once. */
  #backOffMs(tries: number, { retryAfterMs }: Failure): number {
    const doubled = Math.min(this.#endpoint.retryDelayMs * 2 ** (tries - 1), MAX_BACK_OFF_MS);
    return retryAfterMs ?? doubled * (1 - Math.random() / 4);
  }

  async #try(body: string, signal: AbortSignal): Promise<Try> {
    const { address, headers, requestTimeoutMs } = this.#endpoint;
    try {
      return await withDeadline(signal, requestTimeoutMs, async (limited) => {
        const response = await fetch(address, {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json' },
          body,
          redirect: 'manual',
          signal: limited,
        });
        return response.ok ? await answerOf(response) : { failure: await this.#refusalOf(response) };
      });
    } catch (error) {
      signal.throwIfAborted();
      const reason =
        error instanceof DeadlinePassed
          ? `did not answer within ${requestTimeoutMs} ms`
          : `cannot be reached or broke off (${connectionErrorOf(error)})`;
      return { failure: { reason, retryable: true } };
    }
  }

  async #refusalOf(response: Response): Promise<Failure> {
    const { status } = response;
    const text = await boundedText(response, MAX_ERROR_BYTES);
    const message = text === undefined ? undefined : readErrorMessage(text);
    const detail = message === undefined ? '' : `: ${this.#withoutSecrets(message)}`;
    const later = retryAfterMs(response.headers);
    const when = later === undefined ? '' : `; it asks to come back after ${Math.ceil(later / 1000)} s`;
    return {
      reason: `answered ${status}${detail}${hintOf(status)}${when}`,
      retryable: status === 408 || status === 429 || status >= 500,
      retryAfterMs: later,
    };
  }

  /** Endpoints like to repeat the key that they refuse. */
  #withoutSecrets(message: string): string {
    let text = message;
    for (const value of Object.values(this.#endpoint.headers)) {
      for (const secret of [value, ...value.split(' ')]) {
        if (secret.length >= 4) text = text.replaceAll(secret, '[secret]');
      }
    }
    return text
      .replace(/[\p{Cc}\s]+/gu, ' ')
      .trim()
      .slice(0, MAX_ERROR_CHARACTERS);
  }

  #error({ reason }: Failure, tries: number): CrossrankError {
    const { origin, pathname } = this.#endpoint.address;
    const times = tries === 1 ? '' : ` (${tries} tries)`;
    return new CrossrankError('ERR_ENDPOINT', `POST ${origin}${pathname} ${reason}${times}`);
  }
}

function hintOf(status: number): string {
  if (status >= 300 && status < 400) return '; redirects are not followed, set url to where it points';
  if (status === 401 || status === 403) return '; check apiKey';
  if (status === 404) return '; check url and model';
  return '';
}

async function answerOf(response: Response): Promise<Try> {
  const body = await boundedText(response, MAX_ANSWER_BYTES);
  return body === undefined ? { malformed: `the answer is larger than ${MAX_ANSWER_BYTES} bytes` } : { body };
}

/** The body, or undefined where it is larger than `maxBytes`: then the rest is not read. */
async function boundedText(response: Response, maxBytes: number): Promise<string | undefined> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  // Leaving the loop cancels the stream, and with it the connection.
  for await (const part of response.body ?? []) {
    bytes += part.byteLength;
    if (bytes > maxBytes) return undefined;
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

/** Seconds or a date (RFC 9110, 10.2.3). */
function retryAfterMs(headers: Headers): number | undefined {
  const value = headers.get('retry-after');
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(ms, 0);
}

function connectionErrorOf(error: unknown): string {
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  const found = cause?.code ?? code;
  return typeof found === 'string' ? found : 'connection error';
}
