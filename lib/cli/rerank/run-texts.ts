import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CrossrankError } from '../../errors';
import type { Progress } from '../progress';
import type { RunGroup } from './run-groups';
import { TextFile } from './text-file';

/** Where the texts of a run are. */
export interface RunTextsTask {
  run: string;
  /** Undefined: `queries.jsonl` in the folder of the corpus. */
  queries: string | undefined;
  /** A file, or a folder of BEIR's layout. */
  corpus: string;
  /** What becomes of queries and documents that have no text. */
  unknown: 'error' | 'ignore';
}

export interface RunTextsPaths {
  queries: string;
  corpus: string;
}

/** Texts of a query that are read at a time. */
const READS_AT_ONCE = 16;

/** The texts of the queries and documents of a run: they stay on the disk. */
export class RunTexts {
  /** Left out with `unknown: 'ignore'`. */
  unknownQueries = 0;
  unknownDocuments = 0;
  readonly #task: RunTextsTask;
  readonly #queries: TextFile;
  readonly #corpus: TextFile;
  /** A bit for each query that has come. */
  readonly #seen: Uint8Array;

  private constructor(task: RunTextsTask, queries: TextFile, corpus: TextFile) {
    this.#task = task;
    this.#queries = queries;
    this.#corpus = corpus;
    this.#seen = new Uint8Array(Math.ceil(queries.size / 8));
  }

  /** @throws CrossrankError with `ERR_DATASET_INVALID` */
  static async pathsOf({ queries, corpus }: RunTextsTask): Promise<RunTextsPaths> {
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

  /** Reads both files once. @throws as {@link TextFile.open} */
  static async open(
    task: RunTextsTask,
    paths: RunTextsPaths,
    signal: AbortSignal,
    progress: Progress,
  ): Promise<RunTexts> {
    const queries = await TextFile.open(paths.queries, signal, () => progress.show('reading the queries', 0));
    try {
      const show = (share: number) => progress.show('finding the texts of the corpus', share);
      return new RunTexts(task, queries, await TextFile.open(paths.corpus, signal, show));
    } catch (error) {
      await queries.close();
      throw error;
    }
  }

  /** Undefined where it has none and that is to be ignored. */
  async queryText({ query, line }: RunGroup): Promise<string | undefined> {
    const { run, unknown } = this.#task;
    const found = await this.#queries.find(query);
    if (found === undefined) {
      if (unknown === 'error') throw this.#unknown(`query ${JSON.stringify(query)}`, line, this.#queries);
      this.unknownQueries++;
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

  /** Ids and texts of the documents that were found for a query. */
  async textsOf({ query, found, line }: RunGroup): Promise<{ ids: string[]; texts: string[] }> {
    const ids: string[] = [];
    const texts: string[] = [];
    for (let first = 0; first < found.length; first += READS_AT_ONCE) {
      const part = found.slice(first, first + READS_AT_ONCE);
      const fetched = await Promise.all(part.map(({ id }) => this.#corpus.find(id)));
      for (const [i, text] of fetched.entries()) {
        const { id } = part[i] as (typeof part)[number];
        if (text === undefined) {
          const what = `document ${JSON.stringify(id)} of query ${JSON.stringify(query)}`;
          if (this.#task.unknown === 'error') throw this.#unknown(what, line, this.#corpus);
          this.unknownDocuments++;
          continue;
        }
        ids.push(id);
        texts.push(text.text);
      }
    }
    return { ids, texts };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queries.close();
    await this.#corpus.close();
  }

  #unknown(what: string, line: number, file: TextFile): CrossrankError {
    return new CrossrankError(
      'ERR_DATASET_INVALID',
      `${this.#task.run}, line ${line}: ${file.path} does not have ${what}; correct it, or pass --unknown ignore to ` +
        'leave such ones out',
    );
  }
}
