import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type * as ClientModule from '@modelcontextprotocol/sdk/client/index.js' with {
  'resolution-mode': 'import',
};
import type { Client as McpClient } from '@modelcontextprotocol/sdk/client/index.js' with {
  'resolution-mode': 'import',
};
import type * as StdioModule from '@modelcontextprotocol/sdk/client/stdio.js' with {
  'resolution-mode': 'import',
};
import type * as HttpModule from '@modelcontextprotocol/sdk/client/streamableHttp.js' with {
  'resolution-mode': 'import',
};
import { Reranker } from '../lib';
import { CLI, runCli } from './support/cli';
import { McpProcess } from './support/mcp-process';
import { ROOT, temporaryFolder } from './support/models';

// Their types say that they are ES modules alone; they have both.
const { Client } = require('@modelcontextprotocol/sdk/client/index.js') as typeof ClientModule;
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js') as typeof StdioModule;
const { StreamableHTTPClientTransport } =
  require('@modelcontextprotocol/sdk/client/streamableHttp.js') as typeof HttpModule;

const HANGING = join(ROOT, 'dist/test/support/mcp-hanging-server.mjs');
const query = 'Which planet is red?';
const documents = [
  { id: 'bread', text: 'Bread is made of flour and water.', metadata: { kind: 'food' } },
  { id: 'mars', text: 'Mars is often called the Red Planet.', metadata: { kind: 'planet', moons: 2 } },
  { id: 'venus', text: 'Venus is the second planet from the Sun.' },
];

const clients: McpClient[] = [];
const servers: McpProcess[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  for (const server of servers.splice(0)) await server.stop();
});

async function connect(transport: Parameters<McpClient['connect']>[0]): Promise<McpClient> {
  const client = new Client({ name: 'test', version: '1.0.0' });
  clients.push(client);
  await client.connect(transport);
  return client;
}

function overStdio(args: readonly string[]): Promise<McpClient> {
  return connect(new StdioClientTransport({ command: process.execPath, args: [...args] }));
}

async function serve(args: readonly string[], env: Record<string, string> = {}): Promise<McpProcess> {
  const server = await McpProcess.start(args, env);
  servers.push(server);
  return server;
}

function overHttp({ url }: McpProcess, headers: Record<string, string> = {}): Promise<McpClient> {
  return connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
}

interface Answer {
  isError?: boolean;
  structuredContent?: Record<string, unknown>;
  content: { type: string; text: string }[];
}

/** The SDK's client checks structured output against the tool's schema once the tools were listed. */
async function call(client: McpClient, name: string, input: object): Promise<Answer> {
  await client.listTools();
  return (await client.callTool({ name, arguments: { ...input } })) as Answer;
}

