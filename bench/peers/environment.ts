import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../lib/native/load';
import type { Runtime } from './contenders';
import type { Command } from './worker';

/** Files of this bench that are no TypeScript: they are run where they lie. */
const SOURCES = join(packageRoot(), 'bench', 'peers');
/** Everything that is installed or converted; ignored by git. */
export const PEERS_FOLDER = join(packageRoot(), 'build', 'peers');
const PYTHON_FOLDER = join(PEERS_FOLDER, 'python');
const NPM_FOLDER = join(PEERS_FOLDER, 'npm');
export const NPM_MODULES = join(NPM_FOLDER, 'node_modules');

const REQUIREMENTS = join(SOURCES, 'python', 'requirements.txt');
const LOCK = join(SOURCES, 'npm', 'package-lock.json');

const STAMPS: Record<Runtime, { stamp: string; of: string } | undefined> = {
  crossrank: undefined,
  python: { stamp: join(PYTHON_FOLDER, '.installed'), of: REQUIREMENTS },
  npm: { stamp: join(NPM_FOLDER, '.installed'), of: LOCK },
};

function python(): string {
  return process.platform === 'win32'
    ? join(PYTHON_FOLDER, 'Scripts', 'python.exe')
    : join(PYTHON_FOLDER, 'bin', 'python');
}

/** Changes with the versions that convert models. */
export function requirementsHash(): string {
  return hashOf(REQUIREMENTS);
}

export function isInstalled(runtime: Runtime): boolean {
  const known = STAMPS[runtime];
  return (
    known === undefined || (existsSync(known.stamp) && readFileSync(known.stamp, 'utf8') === hashOf(known.of))
  );
}

export function workerCommand(runtime: Runtime): Command {
  if (runtime === 'python') return { command: python(), args: [join(SOURCES, 'python', 'worker.py')] };
  const script = runtime === 'npm' ? 'transformers-worker.js' : 'crossrank-worker.js';
  return { command: process.execPath, args: [join(__dirname, script)] };
}

export function convertCommand(...args: readonly string[]): Command {
  return { command: python(), args: [join(SOURCES, 'python', 'convert.py'), ...args] };
}

/** Installs what is missing or of other versions than pinned. */
export async function installPeers(say: (line: string) => void): Promise<void> {
  if (!isInstalled('python')) {
    say('installing Python peers ...');
    mkdirSync(PYTHON_FOLDER, { recursive: true });
    await run({ command: process.env.PYTHON ?? 'python3', args: ['-m', 'venv', PYTHON_FOLDER] });
    await run({
      command: python(),
      args: ['-m', 'pip', 'install', '--quiet', '--requirement', REQUIREMENTS],
    });
    markInstalled('python');
  }
  if (!isInstalled('npm')) {
    say('installing JavaScript peers ...');
    mkdirSync(NPM_FOLDER, { recursive: true });
    for (const name of ['package.json', 'package-lock.json'])
      copyFileSync(join(SOURCES, 'npm', name), join(NPM_FOLDER, name));
    // Install scripts would fetch binaries from elsewhere; the CPU's are inside the packages.
    const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', NPM_FOLDER];
    const npm = process.env.npm_execpath;
    const byScript = npm !== undefined && /npm-cli\.[cm]?js$/.test(npm);
    await run(byScript ? { command: process.execPath, args: [npm, ...args] } : { command: 'npm', args });
    markInstalled('npm');
  }
}

function markInstalled(runtime: 'python' | 'npm'): void {
  const { stamp, of } = STAMPS[runtime] as { stamp: string; of: string };
  rmSync(stamp, { force: true });
  writeFileSync(stamp, hashOf(of));
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Runs a command quietly. @throws Error with the last line that it printed */
export function run({ command, args }: Command): Promise<void> {
  return new Promise((resolve, reject) => {
    let tail = '';
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(child);
    const keep = (chunk: Buffer) => {
      tail = (tail + chunk.toString('utf8')).slice(-4096);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => reject(new Error(`${command} could not start: ${error.message}`)));
    child.on('close', (code, signal) => {
      running.delete(child);
      if (code === 0) resolve();
      else reject(new Error(tail.trim().split('\n').at(-1) || `ended by ${signal ?? `exit code ${code}`}`));
    });
  });
}

function hashOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
