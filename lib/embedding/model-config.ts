import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CrossrankError } from '../errors';
import { isObject, objectOf } from '../values';
import { modelName } from './model-name';
import { type Pooling, pooledBy } from './pooling-config';
import { type Prefixes, publishedPrefixes } from './prefixes';

/** How an embedding model is to be run, as the files say that sentence-transformers saves beside it. */
export interface EmbeddingConfig {
  pooling: Pooling;
  normalize: boolean;
  prefixes: Prefixes;
  /** Where sentence-transformers cuts texts, in tokens; undefined where it is left to the model. */
  maxLength: number | undefined;
  /** Whether texts are lowercased before they are tokenized. */
  lowercase: boolean;
  /** Values of an embedding; undefined where no file says. */
  dimension: number | undefined;
}

/**
 * Reads `modules.json`, the pooling module's `config.json`, `sentence_bert_config.json`,
 * `config_sentence_transformers.json` and `config.json` of a model folder, as far as they are there.
 *
 * Without `modules.json` tokens are averaged, as sentence-transformers does then, and embeddings normalised, which
 * their cosine does not see.
 *
 * @param asked - what the caller decided: then no file is asked how to pool
 * @throws {@link CrossrankError} with `ERR_MODEL_INVALID` or `ERR_MODEL_UNSUPPORTED`
 */
export async function readEmbeddingConfig(
  folder: string,
  asked: Pooling | undefined,
): Promise<EmbeddingConfig> {
  const [modules, transformer, sentences, model] = await Promise.all(
    ['modules.json', 'sentence_bert_config.json', 'config_sentence_transformers.json', 'config.json'].map(
      (name) => readJson(folder, name),
    ),
  );
  const names = [modelName(folder)];
  const origin = objectOf(model)._name_or_path;
  if (typeof origin === 'string') names.push(origin.split('/').at(-1) as string);
  const { max_seq_length: maxLength, do_lower_case: lowercase } = objectOf(transformer);
  return {
    ...(await readModules(folder, modules, asked)),
    prefixes: storedPrefixes(sentences) ?? publishedPrefixes(names),
    maxLength: Number.isInteger(maxLength) && (maxLength as number) > 0 ? (maxLength as number) : undefined,
    lowercase: lowercase === true,
  };
}

/** What `modules.json` and the pooling module say. */
type ModuleFacts = Pick<EmbeddingConfig, 'pooling' | 'normalize' | 'dimension'>;

const MODULES = ['Transformer', 'Pooling', 'Normalize'];

async function readModules(folder: string, json: unknown, asked: Pooling | undefined): Promise<ModuleFacts> {
  if (json === undefined) return { pooling: asked ?? 'mean', normalize: true, dimension: undefined };
  const modules = modulesOf(json);
  const [transformer, pooling, normalize] = modules;
  const strange = modules.findIndex(({ kind }, i) => kind !== MODULES[i]);
  if (strange >= 0 || transformer === undefined || pooling === undefined) {
    const what = strange < 0 ? 'no Pooling' : `${JSON.stringify(modules[strange]?.kind)} at place ${strange}`;
    throw new CrossrankError(
      'ERR_MODEL_UNSUPPORTED',
      `modules.json has ${what}; known are Transformer, Pooling and, where it is wanted, Normalize, in this order`,
    );
  }
  if (transformer.path !== '') {
    throw new CrossrankError(
      'ERR_MODEL_UNSUPPORTED',
      `modules.json keeps the transformer in the folder ${JSON.stringify(transformer.path)}; move its files into the ` +
        "model's own folder and make that path empty",
    );
  }
  const file = join(pooling.path, 'config.json');
  const config = await readJson(folder, file);
  if (!isObject(config)) throw invalidFile(file, 'an object, and modules.json names it');
  const dimension = config.embedding_dimension ?? config.word_embedding_dimension;
  return {
    pooling: asked ?? pooledBy(config, file),
    normalize: normalize !== undefined,
    dimension: Number.isInteger(dimension) ? (dimension as number) : undefined,
  };
}

/** The class of each module, without the package it is from, and its folder. */
function modulesOf(json: unknown): { kind: string; path: string }[] {
  if (!Array.isArray(json)) throw invalidFile('modules.json', 'a list of modules');
  return json.map((module: unknown) => {
    const { type, path } = objectOf(module);
    if (typeof type !== 'string' || typeof path !== 'string') {
      throw invalidFile('modules.json', 'modules with a type and a path');
    }
    return { kind: type.split('.').at(-1) as string, path };
  });
}

/**
 * Prompts by the names that `encode_query` and `encode_document` of sentence-transformers look for. Undefined where both
 * are empty: it writes empty ones where nobody has set any.
 */
function storedPrefixes(config: unknown): Prefixes | undefined {
  const prompts = objectOf(objectOf(config).prompts);
  const stored: Prefixes = {
    query: promptOf(prompts.query),
    document: promptOf(prompts.document ?? prompts.passage ?? prompts.corpus),
  };
  return stored.query === '' && stored.document === '' ? undefined : stored;
}

function promptOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string')
    throw invalidFile('config_sentence_transformers.json', 'prompts that are strings');
  return value;
}

/** Undefined where there is no such file. */
async function readJson(folder: string, name: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(join(folder, name), 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new CrossrankError('ERR_MODEL_INVALID', `${name} cannot be read: ${message}`, { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CrossrankError(
      'ERR_MODEL_INVALID',
      `${name} is no valid JSON (${(error as Error).message}); download the model again`,
      { cause: error },
    );
  }
}

function invalidFile(name: string, expected: string): CrossrankError {
  return new CrossrankError('ERR_MODEL_INVALID', `${name} must hold ${expected}; download the model again`);
}
