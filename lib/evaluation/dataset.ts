import { access } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';
import { CrossrankError, invalidArgument } from '../errors';
import { idOf, parseObject, show, titledText } from '../files/json-lines';
import { eachLine, invalidLine, readLines } from '../files/lines';
import type { StoredDocument } from '../search/types';
import { readQrels } from './files';
import type { Qrels } from './types';

/** Queries with judged documents, to measure a search on. */
export interface Dataset {
  name: string;
  /** Texts by id. */
  queries: ReadonlyMap<string, string>;
  qrels: Qrels;
  /** The corpus, from its start at each call. An id stands there once. */
  documents(): AsyncIterable<StoredDocument> | Iterable<StoredDocument>;
}

/** Options of {@link openDataset}. */
export interface DatasetOptions {
  /** Which judgements: `qrels/<split>.tsv`, `.jsonl`, `.trec` or `.txt`. @defaultValue `'test'` */
  split?: string;
  /**
   * What to do where judgements name documents that are not in the corpus, or queries that have no text. `'error'`:
   * refuse the data set. `'ignore'`: count them. Judgements of missing documents stay, as in trec_eval: what cannot be
   * found is missed. Queries without a text are left out.
   * @defaultValue `'error'`
   */
  unknown?: 'error' | 'ignore';
}

/** A data set in a folder of BEIR's layout. */
export interface DatasetFolder extends Dataset {
  folder: string;
  /** Documents of the corpus. */
  size: number;
  /** Judged documents that the corpus does not have, each counted once. */
  unknownDocuments: number;
  /** Judged queries that have no text. */
  unknownQueries: number;
}

const QRELS_ENDINGS = ['tsv', 'jsonl', 'trec', 'txt'];

/**
 * Opens a folder of BEIR's layout: `corpus.jsonl` (`{"_id", "title", "text"}` a line), `queries.jsonl` (`{"_id", "text"}`)
 * and `qrels/test.tsv`. All of it is read and checked once; the corpus stays on the disk.
 *
 * A document's text is its title, a space and its text, as BEIR has it.
 * @throws {@link CrossrankError} with `ERR_DATASET_INVALID`, naming file and line
 */
export async function openDataset(folder: string, options: DatasetOptions = {}): Promise<DatasetFolder> {
  const { split = 'test', unknown = 'error' } = options;
  if (typeof folder !== 'string' || folder === '')
    throw invalidArgument('folder', 'the path of a data set', folder);
  if (unknown !== 'error' && unknown !== 'ignore')
    throw invalidArgument('unknown', "'error' or 'ignore'", unknown);
  const root = resolve(folder);
  const corpus = join(root, 'corpus.jsonl');
  const qrelsPath = await findQrels(root, split);
  const queries = await readQueries(join(root, 'queries.jsonl'));
  const qrels = await readQrels(qrelsPath);

  const unseen = new Map<string, string>();
  for (const [query, judged] of qrels) for (const id of judged.keys()) unseen.set(id, query);
  const size = await checkCorpus(corpus, (id) => unseen.delete(id));
  const textless = [...qrels.keys()].filter((query) => !queries.has(query));
  if (unknown === 'error') refuseUnknown(relative(root, qrelsPath), root, unseen, textless);
  for (const query of textless) qrels.delete(query);
  return {
    name: basename(root),
    folder: root,
    queries,
    qrels,
    documents: () => readCorpus(corpus),
    size,
    unknownDocuments: unseen.size,
    unknownQueries: textless.length,
  };
}

async function findQrels(root: string, split: string): Promise<string> {
  for (const ending of QRELS_ENDINGS) {
    const path = join(root, 'qrels', `${split}.${ending}`);
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    if (exists) return path;
  }
  throw new CrossrankError(
    'ERR_DATASET_INVALID',
    `${root} has no judgements: expected qrels/${split}.tsv (or ${QRELS_ENDINGS.slice(1).join(', ')}) ` +
      'beside corpus.jsonl and queries.jsonl',
  );
}

function refuseUnknown(
  qrelsName: string,
  root: string,
  documents: ReadonlyMap<string, string>,
  queries: readonly string[],
): void {
  const [document] = documents;
  const advice = "correct it, or pass unknown: 'ignore' (--unknown ignore) to count and leave them";
  if (document !== undefined) {
    const [id, query] = document;
    throw new CrossrankError(
      'ERR_DATASET_INVALID',
      `${qrelsName} of ${root} judges ${countOf(documents.size, 'document')} that corpus.jsonl does not have, ` +
        `such as ${JSON.stringify(id)} for query ${JSON.stringify(query)}; ${advice}`,
    );
  }
  if (queries.length > 0) {
    throw new CrossrankError(
      'ERR_DATASET_INVALID',
      `${qrelsName} of ${root} judges ${queries.length === 1 ? 'a query' : `${queries.length} queries`} that ` +
        `queries.jsonl does not have, such as ${JSON.stringify(queries[0])}; ${advice}`,
    );
  }
}

function countOf(count: number, noun: string): string {
  return count === 1 ? `a ${noun}` : `${count} ${noun}s`;
}

async function readQueries(path: string): Promise<Map<string, string>> {
  const queries = new Map<string, string>();
  await eachLine(path, (text, number) => {
    const { id, text: query } = parseText(text, path, number);
    if (queries.has(id)) throw invalidLine(path, number, 'each _id once', `${JSON.stringify(id)} again`);
    queries.set(id, query);
  });
  if (queries.size === 0) throw new CrossrankError('ERR_DATASET_INVALID', `${path} has no queries`);
  return queries;
}

/** Reads it all; resolves to the number of documents. */
async function checkCorpus(path: string, visit: (id: string) => void): Promise<number> {
  const seen = new Set<string>();
  await eachLine(path, (text, number) => {
    const { id } = parseText(text, path, number);
    if (seen.has(id)) throw invalidLine(path, number, 'each _id once', `${JSON.stringify(id)} again`);
    seen.add(id);
    visit(id);
  });
  if (seen.size === 0) throw new CrossrankError('ERR_DATASET_INVALID', `${path} has no documents`);
  return seen.size;
}

async function* readCorpus(path: string): AsyncGenerator<StoredDocument> {
  for await (const { first, texts } of readLines(path)) {
    for (const [i, text] of texts.entries()) if (text.trim() !== '') yield parseText(text, path, first + i);
  }
}

function parseText(line: string, path: string, number: number): StoredDocument {
  const object = parseObject(line);
  if (object === undefined) throw invalidLine(path, number, 'a JSON object with _id and text', line);
  const id = idOf(object._id);
  if (id === undefined)
    throw invalidLine(path, number, 'a string that is not empty for _id', show(object._id));
  return { id, text: titledText(object, path, number) };
}
