import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { bertFiles, quickFetch, useHub } from './support/hub';
import { temporaryFolder } from './support/models';

const hub = useHub();
let proxy: Server;
let address: string;
/** Targets that the proxy was asked for, and what was sent to the proxy itself. */
const asked: { target: string; headers: IncomingHttpHeaders }[] = [];

beforeEach(async () => {
  hub().add('acme/bert', bertFiles());
  asked.length = 0;
  proxy = createServer((incoming, outgoing) => {
    asked.push({ target: new URL(incoming.url as string).host, headers: incoming.headers });
    const { 'proxy-authorization': _, ...headers } = incoming.headers;
    const { method } = incoming;
    const forwarded = request(incoming.url as string, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode as number, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(forwarded);
  });
  proxy.on('connect', (incoming, socket) => {
    asked.push({ target: incoming.url as string, headers: incoming.headers });
    const [host, port] = (incoming.url as string).split(':') as [string, string];
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(socket);
      socket.pipe(upstream);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done));
  address = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
});
afterEach(async () => {
  proxy.closeAllConnections();
  await new Promise((done) => proxy.close(done));
});

const hosts = () => [hub().url, hub().storageUrl].map((url) => new URL(url).host).sort();

test.each(['HTTP_PROXY', 'http_proxy'])('%s is asked for both hosts, with its password', async (name) => {
  process.env[name] = `http://me:secret@${address}`;
  await quickFetch(hub(), temporaryFolder(), { token: 'hf_token' });
  expect([...new Set(asked.map(({ target }) => target))].sort()).toEqual(hosts());
  for (const { headers } of asked) {
    expect(headers['proxy-authorization']).toBe(`Basic ${Buffer.from('me:secret').toString('base64')}`);
  }
  for (const { headers } of hub().requests) expect(headers['proxy-authorization']).toBeUndefined();
});

test('NO_PROXY is not asked for through it', async () => {
  process.env.HTTP_PROXY = `http://${address}`;
  process.env.NO_PROXY = new URL(hub().url).host;
  await quickFetch(hub(), temporaryFolder());
  expect([...new Set(asked.map(({ target }) => target))]).toEqual([new URL(hub().storageUrl).host]);
});

test('a proxy that is down is what the error is about', async () => {
  process.env.HTTP_PROXY = `http://me:secret@${address}`;
  proxy.closeAllConnections();
  await new Promise((done) => proxy.close(done));
  const error = await quickFetch(hub(), temporaryFolder()).catch((reason) => reason);
  expect(error).toMatchObject({
    code: 'ERR_DOWNLOAD',
    message: expect.stringMatching(/ECONNREFUSED.*HTTPS_PROXY/),
  });
  expect(error.message).not.toContain('secret');
  proxy.listen(0);
});
