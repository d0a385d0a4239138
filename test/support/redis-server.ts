import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { freePort } from '../../bench/free-port';
import { debianPackage } from './debian-package';
import { temporaryFolder } from './models';

/** What redis-server may lack on a bare machine, and the Debian packages that have it. */
const LIBRARIES: Readonly<Record<string, string>> = {
  'libatomic.so.1': 'libatomic1',
  'libjemalloc.so.2': 'libjemalloc2',
  'liblua5.1.so.0': 'liblua5.1-0',
  'liblzf.so.1': 'liblzf1',
  'libssl.so.3': 'libssl3',
  'libcrypto.so.3': 'libssl3',
  'libsystemd.so.0': 'libsystemd0',
};

export interface RedisProgram {
  path: string;
  /** Folders of libraries that were fetched with it. */
  libraries: string[];
}

/**
 * redis-server of Debian: fetched, and not installed.
 * @throws why not, where it cannot be had
 */
export function redisProgram(): RedisProgram {
  const tools = fetched('redis-tools'); // redis-server is a link to a program of this package
  const path = join(tools.folder, 'usr/bin/redis-check-rdb');
  const libraries: string[] = [];
  for (const [, name = ''] of spawnSync('ldd', [path], { encoding: 'utf8' }).stdout.matchAll(
    /(\S+) => not found/g,
  )) {
    const library = fetched(LIBRARIES[name] ?? name);
    const usr = join(library.folder, 'usr/lib');
    for (const folder of readdirSync(usr)) {
      if (existsSync(join(usr, folder, name))) libraries.push(join(usr, folder));
    }
  }
  return { path, libraries };
}

function fetched(name: string): { folder: string } {
  const found = debianPackage(name);
  if ('reason' in found) throw new Error(found.reason);
  return found;
}

const POLL_MS = 20;
const START_LIMIT_MS = 30_000;

/** A Redis on the loopback interface that keeps its port and its data when it is killed and started again. */
export class RedisServer {
  readonly url: string;
  readonly port: number;
  readonly #program: RedisProgram;
  readonly #args: string[];
  #child: ChildProcess | undefined;
  #output = '';

  private constructor(program: RedisProgram, port: number, args: readonly string[]) {
    this.#program = program;
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    const own = ['--port', String(port), '--bind', '127.0.0.1', '--dir', temporaryFolder()];
    this.#args = [...own, '--appendonly', 'yes', '--save', '', ...args];
  }

  static async start(program: RedisProgram, args: readonly string[] = []): Promise<RedisServer> {
    const server = new RedisServer(program, await freePort(), args);
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const { path, libraries } = this.#program;
    const child = spawn(path, this.#args, {
      argv0: 'redis-server', // which of its programs it is
      stdio: ['ignore', 'pipe', 'pipe'],
      env: libraries.length === 0 ? process.env : { ...process.env, LD_LIBRARY_PATH: libraries.join(':') },
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => (this.#output += text));
    const limit = performance.now() + START_LIMIT_MS;
    while (!(await this.#answers())) {
      if (child.exitCode !== null || performance.now() > limit) {
        throw new Error(`redis-server did not start:\n${this.#output}`);
      }
      await wait(POLL_MS);
    }
  }

  /** As a crash does: at once. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Whether it has read its data and answers; one that asks for a password does, too. */
  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1', () => socket.write('PING\r\n'));
      socket.once('data', (answer) => {
        resolve(/^\+PONG|^-NOAUTH/.test(String(answer)));
        socket.destroy();
      });
      socket.once('error', () => resolve(false));
    });
  }
}
