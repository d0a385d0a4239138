import proxy from '@fastify/http-proxy';
import fastify from 'fastify';

const CHECK_MS = 50;

/**
 * What stands before replicas, small: each request goes to the next server that is up. A server counts as down when a
 * request on it fails or its /health does, and as up again with the next /health that answers. The balancer never sends
 * a request twice; that is the client's.
 */
export interface Balancer {
  url: string;
  /** Requests that this server has and has not answered yet. */
  underWay(server: string): number;
  isUp(server: string): boolean;
  /** Sends it nothing new from now on, as an orchestrator does before it ends a server. */
  takeOut(server: string): void;
  close(): Promise<void>;
}

interface Upstream {
  url: string;
  isUp: boolean;
  isTakenOut: boolean;
  underWay: number;
  failures: number;
}

/** Which server answered. */
export const SERVED_BY = 'x-served-by';

export async function startBalancer(urls: readonly string[]): Promise<Balancer> {
  const upstreams = urls.map(
    (url): Upstream => ({ url, isUp: true, isTakenOut: false, underWay: 0, failures: 0 }),
  );
  const chosen = new WeakMap<object, Upstream>();
  let turn = 0;

  function next(): Upstream | undefined {
    for (let i = 0; i < upstreams.length; i++) {
      const upstream = upstreams[turn++ % upstreams.length] as Upstream;
      if (upstream.isUp && !upstream.isTakenOut) return upstream;
    }
    return undefined;
  }

  const app = fastify({ forceCloseConnections: true });
  await app.register(proxy, {
    upstream: '',
    preHandler: (request, reply, done) => {
      const upstream = next();
      if (upstream === undefined) {
        reply.code(503).send({ error: 'no server is up' });
        return;
      }
      chosen.set(request.raw, upstream);
      upstream.underWay++;
      reply.raw.once('close', () => upstream.underWay--);
      reply.header(SERVED_BY, upstream.url);
      done();
    },
    replyOptions: {
      getUpstream: (request) => (chosen.get(request.raw) as Upstream).url,
      onError: (reply) => {
        const upstream = chosen.get(reply.request.raw) as Upstream;
        upstream.isUp = false;
        upstream.failures++;
        reply.code(502).send({ error: 'the server did not answer' });
      },
    },
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });

  const closing = new AbortController();
  const checks = upstreams.map(async (upstream) => {
    while (!closing.signal.aborted) {
      const { failures } = upstream;
      const isHealthyNow = await isHealthy(upstream.url, closing.signal);
      // A request that has failed meanwhile knows better than an answer from before it.
      if (failures === upstream.failures) upstream.isUp = isHealthyNow;
      await new Promise((resolve) => setTimeout(resolve, CHECK_MS));
    }
  });

  const find = (server: string) => upstreams.find((each) => each.url === server) as Upstream;
  return {
    url,
    underWay: (server) => find(server).underWay,
    isUp: (server) => find(server).isUp,
    takeOut: (server) => {
      find(server).isTakenOut = true;
    },
    close: async () => {
      closing.abort();
      await Promise.all(checks);
      await app.close();
    },
  };
}

async function isHealthy(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/health`, { signal });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}
