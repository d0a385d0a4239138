#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CrossrankError } from '../errors';
import { packageRoot } from '../native/load';
import { UsageError } from './command-line';
import { evaluateCommand } from './eval';
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

crossrank eval               measures a search before and after reranking, with confidence intervals
  --dataset DIR              corpus.jsonl, queries.jsonl and qrels/test.tsv, as BEIR lays them out
  --split NAME               judgements of qrels/NAME (default test)
  --first-stage STAGE        bm25, dense, hybrid (both, fused by reciprocal rank), or a run file of TREC or .jsonl
  --embedder MODEL           of dense and hybrid (default the embedded one)
  --rerank MODEL             (default the embedded model)
  --precision P              auto, fp32, bf16x3, bf16 or int8 (default auto)
  --initial-k N              candidates of each query; both rankings end there (default 100)
  --sweep LIST               measures other N too, such as 10,20,50, to choose one by quality and latency
  --metrics LIST             of ndcg, mrr, map, each with @k or without, recall@k, p@k
                             (default ndcg@10,mrr@10,map,recall@10,p@10)
  --queries N                so many queries, drawn with the seed (default all)
  --seed N                   of that draw and of the bootstrap (default 1)
  --complete                 queries that the first stage finds nothing for count as 0 (default: left out)
  --unknown ignore           counts judged or found documents that the corpus does not have (default: an error)
  --svg FILE, --json FILE    (default crossrank-eval.svg and crossrank-eval.json here)

crossrank --help, crossrank --version

Exit codes: 0 it holds or is done, 1 it does not hold or failed, 2 the command line is wrong,
130 ended with Ctrl-C: what was measured until then is printed and written.`;

const COMMANDS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  verify,
  tune,
  eval: evaluateCommand,
};
const KNOWN = 'expected verify, tune or eval';

/** Resolves to the exit code. */
async function main([command, ...args]: readonly string[]): Promise<number> {
  if (command === undefined) throw new UsageError(`no command: ${KNOWN}`);
  const asksHelp = [command, ...args].some((arg) => arg === '--help' || arg === '-h');
  if (asksHelp || command === 'help') return print(USAGE);
  if (command === '--version') return print(packageVersion());
  const run = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (run === undefined) throw new UsageError(`unknown command ${JSON.stringify(command)}: ${KNOWN}`);
  return run(args);
}

function print(text: string): number {
  console.log(text);
  return 0;
}

function packageVersion(): string {
  const manifest = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

// A reader that has seen enough, such as head, is no failure: the rest is not printed, files are still written.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

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
