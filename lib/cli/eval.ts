import { access, constants, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { modelName } from '../embedding/model-name';
import { evaluationChart } from '../evaluation/chart';
import { openDataset } from '../evaluation/dataset';
import { evaluate } from '../evaluation/evaluate';
import { parseMetric } from '../evaluation/metrics';
import {
  DEFAULT_INITIAL_K,
  DEFAULT_METRICS,
  DEFAULT_SEED,
  type EvaluationProgress,
} from '../evaluation/options';
import { PRECISIONS, type Precision } from '../options';
import { Reranker } from '../reranker';
import { readChoice, readInteger, readList, readValues, UsageError } from './command-line';
import { openFirstStage } from './eval/first-stages';
import { describeEvaluation } from './eval/report';
import { INTERRUPTED, untilInterrupted } from './interrupt';
import { modelFolder } from './model-folder';
import { Progress } from './progress';

const OPTIONS = {
  dataset: { type: 'string' },
  split: { type: 'string' },
  'first-stage': { type: 'string' },
  embedder: { type: 'string' },
  rerank: { type: 'string' },
  precision: { type: 'string' },
  'initial-k': { type: 'string' },
  sweep: { type: 'string' },
  metrics: { type: 'string' },
  queries: { type: 'string' },
  seed: { type: 'string' },
  complete: { type: 'boolean' },
  unknown: { type: 'string' },
  svg: { type: 'string' },
  json: { type: 'string' },
} as const;

const MAX_DEPTH = 100_000;

interface Arguments {
  dataset: string;
  split: string;
  firstStage: string;
  embedder: string | undefined;
  model: string | undefined;
  precision: Precision;
  initialK: number;
  sweep: number[];
  metrics: readonly string[];
  queries: number | undefined;
  seed: number;
  complete: boolean;
  unknown: 'error' | 'ignore';
  svg: string;
  json: string;
}

function readArguments(args: readonly string[]): Arguments {
  const values = readValues(args, OPTIONS);
  if (values.dataset === undefined)
    throw new UsageError('--dataset is needed: a folder of the layout of BEIR');
  if (values['first-stage'] === undefined) {
    throw new UsageError('--first-stage is needed: bm25, dense, hybrid or a run file');
  }
  return {
    dataset: values.dataset,
    split: values.split ?? 'test',
    firstStage: values['first-stage'],
    embedder: values.embedder,
    model: values.rerank,
    precision: readChoice('precision', values.precision, PRECISIONS) ?? 'auto',
    initialK: readInteger('initial-k', values['initial-k'] ?? String(DEFAULT_INITIAL_K), MAX_DEPTH),
    sweep: values.sweep === undefined ? [] : readList('sweep', values.sweep, MAX_DEPTH),
    metrics: readMetrics(values.metrics),
    queries: values.queries === undefined ? undefined : readInteger('queries', values.queries, 1e9),
    seed: readInteger('seed', values.seed ?? String(DEFAULT_SEED), 2 ** 32 - 1),
    complete: values.complete !== undefined,
    unknown: readChoice('unknown', values.unknown, ['error', 'ignore']) ?? 'error',
    svg: values.svg ?? 'crossrank-eval.svg',
    json: values.json ?? 'crossrank-eval.json',
  };
}

function readMetrics(text: string | undefined): readonly string[] {
  if (text === undefined) return DEFAULT_METRICS;
  return text.split(',').map((name) => {
    try {
      return parseMetric(name).name;
    } catch {
      throw new UsageError(
        `--metrics takes a list of ndcg@k, mrr@k, map@k, recall@k and p@k, such as ndcg@10,map, not ${JSON.stringify(name)}`,
      );
    }
  });
}

export const help = `crossrank eval               measures a search before and after reranking, with confidence intervals

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
  --svg FILE, --json FILE    (default crossrank-eval.svg and crossrank-eval.json here)`;

export async function run(args: readonly string[]): Promise<number> {
  const asked = readArguments(args);
  // Before minutes of work, not after.
  await Promise.all([checkFolderOf('svg', asked.svg), checkFolderOf('json', asked.json)]);
  const progress = new Progress();
  try {
    return await untilInterrupted(
      (signal) => measure(asked, signal, progress),
      'interrupted before the first query was done',
    );
  } finally {
    progress.clear();
  }
}

async function measure(asked: Arguments, signal: AbortSignal, progress: Progress): Promise<number> {
  const { unknown, initialK, sweep, metrics, queries, seed, complete } = asked;
  const folder = await modelFolder(asked.model, progress, signal);
  const embedder = await modelFolder(asked.embedder, progress, signal);
  progress.show('reading the data set', 0);
  const dataset = await openDataset(asked.dataset, { split: asked.split, unknown });
  await using firstStage = await openFirstStage(asked.firstStage, dataset, {
    ...{ topK: Math.max(initialK, ...sweep), embedder, signal },
    onProgress: (documents) =>
      progress.show(`indexing, ${documents} of ${dataset.size} documents`, documents / dataset.size),
  });
  await using reranker = await Reranker.load(folder, { precision: asked.precision, cache: false });
  await reranker.warmUp();
  const { model, precision, threads, kernels } = reranker.info();
  const report = await evaluate(dataset, firstStage, reranker, {
    ...{ initialK, sweep, metrics, seed, complete, unknown, signal },
    ...(queries === undefined ? {} : { queries }),
    onAbort: 'partial',
    onProgress: (state) => progress.show(STEPS[state.step](state), state.done / state.total),
  });
  progress.clear();
  const ranker = { model: modelName(model), precision, threads, kernels };
  const result = { date: new Date().toISOString(), firstStage: asked.firstStage, ranker, ...report };
  console.log(describeEvaluation(result, dataset));
  await writeFile(asked.svg, evaluationChart(report));
  await writeFile(asked.json, `${JSON.stringify(result, null, 2)}\n`);
  console.log(`written: ${asked.svg}, ${asked.json}`);
  return report.aborted ? INTERRUPTED : 0;
}

const STEPS: Readonly<Record<EvaluationProgress['step'], (state: EvaluationProgress) => string>> = {
  retrieve: ({ done, total }) => `first stage, ${done} of ${total} queries`,
  read: ({ done, total }) => `reading ${done} of ${total} texts`,
  rerank: ({ done, total }) => `reranking, ${done} of ${total} rankings`,
};

async function checkFolderOf(name: string, path: string): Promise<void> {
  const folder = dirname(resolve(path));
  await access(folder, constants.W_OK).catch(() => {
    throw new UsageError(
      `--${name} ${path} cannot be written: ${folder} is no folder that this user may write to`,
    );
  });
}
