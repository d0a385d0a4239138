import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { CrossrankError } from '../../lib';
import { type FetchedModel, type FetchOptions, fetchModel } from '../../lib/hub/fetch-model';
import { type HubSettings, readSettings } from '../../lib/hub/settings';
import type { ChildResult } from './child';
import { CLI } from './cli';
import { filesOf, HubServer } from './hub-server';
import { fixture, temporaryFolder } from './models';
import { PYTHON } from './python-package';

/** Of the fixture `bert`, which every test of the hub may add. */
export const BERT_FILES = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'golden.json',
  'model.safetensors',
];

/** A hub for each test of a file, and an environment in which the machine's own set-up decides nothing. */
export function useHub(): () => HubServer {
  let hub: HubServer;
  let environment: NodeJS.ProcessEnv;
  beforeEach(async () => {
    environment = { ...process.env };
    for (const name of Object.keys(process.env).filter(isOfHub)) delete process.env[name];
    hub = await HubServer.start();
  });
  afterEach(async () => {
    for (const name of Object.keys(process.env).filter(isOfHub)) delete process.env[name];
    for (const name of Object.keys(environment).filter(isOfHub)) process.env[name] = environment[name];
    await hub.stop();
  });
  return () => hub;
}

function isOfHub(variable: string): boolean {
  return /^(HF_|TRANSFORMERS_|HUGGING)|_proxy$/i.test(variable);
}

export function bertFiles(): Record<string, Buffer> {
  return filesOf(fixture('bert'));
}

/** What options and an empty environment give, but that retries come at once and silence is short. */
export async function quickSettings(
  hub: HubServer,
  cacheFolder: string,
  more: Partial<HubSettings> = {},
): Promise<HubSettings> {
  const settings = await readSettings({ endpoint: hub.url, cacheFolder, token: false }, {});
  return { ...settings, retryDelayMs: 1, ...more };
}

export async function quickFetch(
  hub: HubServer,
  cacheFolder: string,
  { revision = 'main', ...more }: Partial<HubSettings> & FetchOptions & { revision?: string } = {},
): Promise<FetchedModel> {
  const { signal, onProgress, include, ...settings } = more;
  return fetchModel('acme/bert', revision, await quickSettings(hub, cacheFolder, settings), {
    signal,
    onProgress,
    include,
  });
}

/** What a call rejects with; nothing else than our own error. */
export async function downloadError(call: Promise<unknown>): Promise<CrossrankError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(CrossrankError);
  return error as CrossrankError;
}

/** Names of all that is below a folder, however deep. */
export function namesBelow(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[]).sort();
}

/** What other processes do shows in files and requests; the test's own limit ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await wait(10);
}

/** For a process of its own. */
export function hubEnvironment(hub: HubServer, cacheFolder: string): Record<string, string> {
  return {
    HF_ENDPOINT: hub.url,
    HF_HUB_CACHE: cacheFolder,
    HF_HOME: temporaryFolder(),
  };
}

/** Starts `node args`; the hub, which is in this process, goes on. */
export function startNode(args: readonly string[], env: Record<string, string>): ChildProcess {
  return spawn(process.execPath, [...args], { env: { ...process.env, ...env }, timeout: 60_000 });
}

const AT_TERMINAL = 'import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))';

/** Starts `crossrank args` at a terminal of its own: what it reads is typed, and what it prints comes on `stdout`. */
export function startAtTerminal(args: readonly string[], env: Record<string, string>): ChildProcess {
  return spawn(PYTHON, ['-c', AT_TERMINAL, process.execPath, CLI, ...args], {
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
}

/** Runs `crossrank args`. */
export function startCli(args: readonly string[], env: Record<string, string>): Promise<ChildResult> {
  return resultOf(startNode([CLI, ...args], env));
}

export async function resultOf(child: ChildProcess): Promise<ChildResult> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) =>
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr })),
  );
}
