import { randomNumbers } from '../../lib/random';
import type { TextSet } from '../texts';

/** What is done to a request of the soak. */
export type Fate = 'plain' | 'abort' | 'timeout';

export const ON_TIMEOUT = ['error', 'partial', 'inputOrder'] as const;

/** One request, drawn at random. */
export interface SoakRequest {
  query: number;
  /** The first of its documents among the query's candidates, and how many. */
  first: number;
  count: number;
  bulk: boolean;
  /** Whether it uses the cache and shares work in flight. */
  share: boolean;
  topK: number | undefined;
  fate: Fate;
  onTimeout: (typeof ON_TIMEOUT)[number];
  /** When its abort or time-out comes: a factor of the usual time of a request; below 0 before the call. */
  at: number;
}

/** Queries with the candidates that a first stage would find for them: windows of one pool, which overlap. */
export interface Candidates {
  queries: readonly string[];
  documents: readonly string[];
  /** Candidates of a query. */
  each: number;
}

const STEP = 13;
const BULK_SHARE = 0.25;
/** Of the requests, so that work remains when the cache has seen every pair. */
const UNSHARED_SHARE = 1 / 3;
const TOP_K_SHARE = 0.2;
const ALL_CANDIDATES_SHARE = 0.02;
const USUAL_DOCUMENTS = 35;
const ABORTED_BEFORE_SHARE = 0.05;
const AT_ONCE_SHARE = 0.05;
/** Times the usual time of a request: about half come after the answer. */
const LATEST = 2;

export function candidatesOf(sets: readonly TextSet[], each: number): Candidates {
  return {
    queries: sets.map(({ query }) => query),
    documents: sets.flatMap(({ documents }) => documents),
    each,
  };
}

/** The pair's place in lists of all pairs. */
export function pairOf({ each }: Candidates, query: number, candidate: number): number {
  return query * each + candidate;
}

export function documentsOf(candidates: Candidates, { query, first, count }: SoakRequest): string[] {
  const { documents } = candidates;
  return Array.from(
    { length: count },
    (_, i) => documents[(query * STEP + first + i) % documents.length] as string,
  );
}

/** The n-th call gives the n-th request, whatever has happened meanwhile. */
export function drawRequests(
  { queries, each }: Candidates,
  seed: number,
  unsharedShare = UNSHARED_SHARE,
): () => SoakRequest {
  const random = randomNumbers(seed);
  const fates: readonly Fate[] = ['plain', 'abort', 'timeout'];
  let drawn = 0;
  return () => {
    const number = drawn++;
    // Few queries are asked often, and most requests are small.
    const query = Math.floor(random() ** 3 * queries.length);
    const size = 1 + Math.floor(random() ** 2 * USUAL_DOCUMENTS);
    const count = Math.min(each, random() < ALL_CANDIDATES_SHARE ? each : size);
    const first = Math.floor(random() * (each - count + 1));
    const bulk = random() < BULK_SHARE;
    const share = random() >= unsharedShare;
    const topK = random() < TOP_K_SHARE ? 1 + Math.floor(random() * 10) : undefined;
    const fate = fates[number % fates.length] as Fate;
    const onTimeout = ON_TIMEOUT[
      Math.floor(number / fates.length) % ON_TIMEOUT.length
    ] as (typeof ON_TIMEOUT)[number];
    const moment = random();
    const at =
      moment < ABORTED_BEFORE_SHARE
        ? -1
        : moment < ABORTED_BEFORE_SHARE + AT_ONCE_SHARE
          ? 0
          : random() * LATEST;
    return { query, first, count, bulk, share, topK, fate, onTimeout, at };
  };
}