describe.each(['stdio', 'HTTP'])('over %s', (transport) => {
  async function start(...args: string[]): Promise<McpClient> {
    if (transport === 'stdio') return overStdio([CLI, 'mcp', ...args]);
    return overHttp(await serve([CLI, 'mcp', '--port', '0', ...args]));
  }

  test('the tools index, search and rerank do what the library does', async () => {
    const client = await start();
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(['search', 'rerank', 'index']);
    expect(client.getServerVersion()).toMatchObject({ name: 'crossrank' });

    const empty = await call(client, 'search', { query });
    expect(empty.structuredContent).toMatchObject({
      results: [],
      notice: expect.stringContaining('no documents'),
    });
    const indexed = await call(client, 'index', { documents });
    expect(indexed.structuredContent).toEqual({ documents: 3, embedded: 3, unchanged: 0 });
    const again = await call(client, 'index', { documents });
    expect(again.structuredContent).toEqual({ documents: 3, embedded: 0, unchanged: 3 });

    await using reranker = await Reranker.load();
    const ranked = await reranker.rerank(query, documents);
    const found = await call(client, 'search', { query, topK: 2 });
    expect(found.structuredContent).toMatchObject({
      degraded: false,
      results: ranked.results.slice(0, 2).map(({ score, document: { id, text } }, i) => ({
        ...{ rank: i + 1, id, score, text },
      })),
    });
    expect(JSON.parse(found.content[0]?.text ?? '')).toEqual(found.structuredContent);
    const filtered = await call(client, 'search', { query, filter: { moons: { $gte: 2 } } });
    expect(filtered.structuredContent?.results).toEqual([
      expect.objectContaining({ id: 'mars', metadata: { kind: 'planet', moons: 2 } }),
    ]);

    const mixed = [documents[0]?.text, { text: documents[1]?.text, id: 'm' }];
    const reranked = await call(client, 'rerank', { query, documents: mixed, topK: 1 });
    expect(reranked.structuredContent).toEqual({
      results: [{ index: 1, id: 'm', score: ranked.results[0]?.score, truncated: false }],
    });
  });

  test('wrong arguments are answered with what is wrong, and the next call works', async () => {
    const client = await start();
    const texts = documents.map(({ text }) => text);
    for (const [name, input, message] of [
      ['rerank', { query }, /required property 'documents'/],
      ['rerank', { query: 1, documents: texts }, /arguments\/query must be string/],
      ['rerank', { query, documents: texts, topK: 0 }, /topK must be >= 1/],
      ['rerank', { query, documents: texts, top_k: 1 }, /additional properties/],
      ['rerank', { query, documents: Array(1001).fill('a') }, /documents must NOT have more than 1000 items/],
      ['search', { query, filter: { $where: 1 } }, /\$where/],
      ['index', { documents: [documents[0], documents[0]] }, /bread/],
      ['index', { documents: [{ id: 'a', text: 'b', metadata: { deep: {} } }] }, /metadata/],
    ] as const) {
      const { isError, content } = await call(client, name, input);
      expect(isError).toBe(true);
      expect(content[0]?.text).toMatch(/^ERR_INVALID_ARGUMENT: /);
      expect(content[0]?.text).toMatch(message);
    }
    const unknown = client.callTool({ name: 'drop', arguments: {} });
    await expect(unknown).rejects.toMatchObject({
      code: -32602,
      message: expect.stringContaining('known are search, rerank, index'),
    });
    expect((await call(client, 'rerank', { query, documents: texts })).isError).toBeUndefined();
  });

  test('an aborted call ends the work in the server', async () => {
    let client: McpClient;
    let nextLine: () => Promise<string>;
    if (transport === 'stdio') {
      const stdio = new StdioClientTransport({
        command: process.execPath,
        args: [HANGING, 'stdio'],
        stderr: 'pipe',
      });
      const lines = createInterface({ input: stdio.stderr as Readable })[Symbol.asyncIterator]();
      nextLine = async () => (await lines.next()).value;
      client = await connect(stdio);
    } else {
      const server = await serve([HANGING, 'http']);
      nextLine = () => server.nextLine();
      client = await overHttp(server);
    }
    const controller = new AbortController();
    const input = { name: 'rerank', arguments: { query, documents: ['a'] } };
    const running = client.callTool(input, undefined, { signal: controller.signal });
    const ended = expect(running).rejects.toThrow(/enough/);
    expect(await nextLine()).toBe('started');
    controller.abort('enough');
    await ended;
    expect(await nextLine()).toBe('aborted');
    expect((await client.listTools()).tools).toHaveLength(1); // without a pipeline, rerank alone
  });
});

/** What comes over the wire: the client's own callback misses what arrives in one piece with the result. */
function progressOf({ transport }: McpClient): unknown[] {
  const progress: unknown[] = [];
  const receive = transport?.onmessage;
  if (transport === undefined || receive === undefined) throw new Error('the client is not connected');
  transport.onmessage = (message) => {
    if ('method' in message && message.method === 'notifications/progress') progress.push(message.params);
    receive(message);
  };
  return progress;
}

