import { CrossrankError, invalidArgument } from '../errors';
import { checkChoice, checkInteger, checkNames } from '../option-checks';
import type { OnTimeout } from '../options';
import type { ChatEndpoint } from './chat-client';

/** Options of {@link ListwiseReranker}. */
export interface ListwiseOptions {
  /** Base address of an OpenAI-compatible API, such as `'https://api.openai.com/v1'`; `/chat/completions` is added. */
  url: string;
  /** Name of the model, as the endpoint calls it. */
  model: string;
  /** Sent as `Authorization: Bearer`. It appears in no error and in no inspection of the object. @defaultValue none */
  apiKey?: string;
  /** More headers, for gateways that ask for them. They are kept as secret as `apiKey`. @defaultValue none */
  headers?: Readonly<Record<string, string>>;
  /**
   * More fields of the request's body; `undefined` removes one that is set by default. Models that reason want
   * `{ temperature: undefined, max_tokens: undefined, max_completion_tokens: 4096 }`.
   * @defaultValue `{ temperature: 0, max_tokens: 16 + 8 * windowSize }`
   */
  parameters?: Readonly<Record<string, unknown>>;
  /** Documents that the model orders at a time. @defaultValue 20 (Sun et al. 2023) */
  windowSize?: number;
  /**
   * How far the window moves to the front between calls. In one pass, the best `windowSize - step` documents can come
   * from anywhere to the top.
   * @defaultValue half of `windowSize`, rounded down
   */
  step?: number;
  /** So many of the first documents are ranked; those behind them keep their order and cost nothing. @defaultValue 100 */
  maxDocuments?: number;
  /** UTF-16 units of a document, and of the query, that the model sees. @defaultValue 2000, some 300 English words */
  maxPassageCharacters?: number;
  /**
   * What a call gets when the endpoint cannot be reached or refuses. `'error'`: `ERR_ENDPOINT`. `'inputOrder'`: the
   * documents in input order. `'partial'`: the order as the windows before left it. The latter two are `degraded`.
   * @defaultValue `'inputOrder'`
   */
  onError?: OnTimeout;
  /** Time for one request, in milliseconds; one that takes longer is tried again. @defaultValue `60_000` */
  requestTimeoutMs?: number;
  /** Further tries of a request after a connection error, a time-out, 408, 429 or 5xx. @defaultValue 2 */
  maxRetries?: number;
  /** Wait before the first retry where the endpoint sends no `Retry-After`; it doubles, to 8 s. @defaultValue 500 */
  retryDelayMs?: number;
}

const LISTWISE_OPTIONS = [
  'url',
  'model',
  'apiKey',
  'headers',
  'parameters',
  'windowSize',
  'step',
  'maxDocuments',
  'maxPassageCharacters',
  'onError',
  'requestTimeoutMs',
  'maxRetries',
  'retryDelayMs',
];
/** Fields of the body that the reranker itself decides. */
const OWN_PARAMETERS = ['model', 'messages', 'stream', 'n'];
const MAX_WINDOW = 200;
const MAX_DOCUMENTS = 10_000;
const MAX_PASSAGE_CHARACTERS = 1_000_000;
/** Node's fetch gives up on headers after five minutes whatever it is told. */
const MAX_REQUEST_TIMEOUT_MS = 300_000;
const MAX_RETRIES = 10;

/** How a {@link ListwiseReranker} goes over the documents, every default filled in. */
export interface Windowing {
  windowSize: number;
  step: number;
  maxDocuments: number;
  maxPassageCharacters: number;
  onError: OnTimeout;
}

/** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` */
export function readListwiseOptions(options: ListwiseOptions): {
  windowing: Windowing;
  endpoint: ChatEndpoint;
} {
  checkNames(options, LISTWISE_OPTIONS);
  const {
    windowSize = 20,
    maxDocuments = 100,
    maxPassageCharacters = 2000,
    onError = 'inputOrder',
  } = options;
  checkInteger('windowSize', windowSize, 2, MAX_WINDOW);
  const { step = Math.floor(windowSize / 2) } = options;
  checkInteger('step', step, 1, windowSize - 1);
  checkInteger('maxDocuments', maxDocuments, 1, MAX_DOCUMENTS);
  checkInteger('maxPassageCharacters', maxPassageCharacters, 1, MAX_PASSAGE_CHARACTERS);
  checkChoice('onError', onError, ['error', 'partial', 'inputOrder'] as const);
  return {
    windowing: { windowSize, step, maxDocuments, maxPassageCharacters, onError },
    endpoint: readEndpoint(options, windowSize),
  };
}

function readEndpoint(options: ListwiseOptions, windowSize: number): ChatEndpoint {
  const { model, requestTimeoutMs = 60_000, maxRetries = 2, retryDelayMs = 500 } = options;
  if (typeof model !== 'string' || model === '') throw invalidArgument('model', 'the name of a model', model);
  checkInteger('requestTimeoutMs', requestTimeoutMs, 1, MAX_REQUEST_TIMEOUT_MS);
  checkInteger('maxRetries', maxRetries, 0, MAX_RETRIES);
  checkInteger('retryDelayMs', retryDelayMs, 0, MAX_REQUEST_TIMEOUT_MS);
  return {
    address: readAddress(options.url),
    headers: readHeaders(options.headers, options.apiKey),
    body: {
      temperature: 0,
      max_tokens: 16 + 8 * windowSize, // an identifier with its " > " takes four or five tokens
      ...readParameters(options.parameters),
      model,
      stream: false,
    },
    requestTimeoutMs,
    maxRetries,
    retryDelayMs,
  };
}

/** Says what is wrong without the value: it may hold a secret. */
function secretArgument(name: string, expected: string): CrossrankError {
  return new CrossrankError('ERR_INVALID_ARGUMENT', `Expected ${expected} for ${name}`);
}

function readAddress(url: unknown): URL {
  if (typeof url !== 'string') {
    throw invalidArgument('url', "the base address of an API, such as 'https://api.openai.com/v1',", url);
  }
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (address === undefined || !['http:', 'https:'].includes(address.protocol)) {
    throw secretArgument('url', "an address such as 'https://api.openai.com/v1'");
  }
  if (address.username !== '' || address.password !== '') {
    throw secretArgument('url', 'an address without user and password (use apiKey or headers)');
  }
  address.hash = '';
  address.pathname = `${address.pathname.replace(/\/+$/, '')}/chat/completions`;
  return address;
}

function readHeaders(headers: unknown = {}, apiKey: unknown): Record<string, string> {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw secretArgument('headers', 'an object of strings');
  }
  const read: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name))
      throw invalidArgument('headers', 'names of headers', name);
    if (!isHeaderValue(value))
      throw secretArgument(`headers[${JSON.stringify(name)}]`, 'visible ASCII characters');
    read[name.toLowerCase()] = value;
  }
  if (apiKey === undefined) return read;
  if (!isHeaderValue(apiKey)) throw secretArgument('apiKey', 'a string of visible ASCII characters');
  return { ...read, authorization: `Bearer ${apiKey}` };
}

function isHeaderValue(value: unknown): value is string {
  return typeof value === 'string' && /^[!-~](?:[ -~]*[!-~])?$/.test(value);
}

function readParameters(parameters: unknown = {}): Record<string, unknown> {
  if (typeof parameters !== 'object' || parameters === null || Array.isArray(parameters)) {
    throw invalidArgument('parameters', 'an object', parameters);
  }
  const own = Object.keys(parameters).find((name) => OWN_PARAMETERS.includes(name));
  if (own !== undefined) {
    throw invalidArgument('parameters', `other fields than ${OWN_PARAMETERS.join(', ')}`, own);
  }
  try {
    JSON.stringify(parameters);
  } catch {
    throw invalidArgument('parameters', 'an object that JSON can hold', parameters);
  }
  return { ...parameters };
}
