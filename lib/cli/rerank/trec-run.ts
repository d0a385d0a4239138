import { stat } from 'node:fs/promises';
import { CrossrankError } from '../../errors';
import { columnOf, queryLines } from '../../evaluation/files';
import { formatOf } from '../../evaluation/line-formats';
import type { RerankOptions } from '../../options';
import type { Reranker } from '../../reranker';
import { inOrder } from '../in-order';
import { openSource } from '../input/source';
import { INTERRUPTED } from '../interrupt';
import { byFlag } from '../made-with';
import type { Progress } from '../progress';
import { type RunGroup, runGroups } from './run-groups';
import { partialOf, RunOutput } from './run-output';
import { RunTexts, type RunTextsTask } from './run-texts';

export interface TrecRunTask extends RunTextsTask {
  output: string;
  initialK: number;
  tag: string;
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
  const paths = await RunTexts.pathsOf(task);
  await using reranker = await load();
  await using texts = await RunTexts.open(task, paths, signal, progress);
  const { model, precision } = reranker.info();
  const { signal: _, ...options } = task.options;
  const { initialK, tag, unknown } = task;
  const madeWith = { model, ...byFlag({ precision, initialK, tag, unknown, ...options }) };
  const output = await RunOutput.open(task.output, { madeWith, restart: task.restart });
  return await new RunReranking(reranker, task, texts, output, progress).all(signal);
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
  readonly #texts: RunTexts;
  readonly #output: RunOutput;
  readonly #progress: Progress;
  readonly #report: TrecRunReport = {
    ...{ queries: 0, kept: 0, pairs: 0, tokens: 0, unknownQueries: 0, unknownDocuments: 0 },
    interrupted: false,
  };

  constructor(reranker: Reranker, task: TrecRunTask, texts: RunTexts, output: RunOutput, progress: Progress) {
    this.#reranker = reranker;
    this.#task = task;
    this.#texts = texts;
    this.#output = output;
    this.#progress = progress;
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
      const { unknownQueries, unknownDocuments } = this.#texts;
      return { ...report, unknownQueries, unknownDocuments, interrupted: true };
    }
    report.unknownQueries = this.#texts.unknownQueries;
    report.unknownDocuments = this.#texts.unknownDocuments;
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
      const text = await this.#texts.queryText(group);
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

  async #rank(group: RunGroup & { text: string }, signal: AbortSignal): Promise<Ranked> {
    const { ids, texts } = await this.#texts.textsOf(group);
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
