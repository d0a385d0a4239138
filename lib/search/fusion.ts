import { CrossrankError, invalidArgument } from '../errors';
import { checkChoice, checkNames } from '../option-checks';
import { checkTopK } from './checks';
import type { StoredDocument, StoreHit } from './types';

/** Options of {@link fuse}; `Name` are the names of its lists. */
export interface FusionOptions<Name extends string = string> {
  /**
   * - `'rrf'`: reciprocal rank fusion (Cormack, Clarke, Büttcher 2009): the sum of `weight / (k + rank)`. It needs no
   *   scores that compare.
   * - `'weighted'`: the weighted mean of the scores, brought to one scale as `normalization` says.
   * @defaultValue `'rrf'`
   */
  method?: 'rrf' | 'weighted';
  /** Of `'rrf'`: how little the first ranks stand out. @defaultValue 60, as in the paper */
  k?: number;
  /**
   * Of `'weighted'`. `'minMax'`: a list's best score is 1 and its worst 0; all are 1 where they are equal. `'zScore'`:
   * the distance to the list's mean in standard deviations; all are 0 where they are equal. In both, a document that a
   * list lacks counts there as the worst that it has.
   * @defaultValue `'minMax'`
   */
  normalization?: 'minMax' | 'zScore';
  /** How much each list counts. At 0 it is as if it were not there. @defaultValue 1 each */
  weights?: Partial<Record<Name, number>>;
  /** The best so many. @defaultValue all */
  topK?: number;
}

/** Where a list had a document. */
export interface FusionSource {
  /** From 1. */
  rank: number;
  /** As the list had it. */
  score: number;
}

/** A document of at least one list. */
export interface FusedHit<Name extends string = string> {
  document: StoredDocument;
  /** Higher is better; comparable within one fusion. */
  score: number;
  /** Each list that had it. */
  sources: Partial<Record<Name, FusionSource>>;
}

/** A list, with what each rank of it adds to a document's score, and what it adds to one that it lacks. */
interface Contribution<Name extends string> {
  name: Name;
  hits: readonly StoreHit[];
  ofRank: Float64Array;
  ofMissing: number;
}

const OPTIONS = ['method', 'k', 'normalization', 'weights', 'topK'];
const DEFAULT_K = 60;

/**
 * Makes one ranking of several, such as that of a vector store and that of a keyword index.
 *
 * @param lists - Hits by name of their list, best first: `{ dense: [...], keywords: [...] }`. A document is the same one
 * where its id is; it is taken from the first list that has it.
 * @returns Best first; equal scores by the best rank in any list, then by id.
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`
 */
export function fuse<Name extends string>(
  lists: Readonly<Record<Name, readonly StoreHit[]>>,
  options: FusionOptions<Name> = {},
): FusedHit<Name>[] {
  checkFusionOptions(options);
  if (typeof lists !== 'object' || lists === null || Array.isArray(lists)) {
    throw invalidArgument('lists', 'an object such as { dense: [...], keywords: [...] }', lists);
  }
  const entries = Object.entries(lists) as [Name, readonly StoreHit[]][];
  for (const [name, hits] of entries) checkList(name, hits);
  const weights = weightsOf(Object.keys(lists), options);
  const contributions = entries
    .map(([name, hits], i) => contributionOf(name, hits, weights[i] as number, options))
    .filter((_, i) => weights[i] !== 0);
  return ranked(contributions).slice(0, options.topK);
}

function contributionOf<Name extends string>(
  name: Name,
  hits: readonly StoreHit[],
  weight: number,
  { method = 'rrf', k = DEFAULT_K, normalization = 'minMax' }: FusionOptions,
): Contribution<Name> {
  if (method === 'rrf') {
    return { name, hits, ofRank: Float64Array.from(hits, (_, i) => weight / (k + i + 1)), ofMissing: 0 };
  }
  const scores = Float64Array.from(hits, ({ score }) => score);
  const scaled = normalization === 'minMax' ? minMax(scores) : zScores(scores);
  const lowest = normalization === 'minMax' || scaled.length === 0 ? 0 : minimum(scaled);
  return { name, hits, ofRank: scaled.map((score) => weight * score), ofMissing: weight * lowest };
}

function minMax(scores: Float64Array): Float64Array {
  const lowest = minimum(scores);
  const range = maximum(scores) - lowest;
  return scores.map((score) => (range === 0 ? 1 : (score - lowest) / range));
}

