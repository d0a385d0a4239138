import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { CrossrankError } from '../errors';
import { ActiveRequests } from './active-requests';
import { buildApp } from './app';
import { RequestFailure } from './failure';
import { Models } from './models';
import { readServerOptions, type ServerOptions, type ServerSettings } from './options';

/** Of requests that are ended: until their answers are written. */
const LAST_ANSWERS_MS = 1000;

/**
 * A server that speaks the APIs of rerankers and embedders on models of this process.
 *
 * Its life: {@link createServer} loads the models (with `lazy`, the first calls do); {@link listen}; {@link close} takes
 * no new requests, waits for those that run, ends what is left after `drainMs`, and frees the models.
 */
export class Server {
  readonly #app: FastifyInstance;
  readonly #models: Models;
  readonly #active: ActiveRequests;
  readonly #settings: ServerSettings;
  #closed: Promise<void> | undefined;

  /** @internal See {@link createServer}. */
  constructor(app: FastifyInstance, models: Models, active: ActiveRequests, settings: ServerSettings) {
    this.#app = app;
    this.#models = models;
    this.#active = active;
    this.#settings = settings;
  }

  /**
   * @returns the address, such as `http://127.0.0.1:8080`
   * @throws CrossrankError with `ERR_INVALID_ARGUMENT` where host and port cannot be had: the message says what to do
   */
  async listen(): Promise<string> {
    const { host, port } = this.#settings;
    try {
      await this.#app.listen({ host, port });
    } catch (error) {
      throw notListening(error as NodeJS.ErrnoException, host, port);
    }
    return this.address;
  }

  /** Such as `http://127.0.0.1:8080`. Of a server that listens. */
  get address(): string {
    const { address, family, port } = this.#app.server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  /**
   * Takes no new requests (those that come on open connections are told that the server closes), and waits for those that
   * run, up to `drainMs`; what still runs then is ended. Calling it again returns the same promise.
   * @returns when everything is freed
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** `await using server = await createServer()` */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { server } = this.#app;
    const stopped = server.listening ? once(server, 'close') : Promise.resolve();
    this.#active.close();
    if (server.listening) server.close(); // and idle connections with it
    await this.#active.idle(this.#settings.drainMs);
    this.#active.abort(new RequestFailure('closing', 'the server is shutting down'));
    await this.#active.idle(LAST_ANSWERS_MS);
    server.closeAllConnections();
    await stopped;
    await this.#app.close();
    await this.#models.dispose();
  }
}

/**
 * Makes a server; see {@link Server} for its life.
 *
 * @throws CrossrankError with `ERR_INVALID_ARGUMENT`, or the codes of {@link Reranker.load} and {@link Embedder.load}
 */
export async function createServer(options: ServerOptions = {}): Promise<Server> {
  const settings = readServerOptions(options);
  const models = new Models(settings);
  const active = new ActiveRequests();
  try {
    const app = await buildApp(models, active, settings);
    if (!settings.lazy) await models.load();
    return new Server(app, models, active, settings);
  } catch (error) {
    await models.dispose();
    throw error;
  }
}

function notListening(error: NodeJS.ErrnoException, host: string, port: number): unknown {
  const why: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${port} of ${host} is in use; end the other process, or name another port, or 0 for any`,
    EACCES: `port ${port} may not be bound by this user; take one above 1023`,
    EADDRNOTAVAIL: `${host} is no address of this machine; name one that is, or 0.0.0.0 for all`,
    ENOTFOUND: `the host ${host} is not known; name an address of this machine`,
  };
  const message = error.code === undefined ? undefined : why[error.code];
  return message === undefined
    ? error
    : new CrossrankError('ERR_INVALID_ARGUMENT', message, { cause: error });
}
