import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CrossrankError } from '../../errors';
import { columnOf, queryLines } from '../../evaluation/files';
import { formatOf } from '../../evaluation/line-formats';
import type { RerankOptions } from '../../options';
import type { Reranker } from '../../reranker';
import { inOrder } from '../in-order';
import { openSource } from '../input/source';
import { INTERRUPTED } from '../interrupt';
import type { Progress } from '../progress';
import { type RunGroup, runGroups } from './run-groups';
import { partialOf, RunOutput } from './run-output';
import { TextFile } from './text-file';

export interface TrecRunTask {
  run: string;
  /** Undefined: `queries.jsonl` in the folder of the corpus. */
  queries: string | undefined;
  /** A file, or a folder of BEIR's layout. */
  corpus: string;
  output: string;
  initialK: number;
  tag: string;
  unknown: 'error' | 'ignore';
  restart: boolean;
  options: RerankOptions;
}

/** What was done. */
export interface TrecRunReport {
  queries: number;
  /** Queries that were in the output already. */
  kept: number;
  pairs: number;
  tokens: number;
  /** Left out with `unknown: 'ignore'`. */
  unknownQueries: number;
  unknownDocuments: number;
  interrupted: boolean;
}

/** Queries whose texts are fetched and which are ranked at a time: while some are written, others keep the threads busy. */
const AT_ONCE = 3;
/** Texts of a query that are read at a time. */
const READS_AT_ONCE = 16;

interface Files {
  queries: TextFile;
  corpus: TextFile;
}

/**
 * Reranks a run query by query: neither the run nor the texts are in memory.
 * @throws CrossrankError with `ERR_DATASET_INVALID`
 */
export async function rerankRun(
  load: () => Promise<Reranker>,
  task: TrecRunTask,
  signal: AbortSignal,
  progress: Progress,
): Promise<TrecRunReport> {
  const paths = await pathsOf(task);
  await using reranker = await load();
  const files = await openFiles(paths, signal, progress);
  try {
    const { model, precision } = reranker.info();
    const { signal: _, ...options } = task.options;
    const { initialK, tag, unknown } = task;
    const madeWith = JSON.stringify({ model, precision, initialK, tag, unknown, ...options });
    const output = await RunOutput.open(task.output, { madeWith, restart: task.restart });
    return await new RunReranking(reranker, task, files, output, progress).all(signal);
  } finally {
    await files.queries.close();
    await files.corpus.close();
  }
}

async function pathsOf({ queries, corpus }: TrecRunTask): Promise<{ queries: string; corpus: string }> {
  const isFolder = (await stat(corpus).catch(() => undefined))?.isDirectory() === true;
  if (!isFolder && queries === undefined) {
    throw new CrossrankError(
      'ERR_DATASET_INVALID',
      `--queries is needed: ${corpus} is no folder that has them`,
    );
  }
  return {
    queries: queries ?? join(corpus, 'queries.jsonl'),
    corpus: isFolder ? join(corpus, 'corpus.jsonl') : corpus,
  };
}

async function openFiles(
  paths: { queries: string; corpus: string },
  signal: AbortSignal,
  progress: Progress,
): Promise<Files> {
  const queries = await TextFile.open(paths.queries, signal, () => progress.show('reading the queries', 0));
  try {
    const show = (share: number) => progress.show('finding the texts of the corpus', share);
    return { queries, corpus: await TextFile.open(paths.corpus, signal, show) };
  } catch (error) {
    await queries.close();
    throw error;
  }
}

/** A query on its way. */
interface Ranked {
  lines: string;
  pairs: number;
  tokens: number;
}