function zScores(scores: Float64Array): Float64Array {
  const mean = scores.reduce((sum, score) => sum + score / scores.length, 0);
  const variance = scores.reduce((sum, score) => sum + (score - mean) ** 2 / scores.length, 0);
  const isConstant = minimum(scores) === maximum(scores);
  return scores.map((score) => (isConstant ? 0 : (score - mean) / Math.sqrt(variance)));
}

function minimum(values: Float64Array): number {
  return values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
}

function maximum(values: Float64Array): number {
  return values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
}

function ranked<Name extends string>(lists: readonly Contribution<Name>[]): FusedHit<Name>[] {
  const found = new Map<string, { document: StoredDocument; indexes: (number | undefined)[] }>();
  lists.forEach(({ hits }, list) => {
    hits.forEach(({ document }, index) => {
      const entry = found.get(document.id) ?? { document, indexes: [] };
      entry.indexes[list] = index;
      found.set(document.id, entry);
    });
  });
  const all = [...found.values()].map(({ document, indexes }) => ({
    hit: fusedHit(document, lists, indexes),
    bestRank: Math.min(...indexes.filter((index) => index !== undefined)),
  }));
  all.sort(
    (a, b) =>
      b.hit.score - a.hit.score ||
      a.bestRank - b.bestRank ||
      (a.hit.document.id < b.hit.document.id ? -1 : 1),
  );
  return all.map(({ hit }) => hit);
}

/** @param indexes - Where the document is in each list */
function fusedHit<Name extends string>(
  document: StoredDocument,
  lists: readonly Contribution<Name>[],
  indexes: readonly (number | undefined)[],
): FusedHit<Name> {
  let score = 0;
  const sources: [Name, FusionSource][] = [];
  lists.forEach(({ name, hits, ofRank, ofMissing }, list) => {
    const index = indexes[list];
    score += index === undefined ? ofMissing : (ofRank[index] as number);
    if (index !== undefined)
      sources.push([name, { rank: index + 1, score: (hits[index] as StoreHit).score }]);
  });
  return { document, score, sources: Object.fromEntries(sources) as FusedHit<Name>['sources'] };
}

/**
 * Checks what can be checked before there are lists.
 * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT`
 */
export function checkFusionOptions(options: FusionOptions): void {
  checkNames(options, OPTIONS);
  checkChoice('method', options.method, ['rrf', 'weighted']);
  checkChoice('normalization', options.normalization, ['minMax', 'zScore']);
  const { k, topK } = options;
  if (k !== undefined && !(Number.isFinite(k) && k >= 0))
    throw invalidArgument('k', 'a number of at least 0', k);
  if (topK !== undefined) checkTopK(topK);
}

function checkList(name: string, hits: unknown): void {
  if (!Array.isArray(hits)) throw invalidArgument(`lists.${name}`, 'an array of hits', hits);
  const ids = new Set<string>();
  hits.forEach((hit: Partial<StoreHit> | null | undefined, i) => {
    const place = `lists.${name}[${i}]`;
    const id: unknown = hit?.document?.id;
    if (typeof id !== 'string') throw invalidArgument(`${place}.document.id`, 'a string', id);
    if (ids.has(id)) throw invalidArgument(`${place}.document.id`, 'an id that the list has once', id);
    if (!Number.isFinite(hit?.score)) throw invalidArgument(`${place}.score`, 'a finite number', hit?.score);
    ids.add(id);
  });
}

/** The weight of each list: as given, for `'weighted'` brought to a sum of 1. */
function weightsOf(names: readonly string[], { method, weights = {} }: FusionOptions): number[] {
  if (typeof weights !== 'object' || weights === null || Array.isArray(weights)) {
    throw invalidArgument('weights', 'an object such as { dense: 1, keywords: 0.5 }', weights);
  }
  for (const [name, weight] of Object.entries(weights)) {
    if (!names.includes(name)) {
      throw new CrossrankError(
        'ERR_INVALID_ARGUMENT',
        `weights has ${JSON.stringify(name)}, but there is no such list; there are ${names.join(', ') || 'none'}`,
      );
    }
    if (weight !== undefined && !(Number.isFinite(weight) && weight >= 0)) {
      throw invalidArgument(`weights.${name}`, 'a number of at least 0', weight);
    }
  }
  // Not a bare lookup: a list may be called "constructor".
  const all = names.map((name) => (Object.hasOwn(weights, name) ? weights[name] : undefined) ?? 1);
  const total = all.reduce((sum, weight) => sum + weight, 0);
  if (names.length > 0 && !(total > 0 && Number.isFinite(total))) {
    throw invalidArgument('weights', 'numbers with a finite sum above 0', weights);
  }
  return method === 'weighted' ? all.map((weight) => weight / total) : all;
}
