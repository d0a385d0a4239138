import { invalidArgument } from '../../errors';
import { JsonServer } from './json-server';
import { checkText, checkTimeout } from './store-options';

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
  checkTimeout('timeoutMs', timeoutMs);
  checkHeaders(headers);
  const own = apiKey === undefined ? {} : { [keyHeader]: apiKey };
  return new JsonServer({ name, url, headers: { ...own, ...headers }, timeoutMs });
}

function checkHeaders(headers: unknown): void {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw invalidArgument('headers', 'an object', headers);
  }
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') throw invalidArgument(`headers.${name}`, 'a string', value);
  }
}
