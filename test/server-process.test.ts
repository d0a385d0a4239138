import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { runCli } from './support/cli';
import { fixture, temporaryFolder } from './support/models';
import { openSocket, post, received, ServedChild, until } from './support/server';

jest.setTimeout(120_000); // processes of a shared machine; nothing here is about time

const QUERY = 'red planet';
const MODEL = ['--model', `${fixture('bert')}=mini`, '--log-level', 'silent'];
const many = (count: number) => Array.from({ length: count }, (_, i) => `${i} ${'planet '.repeat(40)}`);

const children: ServedChild[] = [];
function serve(args: string[], env: Record<string, string> = {}): ServedChild {
  const child = new ServedChild(args, env);
  children.push(child);
  return child;
}
afterEach(async () => {
  for (const { child, ended } of children.splice(0)) {
    child.kill('SIGKILL');
    await ended;
  }
});

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s lets what runs finish, refuses what comes, and is exit code 0',
  async (signal) => {
    const served = serve([...MODEL, '--threads', '1']);
    const address = await served.listening();
    const idle = await openSocket(address); // has sent nothing
    const kept = await openSocket(address);
    const answers = received(kept);
    const running = post(address, '/rerank', { query: QUERY, texts: many(9000) });
    await until(async () =>
      /crossrank_queue_requests\{[^}]*\} [1-9]/.test(await (await fetch(`${address}/metrics`)).text()),
    );
    served.child.kill(signal);
    // New connections are refused; open ones hear that it closes, or are closed.
    await until(() =>
      fetch(`${address}/health`).then(
        ({ ok }) => !ok,
        () => true,
      ),
    );
    kept.write('GET /health HTTP/1.1\r\nhost: a\r\n\r\n');
    expect(await answers).toMatch(/^HTTP\/1\.1 503 |^$|ECONNRESET/);
    const answer = await running;
    expect([answer.status, ((await answer.json()) as unknown[]).length]).toEqual([200, 9000]);
    expect(await served.ended).toEqual({ code: 0, signal: null });
    await expect(fetch(`${address}/health`)).rejects.toThrow();
    idle.destroy();
  },
);

test('workers share one port, one that dies is replaced, and all end with SIGTERM', async () => {
  const served = serve([...MODEL, '--workers', '2', '--threads', '1']);
  const address = await served.listening();
  const texts = many(20);
  const all = await Promise.all(
    Array.from({ length: 20 }, () => post(address, '/rerank', { query: QUERY, texts })),
  );
  expect(all.map(({ status }) => status)).toEqual(Array(20).fill(200));
  const metrics = await (await fetch(`${address}/metrics`)).text();
  const [, count] = /crossrank_requests_total\{[^}]*route="\/rerank"[^}]*\} (\d+)/.exec(metrics) ?? [];
  expect(Number(count)).toBe(20);
  const victim = childrenOf(served.child.pid as number)[0] as number;
  process.kill(victim, 'SIGKILL');
  await until(() => served.lines.some((line) => line.includes(`worker ${victim} ended (SIGKILL)`)));
  await until(() => childrenOf(served.child.pid as number).length === 2);
  expect((await post(address, '/rerank', { query: QUERY, texts })).status).toBe(200);
  expect(await served.stop()).toEqual({ code: 0, signal: null });
});

test('keys come from a file or the environment, and are never shown', async () => {
  const file = join(temporaryFolder(), 'keys');
  writeFileSync(file, '# ours\nfile-key-1\n\nfile-key-2\n');
  const served = serve([...MODEL, '--api-key-file', file], { CROSSRANK_API_KEYS: 'env-key-1, env-key-2' });
  const address = await served.listening();
  const status = async (key: string) =>
    (await post(address, '/rerank', { query: QUERY, texts: ['a'] }, { authorization: `Bearer ${key}` }))
      .status;
  expect(
    await Promise.all(['file-key-1', 'file-key-2', 'env-key-1', 'env-key-2', 'ours', ''].map(status)),
  ).toEqual([200, 200, 200, 200, 401, 401]);
  expect(served.lines.join('\n')).not.toMatch(/-key-/);
});

test.each<[string, string[], number, RegExp]>([
  ['a model that is not there', ['--model', '/no/such/model'], 1, /^ERR_MODEL_NOT_FOUND: /],
  ['an unknown API', ['--api', 'coher'], 2, /--api takes tei, jina/],
  ['a port that is none', ['--port', '99999'], 2, /--port takes an integer from 0 to 65535/],
  [
    'a key file that is not there',
    ['--api-key-file', '/no/such/keys'],
    2,
    /--api-key-file \/no\/such\/keys is not there/,
  ],
  ['an origin that is none', ['--cors', 'example'], 1, /ERR_INVALID_ARGUMENT: .*cors/],
  [
    'a host of another machine',
    ['--host', '203.0.113.9', ...MODEL],
    1,
    /203\.0\.113\.9 is no address of this machine/,
  ],
  ['a misspelt option', ['--modle', 'a'], 2, /unknown option --modle; known are --model/],
])('%s is said in one line', (_, args, code, message) => {
  const { status, stdout, stderr } = runCli(['serve', ...args]);
  expect({ status, stdout }).toEqual({ status: code, stdout: '' });
  expect(stderr).toMatch(message);
  expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(2);
});

test.each([1, 2])('a port in use is said in words, with %i workers', async (workers) => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as { port: number };
  const { status, stderr } = runCli([
    'serve',
    ...MODEL,
    '--port',
    String(port),
    '--workers',
    String(workers),
  ]);
  other.close();
  expect(status).toBe(1);
  expect(stderr).toMatch(new RegExp(`port ${port} of 127\\.0\\.0\\.1 is in use`));
});

/** Processes that this one has started and that still run. */
function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const [, state, parent] =
          /^\d+ \(.*\) (\S) (\d+)/s.exec(readFileSync(`/proc/${name}/stat`, 'utf8')) ?? [];
        return Number(parent) === pid && state !== 'Z';
      } catch {
        return false; // it has ended meanwhile
      }
    })
    .map(Number);
}
