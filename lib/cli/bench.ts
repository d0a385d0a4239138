import { basename } from 'node:path';
import type { RerankerInfo } from '../info';
import { type Machine, thisMachine } from '../profile';
import { Reranker } from '../reranker';
import { type Summary, summarize } from '../statistics';
import { type LoadResult, runLoad } from './bench/load';
import { makeWorkload } from './bench/workload';
import { readInteger, readSeconds, readValues, UsageError } from './command-line';
import { INTERRUPTED } from './interrupt';
import { MODEL_OPTIONS, readLoadOptions, UNBOUNDED_QUEUE } from './model-options';
import { whileRead } from './output';
import { Progress } from './progress';
import { formatTable } from './table';

const OPTIONS = {
  shapes: { type: 'string' },
  concurrency: { type: 'string' },
  seconds: { type: 'string' },
  json: { type: 'boolean' },
  ...MODEL_OPTIONS,
} as const;

const DEFAULT_SHAPES = '1x128,10x128,50x128,20x400';

export const help = `crossrank bench              how fast a model is on this machine

  --shapes LIST              documents of a query x tokens of a document (default ${DEFAULT_SHAPES})
  --seconds N                time for each shape (default 3)
  --concurrency N            queries that are asked at the same time (default 1)
  --model FOLDER             a model folder (default the embedded model)
  --precision P              auto, fp32, bf16x3, bf16 or int8 (default auto)
  --threads N                (default all processors, or what crossrank tune found)
  --json                     the measurements as JSON

Example: crossrank bench --precision int8 --shapes 50x100,100x300`;

interface Shape {
  documents: number;
  tokens: number;
}

/** What one shape came to; times in milliseconds. */
interface Measurement extends Shape {
  queries: number;
  pairsPerSecond: number;
  tokensPerSecond: number;
  latencyMs: Summary;
  /** How late the event loop of this process ran meanwhile, 99th percentile. */
  eventLoopDelayMs: number;
}

interface BenchResult {
  machine: Machine;
  model: string;
  loadMs: number;
  info: RerankerInfo;
  concurrency: number;
  measurements: Measurement[];
  /** Ended before all shapes were measured. */
  interrupted: boolean;
}

export async function run(args: readonly string[]): Promise<number> {
  const values = readValues(args, OPTIONS);
  const shapes = readShapes(values.shapes ?? DEFAULT_SHAPES);
  const seconds = readSeconds('seconds', values.seconds ?? '3');
  const concurrency = readInteger('concurrency', values.concurrency ?? '1', 1024);
  const options = readLoadOptions(values);
  const progress = new Progress();
  try {
    return await whileRead(
      async (output, signal) => {
        progress.show('loading the model', 0);
        const started = performance.now();
        await using reranker = await Reranker.load(values.model, {
          ...options,
          ...UNBOUNDED_QUEUE,
          cache: false,
        });
        const loadMs = performance.now() - started;
        checkRoom(shapes, reranker.info());
        const measurements: Measurement[] = [];
        const interrupted = await untilAborted(signal, async () => {
          for (const [i, shape] of shapes.entries()) {
            const show = (share: number) =>
              progress.show(`${shape.documents} x ${shape.tokens}`, (i + Math.min(1, share)) / shapes.length);
            measurements.push(await measureShape(reranker, shape, { concurrency, seconds, signal }, show));
          }
        });
        if (measurements.length === 0) signal.throwIfAborted();
        progress.clear();
        const info = reranker.info();
        const result = {
          ...{ machine: thisMachine(), model: basename(info.model), loadMs, info, concurrency },
          ...{ measurements, interrupted },
        };
        await output.write(
          `${values.json === undefined ? describeResult(result) : JSON.stringify(result)}\n`,
        );
        return interrupted ? INTERRUPTED : 0;
      },
      () => 'interrupted before the first shape was measured',
    );
  } finally {
    progress.clear();
  }
}

function readShapes(text: string): Shape[] {
  return text.split(',').map((item) => {
    const [, documents = '', tokens = ''] = /^(\d+)x(\d+)$/.exec(item) ?? [];
    if (documents === '') {
      throw new UsageError(`--shapes takes DOCUMENTSxTOKENS, such as 50x128, not ${JSON.stringify(item)}`);
    }
    return {
      documents: readInteger('shapes', documents, 100_000),
      tokens: readInteger('shapes', tokens, 1_000_000),
    };
  });
}

/** Query and special tokens need some room, too. */
const OTHER_TOKENS = 64;

function checkRoom(shapes: readonly Shape[], { maxLength }: RerankerInfo): void {
  const most = Math.max(...shapes.map(({ tokens }) => tokens));
  if (most + OTHER_TOKENS <= maxLength) return;
  throw new UsageError(
    `--shapes asks for documents of ${most} tokens; with the query, this model has room for ${maxLength - OTHER_TOKENS}`,
  );
}

/** @returns whether it was ended by the signal */
async function untilAborted(signal: AbortSignal, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return false;
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
    return true;
  }
}

async function measureShape(
  reranker: Reranker,
  { documents, tokens }: Shape,
  plan: { concurrency: number; seconds: number; signal: AbortSignal },
  show: (share: number) => void,
): Promise<Measurement> {
  const workload = await makeWorkload(reranker, documents, { min: tokens, max: tokens });
  await runLoad(reranker, [workload], { concurrency: 1, requests: 1, signal: plan.signal }, () => undefined);
  return measurementOf({ documents, tokens }, await runLoad(reranker, [workload], plan, show));
}

function measurementOf(shape: Shape, result: LoadResult): Measurement {
  const { requests, pairs, tokens, elapsedMs, times, eventLoopDelayMs } = result;
  return {
    ...shape,
    queries: requests,
    pairsPerSecond: (pairs / elapsedMs) * 1000,
    tokensPerSecond: (tokens / elapsedMs) * 1000,
    latencyMs: summarize(times.total),
    eventLoopDelayMs: eventLoopDelayMs.p99,
  };
}

function describeResult(result: BenchResult): string {
  const { machine, model, loadMs, info, concurrency, measurements, interrupted } = result;
  const { precision, threads, kernels, profile } = info;
  const lines = [
    `${model} on ${machine.cpuModel}, ${machine.cores} processors: ${precision}, ${threads} threads, ` +
      `kernels ${kernels.linear}${profile === null ? '' : ', as tuned'}; loaded in ${loadMs.toFixed(0)} ms`,
    `${concurrency} ${concurrency === 1 ? 'query' : 'queries'} at a time; latency of a rerank call in milliseconds`,
    '',
    formatTable(
      ['documents', 'tokens', 'pairs/s', 'tokens/s', 'P50', 'P95', 'P99', 'queries', ''],
      measurements.map((each) => [
        String(each.documents),
        String(each.tokens),
        figure(each.pairsPerSecond),
        figure(each.tokensPerSecond),
        ...[each.latencyMs.p50, each.latencyMs.p95, each.latencyMs.p99].map(figure),
        String(each.queries),
        '',
      ]),
    ),
  ];
  if (interrupted) lines.push('interrupted: these are the shapes that were measured');
  return lines.join('\n');
}

function figure(value: number): string {
  return value.toFixed(value < 100 ? 1 : 0);
}
