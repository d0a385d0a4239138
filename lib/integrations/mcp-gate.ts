import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { McpHttpOptions } from './mcp-http';

/** Why a request is not let in. */
export interface Refusal {
  status: 401 | 403;
  message: string;
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** Whether nobody but this machine reaches an address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * Who may call: pages of other sites may not, neither by their own name (`Origin`) nor by one that was made to point to this
 * machine (`Host`; DNS rebinding), and where there is an API key, only who has it.
 */
export class Gate {
  readonly #hosts: ReadonlySet<string>;
  readonly #origins: ReadonlySet<string>;
  readonly #key: Buffer | undefined;

  constructor({ host, allowedHosts = [], allowedOrigins = [], apiKey }: McpHttpOptions & { host: string }) {
    const own = host.includes(':') ? `[${host}]` : host;
    this.#hosts = new Set([own, ...(isLoopback(host) ? LOOPBACK : []), ...allowedHosts].map(lower));
    this.#origins = new Set(allowedOrigins.map(lower));
    this.#key = apiKey === undefined ? undefined : digest(apiKey);
  }

  /** @returns undefined where the request may go on */
  check(request: IncomingMessage): Refusal | undefined {
    const { host, origin, authorization = '' } = request.headers;
    if (host === undefined || !this.#hosts.has(hostname(host))) {
      return {
        status: 403,
        message: 'this server does not go by the name of the header Host; allow it where it is started',
      };
    }
    if (origin !== undefined && !this.#origins.has(lower(origin))) {
      return {
        status: 403,
        message: 'pages of this origin may not call; allow it where the server is started',
      };
    }
    // A browser asks without credentials whether it may call.
    if (this.#key === undefined || request.method === 'OPTIONS') return undefined;
    const given = /^Bearer +(.+)$/i.exec(authorization)?.[1];
    if (given !== undefined && timingSafeEqual(digest(given), this.#key)) return undefined;
    return { status: 401, message: 'an API key is needed: Authorization: Bearer KEY' };
  }

  /** For pages of an allowed origin; none for others. */
  corsHeaders({ headers: { origin } }: IncomingMessage): Record<string, string> {
    if (origin === undefined || !this.#origins.has(lower(origin))) return {};
    return {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET, POST, DELETE',
      'access-control-allow-headers':
        'authorization, content-type, last-event-id, mcp-protocol-version, mcp-session-id',
      'access-control-expose-headers': 'mcp-session-id',
      vary: 'origin',
    };
  }
}

const lower = (text: string) => text.toLowerCase();

/** Without the port; an IPv6 address keeps its brackets. */
function hostname(host: string): string {
  return lower(host).replace(/:\d+$/, '');
}

/** Of equal length whatever the text, so that the time of comparing tells nothing. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