test('documents stay in the store file; --read-only leaves index out', async () => {
  const store = join(temporaryFolder(), 'notes.store');
  const writer = await overStdio([CLI, 'mcp', '--store', store]);
  const progress = progressOf(writer);
  await writer.callTool({ name: 'index', arguments: { documents } }, undefined, {
    onprogress: () => undefined,
  });
  expect(progress).toEqual([{ progress: 3, total: 3, progressToken: expect.anything() }]);
  const second = await runCli(['mcp', '--store', store]);
  expect(second).toMatchObject({ status: 1, stdout: '', stderr: expect.stringMatching(/^ERR_STORE: /) });
  await writer.close();

  const reader = await overStdio([CLI, 'mcp', '--store', store, '--read-only']);
  expect((await reader.listTools()).tools.map(({ name }) => name)).toEqual(['search', 'rerank']);
  const { structuredContent } = await call(reader, 'search', { query, topK: 1 });
  expect(structuredContent?.results).toEqual([expect.objectContaining({ id: 'mars' })]);
  await expect(call(reader, 'index', { documents })).rejects.toMatchObject({ code: -32602 });
});

test('nothing but the protocol is on stdout, whatever comes in, and the end of stdin ends it', async () => {
  const child = spawn(process.execPath, [CLI, 'mcp'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout });
  const answered = new Promise<void>((resolve) => {
    output.on('line', (line) => {
      lines.push(line);
      if (line.includes('"id":3')) resolve();
    });
  });
  const send = (message: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  const clientInfo = { name: 'raw', version: '1' };
  send({
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo },
  });
  send({ method: 'notifications/initialized' });
  child.stdin.write('no json\n{"jsonrpc":"2.0"}\n[]\n\n');
  send({ id: 2, method: 'no/such/method' });
  send({ id: 3, method: 'tools/call', params: { name: 'rerank', arguments: { query, documents: ['a'] } } });
  await answered;
  child.stdin.end();
  expect(await exited).toEqual([0, null]);
  const messages = lines.map((line) => JSON.parse(line) as { jsonrpc: string; id: number });
  expect(messages.map(({ jsonrpc }) => jsonrpc)).toEqual(messages.map(() => '2.0'));
  expect(messages.map(({ id }) => id)).toEqual(expect.arrayContaining([1, 2, 3]));
});

