/**
 * Exact search over vectors in memory: `npm run bench:vectors`. Both ways to scan, plain fp32 and int8 first, find the
 * same; what a store keeps beside the vectors is measured on its own.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Reranker } from '../lib';
import { readInteger, readList, readSeconds, readValues } from '../lib/cli/command-line';
import { Progress } from '../lib/cli/progress';
import { formatTable } from '../lib/cli/table';
import { type NativeScan, type NativeVectorIndex, nativeBinding } from '../lib/native/binding';
import { MemoryStore } from '../lib/search/memory-store';
import { summarize } from '../lib/statistics';
import { usableProcessors } from '../lib/threads';
import { runBench } from './entry';
import { describeMachine } from './machine';
import { normalNumbers } from './random';

const USAGE = `npm run bench:vectors

  --vectors N         (default 100000)
  --dimension N       (default 384)
  --top-k N           (default 50)
  --threads N         of a scan (default: the processors there are, 8 at most)
  --concurrency LIST  queries at the same time (default 1,8)
  --seconds N         for each (default 4)
  --rerank            with the embedded model reranking 50 documents all the time beside it
  --documents N       also: memory of a store with so many short texts, without their vectors
  --help`;

const OPTIONS = {
  vectors: { type: 'string' },
  dimension: { type: 'string' },
  'top-k': { type: 'string' },
  threads: { type: 'string' },
  concurrency: { type: 'string' },
  seconds: { type: 'string' },
  rerank: { type: 'boolean' },
  documents: { type: 'string' },
  help: { type: 'boolean' },
} as const;

const SCANS: readonly NativeScan[] = ['plain', 'quantized'];
const ROWS_PER_TURN = 1024;
const QUERIES = 64;
const DOCUMENTS_PER_CALL = 10_000;

async function main(args: readonly string[]): Promise<void> {
  const values = readValues(args, OPTIONS);
  if (values.help !== undefined) {
    console.log(USAGE);
    return;
  }
  const vectors = readInteger('vectors', values.vectors ?? '100000', 10_000_000);
  const dimension = readInteger('dimension', values.dimension ?? '384', 65_536);
  const topK = readInteger('top-k', values['top-k'] ?? '50', 1_000_000);
  const threads = readInteger('threads', values.threads ?? `${Math.min(usableProcessors(), 8)}`, 64);
  const concurrency = readList('concurrency', values.concurrency ?? '1,8');
  const seconds = readSeconds('seconds', values.seconds ?? '4');
  const documents = values.documents && readInteger('documents', values.documents, 10_000_000);

  const { cpu, usableProcessors: processors } = describeMachine(nativeBinding().cpuFeatures());
  const load = values.rerank === undefined ? '' : ', beside reranking';
  console.log(
    `${vectors} x ${dimension}, best ${topK}, ${threads} threads${load}; ${cpu}, ${processors} processors\n`,
  );
  const { index, queries } = await makeIndex(vectors, dimension, threads);
  const reranking = values.rerank === undefined ? undefined : await startReranking();
  const progress = new Progress();
  const rows: string[][] = [];
  for (const scan of SCANS) {
    for (const atOnce of concurrency) {
      progress.show(`${scan}, ${atOnce} at once`, rows.length / (SCANS.length * concurrency.length));
      rows.push([scan, `${atOnce}`, ...(await measure(index, queries, { scan, atOnce, topK, seconds }))]);
    }
  }
  progress.clear();
  await reranking?.stop();
  console.log(formatTable(['scan', 'at once', 'p50 ms', 'p95 ms', 'p99 ms', 'queries/s', ''], rows));
  if (documents) await measureMemory(documents);
}

/** Vectors as those of related texts are: one direction in common, then a topic, then what is their own. */
async function makeIndex(
  vectors: number,
  dimension: number,
  threads: number,
): Promise<{ index: NativeVectorIndex; queries: Float32Array[] }> {
  const index = new (nativeBinding().VectorIndex)(dimension, threads);
  const common = normalNumbers(dimension, 0, 2, 1);
  const topics = normalNumbers(100 * dimension, 0, 1, 2);
  const make = (count: number, seed: number) =>
    normalNumbers(count * dimension, 0, 0.7, seed).map((own, at) => {
      const topic = (seed + Math.floor(at / dimension)) % 100;
      return (
        own + (common[at % dimension] as number) + (topics[topic * dimension + (at % dimension)] as number)
      );
    });
  for (let first = 0; first < vectors; first += ROWS_PER_TURN) {
    index.append(make(Math.min(ROWS_PER_TURN, vectors - first), 3 + first));
    await nextTurn();
  }
  index.show(0, vectors);
  const queries = Array.from({ length: QUERIES }, (_, i) => make(1, vectors + 10 + i));
  return { index, queries };
}

async function measure(
  index: NativeVectorIndex,
  queries: readonly Float32Array[],
  { scan, atOnce, topK, seconds }: { scan: NativeScan; atOnce: number; topK: number; seconds: number },
): Promise<string[]> {
  let next = 0;
  const ask = () => index.query(queries[next++ % queries.length] as Float32Array, topK, undefined, scan);
  await ask();
  const times: number[] = [];
  const began = performance.now();
  const client = async () => {
    while (performance.now() - began < seconds * 1000) {
      const asked = performance.now();
      await ask();
      times.push(performance.now() - asked);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, client));
  const rate = (times.length / (performance.now() - began)) * 1000;
  const { p50, p95, p99 } = summarize(times);
  return [p50.toFixed(2), p95.toFixed(2), p99.toFixed(2), rate.toFixed(0), ''];
}

async function startReranking(): Promise<{ stop(): Promise<void> }> {
  const reranker = await Reranker.load('models/crossrank-mini', { cache: false });
  const documents = Array.from({ length: 50 }, (_, i) => `document ${i} ${'of some length '.repeat(20)}`);
  let isOver = false;
  const work = (async () => {
    while (!isOver) await reranker.rerank('a query of five words', documents);
  })();
  return {
    async stop() {
      isOver = true;
      await work;
      await reranker.dispose();
    },
  };
}

/** Resident memory of texts of 100 letters, ids and metadata, half of which is a document's own. */
async function measureMemory(count: number): Promise<void> {
  const before = process.memoryUsage.rss();
  const dimension = 1;
  const store = await MemoryStore.open({ space: { model: 'none', dimension } });
  for (let first = 0; first < count; first += DOCUMENTS_PER_CALL) {
    const length = Math.min(DOCUMENTS_PER_CALL, count - first);
    await store.add(
      Array.from({ length }, (_, i) => ({
        id: `document-${first + i}`,
        text: `${first + i} `.padEnd(100, 'lorem ipsum dolor sit amet '),
        metadata: i % 2 ? { lang: 'en', page: i % 10 } : { lang: 'en', page: first + i },
        vector: Float32Array.of(1),
      })),
    );
  }
  const bytes = process.memoryUsage.rss() - before;
  const each = bytes / count;
  console.log(
    `\n${count} documents without their vectors: ${(bytes / 1e6).toFixed(0)} MB, ${each.toFixed(0)} bytes each`,
  );
  await store.close();
}

runBench(main);
