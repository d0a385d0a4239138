import { createServer, type Server, type ServerOptions } from '../../lib/server';
import { createLog, type LogLevel } from '../../lib/server/log';
import { observe } from '../../lib/server/observe';
import { MODELS, post } from './server';

export interface ObservedServer {
  server: Server;
  url: string;
  /** What is in the log so far. */
  log(): string;
  /** Once the log has so many lines of requests; they are written after the answer has been read. */
  requests(count: number): Promise<Record<string, unknown>[]>;
  metrics(): Promise<string>;
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>;
}

/** A server of the small fixtures, whose log is kept. */
export async function observedServer({
  level = 'debug',
  logTexts = false,
  plugins = [],
  ...options
}: ServerOptions & { level?: LogLevel; logTexts?: boolean } = {}): Promise<ObservedServer> {
  const lines: string[] = [];
  const log = createLog({ level, stream: { write: (line) => void lines.push(line) } });
  const server = await createServer({
    ...MODELS,
    port: 0,
    lazy: true,
    ...options,
    logger: log,
    plugins: [observe({ log, logTexts, version: '1.2.3' }), ...plugins],
  });
  const url = await server.listen();
  const ofRequests = () => lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request');
  return {
    server,
    url,
    log: () => lines.join(''),
    requests: async (count) => {
      while (ofRequests().length < count) await new Promise(setImmediate);
      return ofRequests();
    },
    metrics: async () => (await fetch(`${url}/metrics`)).text(),
    post: (...args) => post(url, ...args),
  };
}
