// Runs the commands of a build step: quiet while they work, everything they said when they fail.

import { spawn, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { root } from './files.mjs';

const packageRequire = createRequire(import.meta.url);

/** A build step failed; the message is for people, and `log` all that the command printed. */
export class StepError extends Error {
  constructor(message, log = '') {
    super(message);
    this.log = log;
  }
}

/** Path of a script that an installed package names in "bin". */
export function packageBin(packageName, binName = packageName) {
  const manifest = packageRequire.resolve(`${packageName}/package.json`);
  const { bin } = packageRequire(manifest);
  return path.join(path.dirname(manifest), typeof bin === 'string' ? bin : bin[binName]);
}

/** Command and first arguments that run npm: the npm that started us, else the one on PATH. */
export function npmCommand() {
  const { npm_execpath: npmScript } = process.env;
  if (npmScript && /npm-cli\.[cm]?js$/.test(npmScript))
    return { command: process.execPath, args: [npmScript] };
  return { command: 'npm', args: [], shell: process.platform === 'win32' };
}

/** Runs a command with its output kept back; a failure throws a StepError that carries it. */
export function runQuietly(title, command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    child.on('error', (error) => reject(new StepError(`${title} could not start: ${error.message}`)));
    child.on('close', (code, signal) => {
      const log = Buffer.concat(chunks).toString('utf8');
      if (code === 0) resolve(log);
      else reject(new StepError(`${title} failed (${signal ?? `exit code ${code}`})`, log));
    });
  });
}

/** Installs what the lock file of a folder names, without install scripts. */
export async function installLocked(folder) {
  const { command, args, shell } = npmCommand();
  const ci = [...args, 'ci', '--ignore-scripts', '--no-audit', '--no-fund'];
  await runQuietly('npm ci', command, ci, { cwd: folder, shell });
}

/** Runs a command with our own standard streams; returns its exit code. */
export function runVisibly(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error) throw new StepError(`${command} could not start: ${error.message}`);
  return signal ? 1 : status;
}

/** Runs a script's main function; a failed step ends the process with its log. */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    if (error.log) console.error(error.log.trimEnd());
    console.error(`crossrank: ${error.message}`);
    process.exitCode = 1;
  }
}
