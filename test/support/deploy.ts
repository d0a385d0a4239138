import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianPackage } from './debian-package';
import { fixture, ROOT } from './models';
import { ServedChild } from './server';

export const DEPLOY = join(ROOT, 'deploy');
export const DOCKERFILE = readDeployed('Dockerfile');

/** A file of deploy/. */
export function readDeployed(...place: string[]): string {
  return readFileSync(join(DEPLOY, ...place), 'utf8');
}

const servers: ServedChild[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop('SIGKILL');
});

/** A server with these arguments of `crossrank`, but a port of its own and a small model, until the test ends. */
export async function serveAs(args: readonly string[]): Promise<{ url: string; stop(): Promise<unknown> }> {
  const [command, ...rest] = args;
  expect(command).toBe('serve');
  const port = rest.indexOf('--port');
  if (port !== -1) rest.splice(port, 2);
  const server = new ServedChild([...rest, '--model', `${fixture('bert')}=mini`]);
  servers.push(server);
  const url = (await server.listening()).replace('0.0.0.0', '127.0.0.1');
  return { url, stop: () => server.stop() };
}

/** What follows a flag. */
export function valueAfter(args: readonly string[], flag: string): string | undefined {
  return args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined;
}

const prometheus = debianPackage('prometheus');
if ('reason' in prometheus)
  console.warn(`what Prometheus says of deploy/ is not tested: ${prometheus.reason}`);
export const testPrometheus = 'folder' in prometheus ? test : test.skip;

export function promtool(...args: string[]): void {
  const program = join('folder' in prometheus ? prometheus.folder : '', 'usr/bin/promtool');
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  expect({ status, said: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, said: '' });
}
