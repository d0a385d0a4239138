import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import {
  Embedder,
  KeywordIndex,
  MemoryStore,
  Reranker,
  SearchPipeline,
  type SearchResponse,
} from '../../lib';
import type { Progress } from '../../lib/cli/progress';
import { packageRoot } from '../../lib/native/load';
import { PRESETS } from '../../lib/search/presets';
import { memoryOfThisProcess } from '../machine';
import type { SearchBenchOptions } from './arguments';
import { Corpus } from './corpus';

/** Searches before the clock starts. */
const WARM_UP = 5;
const SAMPLE_MS = 100;
/** In fp32, and in int8 for the first look. */
const BYTES_A_VALUE = 5;

export interface IndexRun {
  documents: number;
  embedded: number;
  unchanged: number;
  seconds: number;
  /** Resident before the first document and the most on the way. */
  residentBytesBefore: number;
  residentBytesMost: number;
  /** Of that: vectors. */
  vectorBytes: number;
  path: string;
}

export interface SearchLevel {
  concurrency: number;
  searches: number;
  seconds: number;
  timings: SearchResponse['timings'][];
  tokens: number;
  degraded: number;
}

export interface SearchRun {
  index: IndexRun;
  initialK: number;
  topK: number;
  precision: { embedder: string; reranker: string };
  levels: SearchLevel[];
}

export async function measureIndexing(options: SearchBenchOptions, progress: Progress): Promise<IndexRun> {
  const { min, max } = options.length;
  const path = resolve(
    options.index ?? join(packageRoot(), 'build', 'bench', `search-${options.documents}-${min}-${max}.store`),
  );
  mkdirSync(dirname(path), { recursive: true });
  await using embedder = await Embedder.load(undefined, { precision: options.precision });
  const residentBytesBefore = memoryOfThisProcess().residentBytes;
  let residentBytesMost = residentBytesBefore;
  const sampler = setInterval(() => {
    residentBytesMost = Math.max(residentBytesMost, memoryOfThisProcess().residentBytes);
  }, SAMPLE_MS);
  const store = await MemoryStore.open({ space: embedder.space, path });
  try {
    const pipeline = new SearchPipeline({ embedder, store });
    const done = await pipeline.index(new Corpus(options.length).documents(options.documents), {
      onProgress: ({ documents, elapsedMs }) =>
        progress.show(
          `indexing, ${documents} documents, ${((documents / elapsedMs) * 1000).toFixed(0)} a second`,
          documents / options.documents,
        ),
    });
    const { embedded, unchanged, elapsedMs } = done;
    return {
      documents: options.documents,
      embedded,
      unchanged,
      seconds: elapsedMs / 1000,
      residentBytesBefore,
      residentBytesMost,
      vectorBytes: options.documents * embedder.space.dimension * BYTES_A_VALUE,
      path,
    };
  } finally {
    clearInterval(sampler);
    progress.clear();
    await store.close();
  }
}

export async function measureSearch(
  options: SearchBenchOptions,
  index: IndexRun,
  progress: Progress,
): Promise<SearchRun> {
  const { precision } = options;
  await using embedder = await Embedder.load(undefined, { precision });
  await using reranker = await Reranker.load(undefined, { precision, cache: false });
  const store = await MemoryStore.open({ space: embedder.space, path: index.path });
  try {
    progress.show('making the keyword index', 0);
    const keywords = await KeywordIndex.from(store.documents());
    const pipeline = new SearchPipeline({ embedder, store, reranker, keywords, cache: false });
    const levels: SearchLevel[] = [];
    for (const [i, concurrency] of options.concurrency.entries()) {
      progress.show(`searching, ${concurrency} at a time`, i / options.concurrency.length);
      levels.push(await searchAt(concurrency, pipeline, reranker, options));
    }
    return {
      index,
      ...PRESETS[options.preset],
      precision: { embedder: embedder.info().precision, reranker: reranker.info().precision },
      levels,
    };
  } finally {
    progress.clear();
    await store.close();
  }
}

async function searchAt(
  concurrency: number,
  pipeline: SearchPipeline,
  reranker: Reranker,
  { preset, seconds, length }: SearchBenchOptions,
): Promise<SearchLevel> {
  const corpus = new Corpus(length);
  let next = 0; // every query is new: nothing comes from a cache
  for (let i = 0; i < WARM_UP; i++) await pipeline.search(corpus.query(next++), { preset });
  const level: SearchLevel = { concurrency, searches: 0, seconds: 0, timings: [], tokens: 0, degraded: 0 };
  const tokensBefore = reranker.stats().scored.tokens;
  const started = performance.now();
  const caller = async () => {
    while (performance.now() - started < seconds * 1000) {
      const { timings, degraded } = await pipeline.search(corpus.query(next++), { preset });
      level.timings.push(timings);
      level.searches++;
      level.degraded += degraded ? 1 : 0;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  level.seconds = (performance.now() - started) / 1000;
  level.tokens = reranker.stats().scored.tokens - tokensBefore;
  return level;
}
