import { CrossrankError } from '../errors';
import { randomNumbers } from '../random';
import type { Dataset } from './dataset';
import type { EvaluatedQuery, FirstStage } from './first-stage';
import type { Plan } from './options';

/** A query with the documents that are to be ranked for it. */
export interface Candidates {
  query: EvaluatedQuery;
  /** Best first, as the first stage found them. */
  ids: string[];
  texts: string[];
}

/** What {@link gatherCandidates} found. */
export interface Gathered {
  candidates: Candidates[];
  /** Found documents that the corpus does not have. */
  unknown: number;
}

/** The judged queries, or `count` of them drawn with the seed; in the order of the data set either way. */
export function judgedQueries(
  { queries, qrels }: Dataset,
  count: number | undefined,
  seed: number,
): EvaluatedQuery[] {
  const judged = [...queries].filter(([id]) => qrels.has(id)).map(([id, text]) => ({ id, text }));
  if (count === undefined || count >= judged.length) return judged;
  const random = randomNumbers(seed);
  const drawn = judged.map((_, i) => i);
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random() * (drawn.length - i));
    [drawn[i], drawn[j]] = [drawn[j] as number, drawn[i] as number];
  }
  return drawn
    .slice(0, count)
    .sort((a, b) => a - b)
    .map((i) => judged[i] as EvaluatedQuery);
}

/**
 * Asks the first stage for every query, then reads the corpus once for the texts of what was found: no other text is kept.
 * @throws {@link CrossrankError} with `ERR_DATASET_INVALID`: a found document is not in the corpus, and `unknown` is
 * `'error'`
 */
export async function gatherCandidates(
  dataset: Dataset,
  firstStage: FirstStage,
  queries: readonly EvaluatedQuery[],
  { depths, unknown, signal, onProgress }: Plan,
): Promise<Gathered> {
  const topK = depths.at(-1) as number;
  const found: { query: EvaluatedQuery; ids: string[] }[] = [];
  for (const query of queries) {
    signal?.throwIfAborted();
    onProgress('retrieve', found.length, queries.length);
    const hits = await firstStage.retrieve(query, topK, signal);
    found.push({ query, ids: uniqueIds(query, hits.slice(0, topK)) });
  }
  const texts = await textsOf(dataset, new Set(found.flatMap(({ ids }) => ids)), signal, onProgress);
  let missing = 0;
  const candidates = found.map(({ query, ids }) => {
    const known = ids.filter((id) => texts.has(id));
    if (known.length < ids.length && unknown === 'error') {
      const id = ids.find((each) => !texts.has(each));
      throw new CrossrankError(
        'ERR_DATASET_INVALID',
        `the first stage found ${JSON.stringify(id)} for query ${JSON.stringify(query.id)}, which the corpus of ` +
          `${dataset.name} does not have; use the corpus that it searched, or pass unknown: 'ignore' ` +
          '(--unknown ignore) to leave such documents out',
      );
    }
    missing += ids.length - known.length;
    return { query, ids: known, texts: known.map((id) => texts.get(id) as string) };
  });
  return { candidates, unknown: missing };
}

function uniqueIds({ id: query }: EvaluatedQuery, hits: readonly { id: string }[]): string[] {
  const ids = new Set(hits.map(({ id }) => id));
  if (ids.size === hits.length) return [...ids];
  throw new CrossrankError(
    'ERR_INVALID_ARGUMENT',
    `the first stage found a document twice for query ${JSON.stringify(query)}; each may stand once in a ranking`,
  );
}

async function textsOf(
  dataset: Dataset,
  wanted: ReadonlySet<string>,
  signal: AbortSignal | undefined,
  onProgress: Plan['onProgress'],
): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  if (wanted.size === 0) return texts;
  for await (const { id, text } of dataset.documents()) {
    signal?.throwIfAborted();
    if (!wanted.has(id)) continue;
    texts.set(id, text);
    onProgress('read', texts.size, wanted.size);
    if (texts.size === wanted.size) break;
  }
  return texts;
}
