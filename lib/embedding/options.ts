import { invalidArgument } from '../errors';
import {
  checkBoolean,
  checkChoice,
  checkInteger,
  checkNames,
  checkSignal,
  checkTimeout,
} from '../option-checks';
import { checkEngineOptions, ENGINE_OPTIONS, type EngineOptions } from '../options';
import type { EmbedOptions } from '../search/types';
import type { Pooling } from './pooling-config';
import type { Prefixes } from './prefixes';

/** Options of {@link Embedder.load}. */
export interface EmbedderLoadOptions extends EngineOptions {
  /**
   * How the states of a text's tokens become one embedding: the first token's (`'cls'`), their mean, the last token's.
   * @defaultValue as `modules.json` says, or `'mean'` where there is none
   */
  pooling?: Pooling;
  /**
   * Whether embeddings are scaled to length 1, so that their dot product is their cosine.
   * @defaultValue as `modules.json` says, or `true` where there is none
   */
  normalize?: boolean;
  /**
   * What {@link EmbedTextOptions.kind} puts before each text.
   * @defaultValue the prompts of `config_sentence_transformers.json`; else those that published models of the families
   * E5 and BGE v1.5 are known to need; else nothing
   */
  prefixes?: Partial<Prefixes>;
}

/** Options of {@link Embedder.embed}. */
export interface EmbedTextOptions extends EmbedOptions {
  /**
   * Tokens of a text, prefix and special tokens included; what is longer is cut.
   * @defaultValue 512, or `max_seq_length` of `sentence_bert_config.json`, or the model's limit where that is lower
   */
  maxLength?: number;
  /**
   * `false`: every text is embedded for this call, and nothing of it is kept; see {@link LoadOptions.cache}.
   * @defaultValue `true` where the embedder has a cache
   */
  cache?: boolean;
}

const LOAD_OPTIONS = [...ENGINE_OPTIONS, 'pooling', 'normalize', 'prefixes'];
const EMBED_OPTIONS = ['kind', 'maxLength', 'timeoutMs', 'signal', 'priority', 'cache'];

export function checkEmbedderLoadOptions(options: EmbedderLoadOptions): void {
  checkNames(options, LOAD_OPTIONS);
  checkEngineOptions(options);
  checkChoice('pooling', options.pooling, ['cls', 'mean', 'last']);
  checkBoolean('normalize', options.normalize);
  const { prefixes } = options;
  if (prefixes === undefined) return;
  checkNames(prefixes, ['query', 'document'], 'prefixes');
  for (const [name, prefix] of Object.entries(prefixes)) {
    if (prefix !== undefined && typeof prefix !== 'string') {
      throw invalidArgument(`prefixes.${name}`, 'a string', prefix);
    }
  }
}

export function checkEmbedOptions(options: EmbedTextOptions, limits: { min: number; max: number }): void {
  checkNames(options, EMBED_OPTIONS);
  checkChoice('kind', options.kind, ['query', 'document']);
  checkInteger('maxLength', options.maxLength, limits.min, limits.max);
  checkTimeout(options.timeoutMs);
  checkSignal(options.signal);
  checkChoice('priority', options.priority, ['interactive', 'bulk']);
  checkBoolean('cache', options.cache);
}
