import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { packageRoot } from '../../lib/native/load';

const COMMAND = join(packageRoot(), 'dist', 'lib', 'cli', 'main.js');

/** `crossrank worker`, ready for chunks. */
export async function startWorker(args: readonly string[], redis: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [COMMAND, 'worker', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, REDIS_URL: redis },
  });
  const gone = once(child, 'exit').then(([code]) => {
    throw new Error(`crossrank worker ended (${code})`);
  });
  gone.catch(() => undefined); // later, when the bench ends it
  const ready = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      if (line.startsWith('ready')) resolve();
    });
  });
  await Promise.race([ready, gone]);
  return child;
}

/** `crossrank submit` from its start to its end; what it reports. */
export async function submit(
  args: readonly string[],
  redis: string,
): Promise<{ seconds: number; pairs: number }> {
  const started = performance.now();
  const child = spawn(process.execPath, [COMMAND, 'submit', ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, REDIS_URL: redis },
  });
  const ended = once(child, 'close');
  const report = await text(child.stdout);
  const [code] = await ended;
  if (code !== 0) throw new Error(`crossrank submit ended with ${code}`);
  return { seconds: (performance.now() - started) / 1000, pairs: JSON.parse(report).pairs };
}
