import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ROOT } from './models';
import { installed, PYTHON } from './python-package';

const LIMIT_MS = 60_000;

/**
 * The folder of client packages of PyPI together with all they depend on, installed below `build/` the first time; that
 * may take a minute. Versions of what they depend on are left to pip, since no list of them suits every Python.
 * @param requirements - Such as `cohere==7.3.1`
 * @returns why not, where they cannot be had
 */
export function pythonClients(requirements: readonly string[]): { folder: string } | { reason: string } {
  const hash = createHash('sha256').update(requirements.join('\n')).digest('hex').slice(0, 12);
  return installed(`clients-${hash}`, requirements);
}

/**
 * Runs a script of `test/support` with the packages of {@link pythonClients}, while this process goes on, so that it can be
 * the server that the script calls.
 * @param script - Prints one JSON value as its last line; `sys.argv[1]` is the input as JSON
 */
export async function runPython(folder: string, script: string, input: unknown): Promise<unknown> {
  const path = join(ROOT, 'test', 'support', script);
  const child = spawn(PYTHON, [path, JSON.stringify(input)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A proxy of this machine is not for calls to itself, and no test reports what it does to anyone.
    env: { ...process.env, PYTHONPATH: folder, NO_PROXY: '*', LANGSMITH_TRACING: 'false' },
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const [output, errors, [status, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    ended,
  ]);
  if (status !== 0) throw new Error(`${script} ended with ${status ?? signal}:\n${output}${errors}`);
  return JSON.parse(output.trim().split('\n').at(-1) ?? '');
}

/** Tests of clients, where they could be installed; else the reason is told. */
export function describeWith(
  installed: ReturnType<typeof pythonClients>,
  name: string,
  tests: (folder: string) => void,
): void {
  if ('folder' in installed) describe(name, () => tests(installed.folder));
  else {
    console.warn(`${name} is not tested: ${installed.reason}`);
    test.skip(name, () => {});
  }
}
