import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readEmbeddingConfig } from '../embedding/model-config';
import { messageOf } from '../errors';
import { parseObject } from '../files/json-lines';
import { packageRoot } from '../native/load';
import { type CachedRepository, cachedRepositories, filesBelow } from './cache';
import { decidingFiles, isExported, readDeciding, refusalOf, selectFiles } from './select-files';

/** What a model is for. `other` has no single score and is no encoder of texts: a language model, say. */
export type ModelTask = 'reranker' | 'embedder' | 'other';

/** A model on this machine, at one revision. */
export interface LocalModel {
  /** `ORGANISATION/NAME`, or the name of one that comes with the package. */
  id: string;
  /** Null for one that comes with the package. */
  commit: string | null;
  /** Branches and tags that were this commit when they were last asked for. */
  refs: string[];
  folder: string;
  /** Of its files; several revisions may share some. */
  bytes: number;
  task: ModelTask;
  /** Whether this version loads it, as far as its files tell before they are loaded. */
  runs: boolean;
  /** Why it does not. */
  reason?: string;
}

/** The models of a cache by name, and those that come with the package before them. */
export async function localModels(cacheFolder: string): Promise<LocalModel[]> {
  const models: LocalModel[] = [];
  const embedded = join(packageRoot(), 'models');
  for (const id of (await readdir(embedded).catch(() => [])).sort()) {
    const folder = join(embedded, id);
    models.push({
      id,
      commit: null,
      refs: [],
      folder,
      ...(await describeFolder(id, folder, () => filesBelow(folder))),
    });
  }
  for (const repository of await cachedRepositories(cacheFolder))
    models.push(...(await revisionsOf(repository)));
  return models;
}

async function revisionsOf(repository: CachedRepository): Promise<LocalModel[]> {
  const refs = await repository.refs();
  const models: LocalModel[] = [];
  for (const commit of await repository.commits()) {
    const folder = repository.snapshot(commit);
    const named = [...refs].filter(([, pointsTo]) => pointsTo === commit).map(([ref]) => ref);
    const described = await describeFolder(repository.repository, folder, () => repository.files(commit));
    models.push({ id: repository.repository, commit, refs: named, folder, ...described });
  }
  return models;
}

type Described = Pick<LocalModel, 'bytes' | 'task' | 'runs' | 'reason'>;

async function describeFolder(id: string, folder: string, list: () => Promise<string[]>): Promise<Described> {
  let bytes = 0;
  let task: ModelTask = 'other';
  try {
    const names = await list();
    for (const name of names) bytes += (await stat(join(folder, name))).size;
    task = await taskOf(folder, new Set(names));
    await requireRunnable(id, folder, new Set(names), task);
    return { bytes, task, runs: true };
  } catch (error) {
    return { bytes, task, runs: false, reason: messageOf(error) }; // the others are listed all the same
  }
}

async function taskOf(folder: string, names: ReadonlySet<string>): Promise<ModelTask> {
  const config = names.has('config.json')
    ? parseObject(await readFile(join(folder, 'config.json'), 'utf8'))
    : undefined;
  const architecture = Array.isArray(config?.architectures) ? String(config.architectures[0]) : '';
  if (architecture.endsWith('ForSequenceClassification'))
    return labelsOf(config) === 1 ? 'reranker' : 'other';
  // "BertModel", not "GPT2LMHeadModel"
  const isEncoder = architecture.endsWith('Model') && !/LM|Head|Double/.test(architecture);
  return names.has('modules.json') || isEncoder ? 'embedder' : 'other';
}

/** As transformers counts them, which writes neither where there are two. */
function labelsOf(config: Record<string, unknown> = {}): number {
  const { id2label, num_labels: count } = config;
  if (typeof id2label === 'object' && id2label !== null) return Object.keys(id2label).length;
  return typeof count === 'number' ? count : 2;
}

/** @throws {@link CrossrankError} with what a load would say */
async function requireRunnable(
  id: string,
  folder: string,
  names: ReadonlySet<string>,
  task: ModelTask,
): Promise<void> {
  const read = await readDeciding(folder, decidingFiles(names));
  const files = selectFiles(id, names, read);
  if (task === 'embedder') await readEmbeddingConfig(folder, undefined);
  if (files.some(isExported)) return; // what it takes and gives is known once it is loaded
  const refusal = refusalOf(read('config.json'), task === 'embedder');
  if (refusal !== undefined) throw refusal;
}
