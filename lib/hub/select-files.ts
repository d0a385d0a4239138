import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CrossrankError } from '../errors';
import { nativeBinding } from '../native/binding';
import { objectOf } from '../values';

/** Files of a repository by whose content the rest is chosen; each is small. */
const CONFIG = 'config.json';
const MODULES = 'modules.json';
const WEIGHTS = 'model.safetensors';
const WEIGHTS_INDEX = 'model.safetensors.index.json';
const TOKENIZER = 'tokenizer.json';

/** What is read where it is there: by the loader, by `lib/embedding`, and by `verify`. */
const OPTIONAL = [
  'tokenizer_config.json',
  MODULES,
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
  'golden.json',
];

/** What a file that {@link decidingFiles} named holds; undefined where it is broken. */
export type ReadJson = (name: string) => unknown;

/** Reads those of a snapshot. */
export async function readDeciding(folder: string, names: readonly string[]): Promise<ReadJson> {
  const parsed = new Map<string, unknown>();
  for (const name of names) {
    const text = await readFile(join(folder, name), 'utf8');
    try {
      parsed.set(name, JSON.parse(text));
    } catch {
      // the load says what is wrong with it
    }
  }
  return (name) => parsed.get(name);
}

/** What there is to fetch first, because the rest depends on it. */
export function decidingFiles(names: ReadonlySet<string>): string[] {
  const index = names.has(WEIGHTS) ? [] : [WEIGHTS_INDEX];
  return [CONFIG, MODULES, ...index].filter((name) => names.has(name));
}

/** Names whose absence a load must know of: without `modules.json`, say, an embedding is pooled in another way. */
export function absentFiles(names: ReadonlySet<string>): string[] {
  return OPTIONAL.filter((name) => !names.has(name));
}

/**
 * The files of a repository that a load reads, and no others: the same weights that the loader would choose
 * (`native/engine/model.cc`), and what goes with them.
 * @throws {@link CrossrankError} with `ERR_MODEL_NOT_FOUND` where what every model needs is not there
 */
export function selectFiles(repository: string, names: ReadonlySet<string>, read: ReadJson): string[] {
  if (!names.has(TOKENIZER)) {
    throw missing(
      repository,
      "has no tokenizer.json, and other tokenizer files are not read; save one with transformers' " +
        'AutoTokenizer.from_pretrained(...).save_pretrained(folder), and load the folder',
    );
  }
  const wanted = [CONFIG, TOKENIZER, ...OPTIONAL, ...poolingFiles(names, read)];
  return [...new Set([...wanted.filter((name) => names.has(name)), ...weightFiles(repository, names, read)])];
}

function weightFiles(repository: string, names: ReadonlySet<string>, read: ReadJson): string[] {
  const exported = exportedFiles(names);
  const safetensors = safetensorsFiles(repository, names, read);
  if (safetensors.length === 0 && exported.length === 0) {
    const pickled = [...names].some((name) => /(^|\/)pytorch_model.*\.bin$/.test(name));
    throw missing(
      repository,
      'has no weights that this version reads: model.safetensors or an .onnx file' +
        (pickled ? '; pytorch_model.bin is not read (save with safe_serialization=True)' : ''),
    );
  }
  if (safetensors.length === 0) return exported;
  if (!names.has(CONFIG)) {
    if (exported.length > 0) return exported;
    throw missing(repository, 'has no config.json');
  }
  return exported.length > 0 && !canWriteGraph(read(CONFIG)) ? exported : safetensors;
}

/** Whether the loader writes the graph itself, of a reranker or of an encoder; else it takes an exported one. */
function canWriteGraph(config: unknown): boolean {
  return refusalOf(config, false) === undefined || refusalOf(config, true) === undefined;
}

/** Why a model of this config.json is not loaded from safetensors: the loader's own answer. */
export function refusalOf(config: unknown, embeds: boolean): CrossrankError | undefined {
  try {
    nativeBinding().checkConfig(JSON.stringify(config) ?? 'null', embeds);
    return undefined;
  } catch (error) {
    if (error instanceof CrossrankError) return error;
    throw error;
  }
}

function safetensorsFiles(repository: string, names: ReadonlySet<string>, read: ReadJson): string[] {
  if (names.has(WEIGHTS)) return [WEIGHTS];
  if (!names.has(WEIGHTS_INDEX)) return [];
  const shards = new Set(Object.values(objectOf(objectOf(read(WEIGHTS_INDEX)).weight_map)));
  const lost = [...shards].find((shard) => typeof shard !== 'string' || !names.has(shard));
  if (shards.size === 0 || lost !== undefined) {
    const what = shards.size === 0 ? 'no file' : JSON.stringify(lost);
    throw new CrossrankError(
      'ERR_MODEL_INVALID',
      `${repository}: ${WEIGHTS_INDEX} names ${what}, and the repository has none such`,
    );
  }
  return [WEIGHTS_INDEX, ...(shards as Set<string>)];
}

/** The graph that the loader takes, and the file its weights may lie in. */
function exportedFiles(names: ReadonlySet<string>): string[] {
  const graph = bestExported([...names]);
  if (graph === undefined) return [];
  const data = [`${graph}_data`, `${graph}.data`, graph.replace(/\.onnx$/, '.onnx_data')];
  const parts = [...names].filter((name) => /^_?\d+$/.test(name.slice(`${graph}_data`.length)));
  const split = parts.filter((name) => name.startsWith(`${graph}_data`));
  return [...new Set([graph, ...data.filter((name) => names.has(name)), ...split])];
}

/** Whether a file is a graph that was exported: runs without `config.json`. */
export function isExported(name: string): boolean {
  return name.endsWith('.onnx');
}

/** Least loss first: 0 nothing says how it was quantised, 1 half precision, 2 anything narrower. */
function lossOf(name: string): number {
  if (/int8|quant|q4|q8|bnb|4bit|8bit/.test(name)) return 2;
  return /fp16|bf16|float16/.test(name) ? 1 : 0;
}

/** By the rule of `native/engine/model_folder.cc`. */
export function bestExported(names: readonly string[]): string | undefined {
  const named = ['model.onnx', 'onnx/model.onnx'].find((name) => names.includes(name));
  return named ?? leastLossy(names, /^[^/]+\.onnx$/) ?? leastLossy(names, /^onnx\/[^/]+\.onnx$/);
}

function leastLossy(names: readonly string[], place: RegExp): string | undefined {
  return names
    .filter((name) => place.test(name))
    .sort((a, b) => lossOf(a) - lossOf(b) || a.length - b.length || (a < b ? -1 : 1))[0];
}

/** The config.json of each module that `modules.json` keeps in a folder of its own. */
function poolingFiles(names: ReadonlySet<string>, read: ReadJson): string[] {
  const modules = names.has(MODULES) ? read(MODULES) : [];
  if (!Array.isArray(modules)) return []; // the load says what is wrong with it
  return modules.flatMap((module: unknown) => {
    const { path } = objectOf(module);
    return typeof path === 'string' && path !== '' ? [`${path}/config.json`] : [];
  });
}

function missing(repository: string, what: string): CrossrankError {
  return new CrossrankError('ERR_MODEL_NOT_FOUND', `${repository} ${what}`);
}