describe('the HTTP endpoint', () => {
  const initialize = {
    ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
    params: {
      ...{ protocolVersion: '2025-06-18', capabilities: {} },
      clientInfo: { name: 'raw', version: '1' },
    },
  };

  async function post(
    url: string,
    headers: Record<string, string> = {},
    body: string = JSON.stringify(initialize),
  ): Promise<{ status: number; headers: Headers; body: string }> {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        ...{ 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        ...headers,
      },
      body,
    });
    return { status: response.status, headers: response.headers, body: await response.text() };
  }

  test('lets in whom it should: its own names, allowed pages, who has the key', async () => {
    const key = 'a-long-secret';
    const args = [
      '--port',
      '0',
      '--allow-origin',
      'http://localhost:6274',
      '--allow-host',
      'search.internal',
    ];
    const server = await serve([CLI, 'mcp', ...args], { CROSSRANK_API_KEY: key });
    const { url } = server;
    const { port } = new URL(url);
    const authorization = `Bearer ${key}`;
    // fetch sets Host itself.
    const statusOf = (headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        const sent = request(
          { host: '127.0.0.1', port, path: '/mcp', method: 'POST', headers },
          (response) => {
            response.resume();
            resolve(response.statusCode);
          },
        );
        sent.on('error', reject).end(JSON.stringify(initialize));
      });
    const usual = {
      ...{ 'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization },
    };
    for (const [host, status] of [
      [`127.0.0.1:${port}`, 200],
      [`LOCALHOST:${port}`, 200],
      [`[::1]:${port}`, 200],
      ['search.internal', 200],
      ['evil.example', 403],
      [`127.0.0.1.evil.example:${port}`, 403],
    ] as const) {
      expect([host, await statusOf({ ...usual, host })]).toEqual([host, status]);
    }
    const foreign = await post(url, { authorization, origin: 'http://evil.example' });
    expect([foreign.status, foreign.headers.get('access-control-allow-origin')]).toEqual([403, null]);
    expect(JSON.parse(foreign.body)).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: -32000 } });
    const page = await post(url, { authorization, origin: 'http://localhost:6274' });
    expect([page.status, page.headers.get('access-control-allow-origin')]).toEqual([
      200,
      'http://localhost:6274',
    ]);
    const preflight = await fetch(url, { method: 'OPTIONS', headers: { origin: 'http://localhost:6274' } });
    expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).toEqual([
      204,
      expect.stringContaining('mcp-session-id'),
    ]);
    for (const wrong of ['', 'Bearer other', key]) {
      const { status, headers, body } = await post(url, { authorization: wrong });
      expect([status, headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
      expect(body).not.toContain(key);
    }
    const client = await overHttp(server, { authorization });
    expect((await client.listTools()).tools).toHaveLength(3);
  });

  test('answers what is no call of a session, and goes on', async () => {
    const server = await serve([HANGING, 'http']);
    const { url } = server;
    const sound = { ...initialize };
    expect((await post(url, { 'mcp-session-id': 'none' })).status).toBe(404);
    expect((await post(url, {}, '{ "jsonrpc"')).status).toBe(400);
    expect(
      (await post(url, {}, JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }))).status,
    ).toBe(400);
    expect((await post(url, {}, `"${'a'.repeat(5 << 20)}"`)).status).toBe(413);
    expect((await post(url, { accept: 'text/html' })).status).toBe(406);
    expect((await post(url.replace('/mcp', '/other'))).status).toBe(404);
    expect((await fetch(url, { method: 'PUT' })).status).toBe(405);

    const begun = await post(url, {}, JSON.stringify(sound));
    const session = begun.headers.get('mcp-session-id') ?? '';
    expect([begun.status, session]).toEqual([200, expect.stringMatching(/^[0-9a-f-]{36}$/)]);
    const list = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/list' });
    const inSession = { 'mcp-session-id': session };
    expect((await post(url, inSession, list)).body).toContain('"name":"rerank"');
    expect((await fetch(url, { method: 'DELETE', headers: inSession })).status).toBe(200);
    expect((await post(url, inSession, list)).status).toBe(404);
    expect((await post(url)).status).toBe(200);
  });

  test('forgets the session that was idle longest when there are too many', async () => {
    const { url } = await serve([HANGING, 'http']);
    const list = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/list' });
    const begin = async () => (await post(url)).headers.get('mcp-session-id') ?? '';
    const use = async (session: string) => (await post(url, { 'mcp-session-id': session }, list)).status;
    const [first, second] = [await begin(), await begin()];
    for (let i = 2; i < 256; i++) await begin();
    expect(await use(first)).toBe(200); // so that the second one was idle longest
    const last = await begin();
    expect([await use(first), await use(second), await use(last)]).toEqual([200, 404, 200]);
  });

  test('SIGTERM ends sessions and the process', async () => {
    const server = await serve([CLI, 'mcp', '--port', '0']);
    const client = await overHttp(server);
    await client.listTools();
    expect(await server.stop()).toBe(0);
    await expect(client.listTools()).rejects.toThrow();
  });
});

test('a command line that is wrong says what is', () => {
  for (const [args, message] of [
    [['--port', '70000'], /--port takes an integer from 0 to 65535, not "70000"/],
    [['--host', '127.0.0.1'], /--host is for HTTP, which --port asks for/],
    [
      ['--port', '0', '--host', '0.0.0.0'],
      /--host 0\.0\.0\.0 is reached from elsewhere: set CROSSRANK_API_KEY/,
    ],
    [['--precision', 'fp8'], /--precision takes auto, fp32/],
    [['notes'], /"notes" belongs to no option/],
  ] as const) {
    const { status, stdout, stderr } = runCli(['mcp', ...args], { CROSSRANK_API_KEY: '' });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toMatch(message);
  }
});
