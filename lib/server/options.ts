import { invalidArgument } from '../errors';
import { checkBoolean, checkChoice, checkInteger, checkNames } from '../option-checks';
import { checkEngineOptions, ENGINE_OPTIONS, type EngineOptions } from '../options';
import { API_NAMES, type ApiName } from './dialect';
import type { ServerLogger, ServerPlugin } from './plugin';

/** Options of {@link createServer}. */
export interface ServerOptions {
  /**
   * Rerankers: `SOURCE` or `SOURCE=ALIAS`. A source is the path of a model folder, or `ORGANISATION/NAME[@REVISION]` of
   * the hub, or the name of the embedded model; clients call it by its alias, else by its hub id or folder name. The
   * first answers calls that name no model.
   * @defaultValue the embedded reranker
   */
  models?: readonly string[];
  /** Embedders, as {@link models}. @defaultValue the embedded embedder */
  embedders?: readonly string[];
  /** How models are loaded. @defaultValue as {@link LoadOptions}, but `nice: 5`, so that HTTP goes before scoring */
  engine?: EngineOptions;
  /** Models are loaded by the first call that needs them, not before the server listens. @defaultValue `false` */
  lazy?: boolean;
  /**
   * A call that names a model that is not served is refused. Without it, where one model of the task is served, any name
   * is taken for it.
   * @defaultValue `false`
   */
  strictModel?: boolean;
  /** Which API a request is for where path and body leave that open. @defaultValue the first that fits */
  api?: ApiName;

  /** Address to bind. @defaultValue `'127.0.0.1'`: this machine alone */
  host?: string;
  /** 0: any that is free. @defaultValue `8080` */
  port?: number;
  /** Keys of which a request has to bring one, as `Authorization: Bearer KEY` or `X-Api-Key: KEY`. @defaultValue none */
  apiKeys?: readonly string[];
  /** Whether `/metrics` needs a key, too; `/health` never does. @defaultValue `false` */
  protectMetrics?: boolean;
  /** Origins whose pages may call, such as `https://example.org`. @defaultValue none */
  cors?: readonly string[];

  /** Bytes of a body. @defaultValue 16 MiB */
  maxBodyBytes?: number;
  /** Bytes of all bodies that are being received or answered; beyond it requests are told to come back. @defaultValue 256 MiB */
  maxBodyBytesInFlight?: number;
  /** Documents, pairs or texts of a request. @defaultValue `10_000` */
  maxDocuments?: number;
  /**
   * Tokens that are read of a pair or text, with special tokens; what is longer is cut or refused, as the API has it. A
   * request may name less.
   * @defaultValue as many as the model reads
   */
  maxLength?: number;
  /** Milliseconds from the head of a request to its answer, where it names none. @defaultValue `60_000` */
  timeoutMs?: number;
  /** The most that a request may name, in milliseconds. @defaultValue `600_000` */
  maxTimeoutMs?: number;
  /** Milliseconds in which the head of a request must have come. @defaultValue `10_000` */
  headersTimeoutMs?: number;
  /** Milliseconds in which a request must have come as a whole. @defaultValue `60_000` */
  requestTimeoutMs?: number;
  /** How long {@link Server.close} waits for requests that run, in milliseconds. @defaultValue `30_000` */
  drainMs?: number;

  /** What else is served or heard: metrics, logs, the page. @defaultValue none */
  plugins?: readonly ServerPlugin[];
  /** Gets what goes wrong inside, with its cause; pino fits. @defaultValue none */
  logger?: ServerLogger;
}

/** The same, with defaults filled in. */
export type ServerSettings = Readonly<Required<Omit<ServerOptions, 'api' | 'logger' | 'maxLength'>>> &
  Readonly<Pick<ServerOptions, 'api' | 'logger' | 'maxLength'>>;

const DEFAULTS = {
  models: [],
  embedders: [],
  engine: {},
  lazy: false,
  strictModel: false,
  host: '127.0.0.1',
  port: 8080,
  apiKeys: [],
  protectMetrics: false,
  cors: [],
  maxBodyBytes: 16 * 1024 * 1024,
  maxBodyBytesInFlight: 256 * 1024 * 1024,
  maxDocuments: 10_000,
  timeoutMs: 60_000,
  maxTimeoutMs: 600_000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  drainMs: 30_000,
  plugins: [],
} as const satisfies Omit<ServerOptions, 'api' | 'logger' | 'maxLength'>;

const KNOWN = [...Object.keys(DEFAULTS), 'api', 'logger', 'maxLength'];
const LONGEST_MS = 24 * 3600 * 1000;
const MAX_BYTES = 2 ** 30;

/** @throws CrossrankError with `ERR_INVALID_ARGUMENT` */
export function readServerOptions(options: ServerOptions): ServerSettings {
  checkNames(options, KNOWN);
  checkStrings('models', options.models, 'SOURCE or SOURCE=ALIAS');
  checkStrings('embedders', options.embedders, 'SOURCE or SOURCE=ALIAS');
  if (options.engine !== undefined) {
    checkNames(options.engine, ENGINE_OPTIONS, 'engine');
    checkEngineOptions(options.engine);
  }
  for (const name of ['lazy', 'strictModel', 'protectMetrics'] as const) checkBoolean(name, options[name]);
  checkChoice('api', options.api, API_NAMES);
  if (options.host !== undefined && (typeof options.host !== 'string' || options.host === '')) {
    throw invalidArgument('host', 'an address to bind, such as 127.0.0.1', options.host);
  }
  checkInteger('port', options.port, 0, 65_535);
  checkStrings('apiKeys', options.apiKeys, 'a key of printable ASCII without spaces', isKey);
  checkStrings('cors', options.cors, 'an origin such as https://example.org', isOrigin);
  checkInteger('maxBodyBytes', options.maxBodyBytes, 1, MAX_BYTES);
  checkInteger('maxBodyBytesInFlight', options.maxBodyBytesInFlight, 1, 64 * MAX_BYTES);
  checkInteger('maxDocuments', options.maxDocuments, 1, 10_000_000);
  checkInteger('maxLength', options.maxLength, 1, 10_000_000);
  for (const name of ['timeoutMs', 'maxTimeoutMs', 'headersTimeoutMs', 'requestTimeoutMs'] as const) {
    checkInteger(name, options[name], 1, LONGEST_MS);
  }
  checkInteger('drainMs', options.drainMs, 0, LONGEST_MS);
  checkPlugins(options.plugins);
  return withDefaults(options);
}

/** What is undefined counts as left out. */
function withDefaults(options: ServerOptions): ServerSettings {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { ...DEFAULTS, ...given };
}

function checkPlugins(plugins: unknown): void {
  if (plugins === undefined) return;
  if (!Array.isArray(plugins) || plugins.some((plugin) => typeof plugin !== 'function')) {
    throw invalidArgument('plugins', 'an array of functions', plugins);
  }
}

function checkStrings(
  name: string,
  values: unknown,
  expected: string,
  holds: (value: string) => boolean = () => true,
): void {
  if (values === undefined) return;
  if (!Array.isArray(values)) throw invalidArgument(name, 'an array of strings', values);
  values.forEach((value: unknown, i) => {
    if (typeof value === 'string' && value !== '' && holds(value)) return;
    // A key is a secret: the message does not repeat it.
    throw invalidArgument(`${name}[${i}]`, expected, name === 'apiKeys' ? undefined : value);
  });
}

function isKey(key: string): boolean {
  return /^[\x21-\x7e]{1,1024}$/.test(key);
}

function isOrigin(origin: string): boolean {
  return URL.canParse(origin) && new URL(origin).origin === origin;
}
