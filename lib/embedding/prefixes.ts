/** What a model was trained to see before queries and before documents; empty where nothing. */
export interface Prefixes {
  query: string;
  document: string;
}

export const NO_PREFIXES: Prefixes = { query: '', document: '' };

/**
 * Published models that ask for prefixes in their model card alone, and do not store them where sentence-transformers
 * would look. Instruct models are not among them: their instruction depends on the task.
 */
const FAMILIES: readonly { name: RegExp; prefixes: Prefixes }[] = [
  {
    // Model cards of intfloat/e5-{small,base,large}[-v2] and intfloat/multilingual-e5-{small,base,large}; Wang et al.,
    // "Text Embeddings by Weakly-Supervised Contrastive Pre-training" (2022), section 3.
    name: /(^|[-_])e5-(small|base|large)(?!.*instruct)/i,
    prefixes: { query: 'query: ', document: 'passage: ' },
  },
  {
    // Model cards of BAAI/bge-{small,base,large}-en-v1.5, "Model List": the query instruction for retrieval.
    name: /(^|[-_])bge-(small|base|large)-en-v1\.5/i,
    prefixes: { query: 'Represent this sentence for searching relevant passages: ', document: '' },
  },
  {
    // Model cards of BAAI/bge-{small,base,large}-zh-v1.5, the same list.
    name: /(^|[-_])bge-(small|base|large)-zh-v1\.5/i,
    prefixes: { query: '为这个句子生成表示以用于检索相关文章：', document: '' },
  },
];

/** The prefixes that a model of one of these names is published with, or none. */
export function publishedPrefixes(names: readonly string[]): Prefixes {
  for (const name of names) {
    const family = FAMILIES.find((each) => each.name.test(name));
    if (family !== undefined) return family.prefixes;
  }
  return NO_PREFIXES;
}
