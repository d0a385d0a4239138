#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CrossrankError } from '../errors';
import { packageRoot } from '../native/load';
import { UsageError } from './command-line';
import { tune } from './tune';
import { verify } from './verify';

const USAGE = `crossrank checks and tunes rerankers on this machine. MODEL is a model folder; without it the embedded model.

crossrank verify [MODEL]     whether precisions keep the scores and rankings of fp32, and fp32 those of golden.json
  --precision P              bf16x3, bf16, int8 or all (default all), or fp32: golden.json alone
  --cpu LEVEL                kernels of a lower instruction set, as the option cpu of load
  --json                     the report as JSON

crossrank tune [MODEL]       measures threads, chunk tokens and precisions, and writes the profile that load picks up
  --length MIN-MAX           tokens of a document (default 60-130)
  --documents N              documents of a query (default 50)
  --precision LIST           such as fp32,bf16 (default all that this CPU runs)
  --threads LIST             such as 1,2,4 (default powers of two up to all processors)
  --chunk LIST               tokens one run computes at most (default 128,256,512,1024)
  --rounds N                 measurements of each combination (default 3)
  --dry-run                  measure and print, write no profile
  --json                     the measurements as JSON

crossrank --help, crossrank --version

Exit codes: 0 it holds or is done, 1 it does not hold or failed, 2 the command line is wrong.`;

/** Resolves to the exit code. */
async function main([command, ...args]: readonly string[]): Promise<number> {
  if (command === undefined) throw new UsageError('no command: expected verify or tune');
  const asksHelp = [command, ...args].some((arg) => arg === '--help' || arg === '-h');
  if (asksHelp || command === 'help') return print(USAGE);
  if (command === '--version') return print(packageVersion());
  if (command === 'verify') return verify(args);
  if (command === 'tune') return tune(args);
  throw new UsageError(`unknown command ${JSON.stringify(command)}: expected verify or tune`);
}

function print(text: string): number {
  console.log(text);
  return 0;
}

function packageVersion(): string {
  const manifest = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    if (error instanceof UsageError) {
      console.error(`${error.message}\ncrossrank --help lists commands and options.`);
      process.exitCode = 2;
      return;
    }
    console.error(error instanceof CrossrankError ? `${error.code}: ${error.message}` : error);
    process.exitCode = 1;
  },
);