class RunReranking {
  readonly #reranker: Reranker;
  readonly #task: TrecRunTask;
  readonly #files: Files;
  readonly #output: RunOutput;
  readonly #progress: Progress;
  readonly #seen: Uint8Array;
  readonly #report: TrecRunReport = {
    ...{ queries: 0, kept: 0, pairs: 0, tokens: 0, unknownQueries: 0, unknownDocuments: 0 },
    interrupted: false,
  };

  constructor(reranker: Reranker, task: TrecRunTask, files: Files, output: RunOutput, progress: Progress) {
    this.#reranker = reranker;
    this.#task = task;
    this.#files = files;
    this.#output = output;
    this.#progress = progress;
    this.#seen = new Uint8Array(Math.ceil(files.queries.size / 8));
  }

  async all(signal: AbortSignal): Promise<TrecRunReport> {
    const report = this.#report;
    try {
      for await (const { lines, pairs, tokens } of inOrder(this.#fresh(signal), AT_ONCE, (group) =>
        this.#rank(group, signal),
      )) {
        await this.#output.append(lines);
        report.queries++;
        report.pairs += pairs;
        report.tokens += tokens;
      }
    } catch (error) {
      await this.#output.close();
      if (!signal.aborted || error !== signal.reason) throw error;
      return { ...report, interrupted: true };
    }
    if (report.queries + report.kept + report.unknownQueries === 0) {
      await this.#output.close();
      throw new CrossrankError('ERR_DATASET_INVALID', `${this.#task.run} is empty; expected a run`);
    }
    await this.#output.finish();
    return report;
  }

  /** The queries of the run that the output does not have. */
  async *#fresh(signal: AbortSignal): AsyncGenerator<RunGroup & { text: string }> {
    const { run, initialK } = this.#task;
    const source = openSource(run, signal);
    const total = run === '-' ? 0 : (await stat(run).catch(() => undefined))?.size;
    let read = 0;
    const chunks = counted(source.chunks, (bytes) => {
      read += bytes;
    });
    const finished = this.#output.finished();
    let expected = (await finished.next()).value as string | undefined;
    for await (const group of runGroups({ name: source.name, chunks }, initialK)) {
      const text = await this.#queryText(group);
      if (text === undefined) continue;
      if (expected === group.query) {
        this.#report.kept++;
        expected = (await finished.next()).value as string | undefined;
        continue;
      }
      if (expected !== undefined) {
        if (this.#mayBeEmpty()) continue; // it had no lines
        throw this.#mismatch(expected, group.query);
      }
      const done = this.#report.queries + this.#report.kept;
      this.#progress.show(`reranking, ${done} queries`, total ? read / total : 0);
      yield { ...group, text };
    }
    if (expected !== undefined) throw this.#mismatch(expected, undefined);
  }

  /** A query that leaves no line in the output. */
  #mayBeEmpty(): boolean {
    return this.#task.options.minScore !== undefined || this.#task.unknown === 'ignore';
  }

  #mismatch(expected: string, found: string | undefined): CrossrankError {
    const { output, run } = this.#task;
    const there = found === undefined ? 'ends' : `has ${JSON.stringify(found)}`;
    return new CrossrankError(
      'ERR_DATASET_INVALID',
      `${output} is of another run: it goes on with query ${JSON.stringify(expected)} where ${run} ${there}; begin ` +
        'anew with --restart, or name another --output',
    );
  }

  /** Undefined where it has none and that is to be ignored. */
  async #queryText({ query, line }: RunGroup): Promise<string | undefined> {
    const { run, unknown } = this.#task;
    const found = await this.#files.queries.find(query);
    if (found === undefined) {
      if (unknown === 'error')
        throw this.#unknown(`query ${JSON.stringify(query)}`, line, this.#files.queries);
      this.#report.unknownQueries++;
      return undefined;
    }
    const bit = 1 << (found.entry & 7);
    const byte = found.entry >> 3;
    if (((this.#seen[byte] as number) & bit) !== 0) {
      throw new CrossrankError(
        'ERR_DATASET_INVALID',
        `${run}, line ${line}: query ${JSON.stringify(query)} again, with others between; a run is read query by query, ` +
          'so bring the lines of each together, with sort -s -k1,1 for instance',
      );
    }
    this.#seen[byte] = (this.#seen[byte] as number) | bit;
    return found.text;
  }

  #unknown(what: string, line: number, file: TextFile): CrossrankError {
    return new CrossrankError(
      'ERR_DATASET_INVALID',
      `${this.#task.run}, line ${line}: ${file.path} does not have ${what}; correct it, or pass --unknown ignore to ` +
        'leave such ones out',
    );
  }

  async #rank(group: RunGroup & { text: string }, signal: AbortSignal): Promise<Ranked> {
    const { ids, texts } = await this.#textsOf(group);
    const { results, usage } = await this.#reranker.rerank(group.text, texts, {
      ...this.#task.options,
      returnDocuments: false,
      signal,
    });
    const found = results.map(({ index, score }) => ({ id: ids[index] as string, score }));
    const { output, tag } = this.#task;
    const format = formatOf(output) === 'jsonl' ? 'jsonl' : 'trec';
    return {
      lines: [...queryLines(group.query, found, format, columnOf(tag, 'tag'))].join(''),
      pairs: usage.pairs,
      tokens: usage.tokens,
    };
  }

  async #textsOf({ query, found, line }: RunGroup): Promise<{ ids: string[]; texts: string[] }> {
    const ids: string[] = [];
    const texts: string[] = [];
    for (let first = 0; first < found.length; first += READS_AT_ONCE) {
      const part = found.slice(first, first + READS_AT_ONCE);
      const fetched = await Promise.all(part.map(({ id }) => this.#files.corpus.find(id)));
      for (const [i, text] of fetched.entries()) {
        const { id } = part[i] as (typeof part)[number];
        if (text === undefined) {
          const what = `document ${JSON.stringify(id)} of query ${JSON.stringify(query)}`;
          if (this.#task.unknown === 'error') throw this.#unknown(what, line, this.#files.corpus);
          this.#report.unknownDocuments++;
          continue;
        }
        ids.push(id);
        texts.push(text.text);
      }
    }
    return { ids, texts };
  }
}

async function* counted(
  chunks: AsyncIterable<Buffer>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    onBytes(chunk.length);
    yield chunk;
  }
}

/** For people. */
export function describeRun(report: TrecRunReport, { output }: TrecRunTask): string {
  const { queries, kept, pairs, tokens, unknownQueries, unknownDocuments, interrupted } = report;
  const lines = [
    `${queries} ${queries === 1 ? 'query' : 'queries'} reranked: ${pairs} pairs, ${tokens} tokens`,
  ];
  if (kept > 0) lines.push(`${kept} were in the output already (--restart ranks them again)`);
  if (unknownQueries > 0) lines.push(`${unknownQueries} queries left out: they have no text`);
  if (unknownDocuments > 0)
    lines.push(`${unknownDocuments} documents left out: the corpus does not have them`);
  lines.push(
    interrupted
      ? `interrupted; what is done is in ${partialOf(output)}, and the same command goes on from there`
      : `written: ${output}`,
  );
  return lines.join('\n');
}

export function exitCodeOf({ interrupted }: TrecRunReport): number {
  return interrupted ? INTERRUPTED : 0;
}
