import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CrossrankError } from '../errors';
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
  const origin = objectOf(model)?._name_or_path;
  if (typeof origin === 'string') names.push(origin.split('/').at(-1) as string);
  const { max_seq_length: maxLength, do_lower_case: lowercase } = objectOf(transformer) ?? {};
  return {
    ...(await readModules(folder, modules, asked)),
    prefixes: storedPrefixes(sentences) ?? publishedPrefixes(names),
    maxLength: Number.isInteger(maxLength) && (maxLength as number) > 0 ? (maxLength as number) : undefined,
    lowercase: lowercase === true,
  };
}

async function readModules(
  folder: string,
  modules: unknown,
  asked: Pooling | undefined,
): Promise<Pick<EmbeddingConfig, 'pooling' | 'normalize' | 'dimension'>> {
  if (modules === undefined) return { pooling: asked ?? 'mean', normalize: true, dimension: undefined };
  if (!Array.isArray(modules)) throw invalidFile('modules.json', 'a list of modules');
  const found: Pick<EmbeddingConfig, 'pooling' | 'normalize' | 'dimension'> = {
    pooling: asked ?? 'mean',
    normalize: false,
    dimension: undefined,
  };
  for (const [i, module] of modules.entries()) {
    const { type, path } = objectOf(module) ?? {};
    if (typeof type !== 'string' || typeof path !== 'string') {
      throw invalidFile('modules.json', 'modules with a type and a path');
    }
    const kind = type.split('.').at(-1) as string;
    if (kind !== ['Transformer', 'Pooling', 'Normalize'][i]) throw unsupportedModule(kind, i);
    if (kind === 'Transformer' && path !== '') {
      throw new CrossrankError(
        'ERR_MODEL_UNSUPPORTED',
        `modules.json keeps the transformer in the folder ${JSON.stringify(path)}; move its files into the model's own folder`,
      );
    }
    if (kind === 'Normalize') found.normalize = true;
    if (kind !== 'Pooling') continue;
    const file = join(path, 'config.json');
    const config = objectOf(await readJson(folder, file));
    if (config === undefined) throw invalidFile(file, 'an object, and modules.json names it');
    const dimension = config.embedding_dimension ?? config.word_embedding_dimension;
    if (Number.isInteger(dimension)) found.dimension = dimension as number;
    found.pooling = asked ?? pooledBy(config, file);
  }
  return found;
}

function unsupportedModule(kind: string, place: number): CrossrankError {
  return new CrossrankError(
    'ERR_MODEL_UNSUPPORTED',
    `modules.json has a module ${JSON.stringify(kind)} at place ${place}; known are Transformer, Pooling and, where ` +
      'it is wanted, Normalize, in this order',
  );
}

/**
 * Prompts by the names that `encode_query` and `encode_document` of sentence-transformers look for. Undefined where both
 * are empty: it writes empty ones where nobody has set any.
 */
function storedPrefixes(config: unknown): Prefixes | undefined {
  const prompts = objectOf(objectOf(config)?.prompts) ?? {};
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

function objectOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
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
