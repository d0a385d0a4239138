import type { IncomingMessage } from 'node:http';
import { RequestFailure } from './failure';

/** No API nests deeper than a handful; a parser that follows a hostile body down takes memory by the gigabyte. */
const MAX_DEPTH = 32;
/**
 * No request has as many values: documents are bounded, and so are the fields that anyone gives them. 16 MiB of `{},` are 5.6
 * million, for which the parser takes half a gigabyte and whole seconds in which nothing else is answered.
 */
const MAX_VALUES = 500_000;
const RETRY_AFTER_MS = 1000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;

/** Receives bodies: each bounded, and all of them together. */
export class BodyReader {
  readonly #maxBytes: number;
  readonly #maxBytesInFlight: number;
  #inFlight = 0;

  constructor(limits: { maxBodyBytes: number; maxBodyBytesInFlight: number }) {
    this.#maxBytes = limits.maxBodyBytes;
    this.#maxBytesInFlight = limits.maxBodyBytesInFlight;
  }

  /**
   * @param hold - Is told of bytes as they come; whoever holds them gives them back with {@link release}
   * @throws RequestFailure with `too-large`, `queue-full` (bodies of other requests take what there is) or `malformed`
   */
  async read(payload: IncomingMessage, hold: (bytes: number) => void): Promise<unknown> {
    const announced = Number(payload.headers['content-length'] ?? 0);
    if (announced > this.#maxBytes) throw this.#tooLarge();
    const text = (await this.#receive(payload, hold)).toString('utf8');
    return parseJson(text);
  }

  release(bytes: number): void {
    this.#inFlight -= bytes;
  }

  #receive(payload: IncomingMessage, hold: (bytes: number) => void): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const refuse = (failure: RequestFailure) => {
        payload.removeListener('data', onData);
        payload.resume(); // the rest has to leave the connection before the answer is read
        chunks.length = 0;
        reject(failure);
      };
      const onData = (chunk: Buffer) => {
        bytes += chunk.length;
        this.#inFlight += chunk.length;
        hold(chunk.length);
        if (bytes > this.#maxBytes) refuse(this.#tooLarge());
        else if (this.#inFlight > this.#maxBytesInFlight && this.#inFlight > bytes) refuse(tooMuchInFlight());
        else chunks.push(chunk);
      };
      payload.on('data', onData);
      payload.once('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
      payload.once('error', () => reject(cutOff()));
      payload.once('close', () => reject(cutOff())); // no effect after the end
    });
  }

  #tooLarge(): RequestFailure {
    return new RequestFailure('too-large', `the body may have ${this.#maxBytes} bytes at most`);
  }
}

function tooMuchInFlight(): RequestFailure {
  return new RequestFailure(
    'queue-full',
    'the bodies of other requests take all the memory there is for them',
    {
      retryAfterMs: RETRY_AFTER_MS,
    },
  );
}

function cutOff(): RequestFailure {
  return new RequestFailure('malformed', 'the request was cut off');
}

/** @throws RequestFailure with `malformed`, or `too-large` where it has too many values */
export function parseJson(text: string): unknown {
  if (text.trim() === '')
    throw new RequestFailure('malformed', 'the body is empty; a JSON object was expected');
  requireModest(text);
  let value: unknown;
  try {
    value = JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch (error) {
    throw new RequestFailure('malformed', 'the body is no valid JSON', { cause: error });
  }
  // A key may be spelt with escapes; documents that talk of constructors are only looked through.
  if (/__proto__|constructor|\\u/.test(text) && hasPrototypeKey(value)) {
    throw new RequestFailure('malformed', 'the body has a key __proto__ or constructor');
  }
  return value;
}

/**
 * Of text that need not be JSON: what is odd is left to the parser. Strings are jumped over.
 * @throws RequestFailure
 */
function requireModest(json: string): void {
  let depth = 0;
  let values = 1;
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i);
    if (code === QUOTE) {
      i = endOfString(json, i);
      if (i === -1) return;
    } else if (code === COMMA) {
      if (++values > MAX_VALUES)
        throw new RequestFailure('too-large', `the body has more than ${MAX_VALUES} values`);
    } else if (code === OPENING_BRACKET || code === OPENING_BRACE) {
      if (++depth > MAX_DEPTH)
        throw new RequestFailure('malformed', `the body is nested more than ${MAX_DEPTH} deep`);
    } else if (code === CLOSING_BRACKET || code === CLOSING_BRACE) {
      depth--;
    }
  }
}

/** The closing quote of the string that opens at `start`, or -1. */
function endOfString(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); end !== -1; end = json.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (json.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return -1;
}

/** The value is nested at most {@link MAX_DEPTH} deep. */
function hasPrototypeKey(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(hasPrototypeKey);
  if (Object.hasOwn(value, '__proto__') || Object.hasOwn(value, 'constructor')) return true;
  return Object.values(value).some(hasPrototypeKey);
}
