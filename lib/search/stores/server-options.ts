import { CrossrankError, invalidArgument } from '../../errors';
import { checkText, checkTimeout } from '../../option-checks';
import { JsonServer } from './json-server';

/** How a store that is a server is reached. */
export interface ServerOptions {
  /** `http:` or `https:`, with the path where it lies below one. */
  url?: string;
  /** @defaultValue none */
  apiKey?: string;
  /** Sent with every request, such as what a proxy asks for. @defaultValue none */
  headers?: Record<string, string>;
  /** Milliseconds for one request, after which the call rejects with `ERR_STORE`. @defaultValue `10_000` */
  timeoutMs?: number;
}

export const SERVER_OPTIONS = ['url', 'apiKey', 'headers', 'timeoutMs'];

const DEFAULT_TIMEOUT_MS = 10_000;

/** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` */
export function serverOf(
  name: string,
  defaultUrl: string,
  keyHeader: string,
  { url = defaultUrl, apiKey, headers = {}, timeoutMs = DEFAULT_TIMEOUT_MS }: ServerOptions,
): JsonServer {
  if (apiKey !== undefined) checkText('apiKey', apiKey);
  checkTimeout(timeoutMs);
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw invalidArgument('headers', 'an object', headers);
  }
  const all = { ...(apiKey === undefined ? {} : { [keyHeader]: apiKey }), ...headers };
  for (const [header, value] of Object.entries(all)) checkHeader(header, value);
  return new JsonServer({ name, url, headers: all, timeoutMs });
}

/** The message has no value: it may be a key. */
function checkHeader(header: string, value: unknown): void {
  try {
    if (typeof value !== 'string') throw new TypeError('no string');
    new Headers({ [header]: value });
  } catch {
    throw new CrossrankError(
      'ERR_INVALID_ARGUMENT',
      `The header ${JSON.stringify(header)} has a name or a value that HTTP cannot carry; see apiKey and headers`,
    );
  }
}
