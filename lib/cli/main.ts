#!/usr/bin/env node
import { CrossrankError } from '../errors';
import { packageVersion } from '../package-version';
import type { Command } from './command';
import { UsageError } from './command-line';

interface Entry {
  summary: string;
  /** Loaded when it is asked for: one command needs little of what the others do. */
  load: () => Promise<Command>;
}

const COMMANDS: Readonly<Record<string, Entry>> = {
  rerank: {
    summary: 'puts documents into order for a query, for many, or for all of a TREC run',
    load: () => import('./rerank.js'),
  },
  embed: {
    summary: 'turns texts into vectors',
    load: () => import('./embed.js'),
  },
  search: {
    summary: 'indexes documents, finds them and reranks what was found',
    load: () => import('./search.js'),
  },
  verify: {
    summary: 'whether precisions keep the scores and rankings of fp32',
    load: () => import('./verify.js'),
  },
  tune: {
    summary: 'measures what is fastest here, and writes the profile that load picks up',
    load: () => import('./tune.js'),
  },
  bench: {
    summary: 'how fast a model is on this machine',
    load: () => import('./bench.js'),
  },
  eval: {
    summary: 'measures a search before and after reranking',
    load: () => import('./eval.js'),
  },
  pull: {
    summary: 'downloads a model of the hub',
    load: () => import('./pull.js'),
  },
  models: {
    summary: 'the models on this machine, and whether this version runs them',
    load: () => import('./models.js'),
  },
  rm: {
    summary: 'removes a model from the Hugging Face cache',
    load: () => import('./rm.js'),
  },
  serve: {
    summary: 'answers the rerank and embedding APIs that clients call already, over HTTP',
    load: () => import('./serve.js'),
  },
  worker: {
    summary: 'answers the chunks of bulk jobs that come through Redis',
    load: () => import('./worker.js'),
  },
  submit: {
    summary: 'reranks or embeds millions of items on such workers',
    load: () => import('./submit.js'),
  },
  mcp: {
    summary: 'serves search, rerank and index to MCP clients, over stdio or HTTP',
    load: () => import('./mcp.js'),
  },
  doctor: {
    summary: 'what works on this machine, and what to do about the rest',
    load: () => import('./doctor.js'),
  },
};

/** Resolves to the exit code. */
async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined) throw new UsageError(`no command: ${known()}`);
  if (name === '--help' || name === '-h') return print(overview());
  if (name === '--version') return print(packageVersion());
  if (name === 'help') return print(args[0] === undefined ? overview() : (await find(args[0])).help);
  const command = await find(name);
  if (args.some((arg) => arg === '--help' || arg === '-h')) return print(command.help);
  try {
    return await command.run(args);
  } catch (error) {
    if (error instanceof UsageError) error.command = name;
    throw error;
  }
}

async function find(name: string): Promise<Command> {
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) throw new UsageError(`unknown command ${JSON.stringify(name)}: ${known()}`);
  return entry.load();
}

function known(): string {
  const names = Object.keys(COMMANDS);
  return `expected ${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

function overview(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `crossrank ranks, embeds and searches on this machine.

${lines.join('\n')}

crossrank COMMAND --help     options of a command, with their defaults
crossrank --version

Exit codes: 0 it holds or is done, 1 it does not hold or failed, 2 the command line is wrong,
130 ended with Ctrl-C: what was done until then is printed and written.`;
}

function print(text: string): number {
  console.log(text);
  return 0;
}

// A reader that has seen enough, such as head, is no failure: the rest is not printed, files are still written.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') throw error;
});

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    if (error instanceof UsageError) {
      const command = error.command === undefined ? '' : ` ${error.command}`;
      const what = command === '' ? 'commands' : 'options';
      console.error(`${error.message}\ncrossrank${command} --help lists ${what}.`);
      process.exitCode = 2;
      return;
    }
    console.error(error instanceof CrossrankError ? `${error.code}: ${error.message}` : error);
    process.exitCode = 1;
  },
);
