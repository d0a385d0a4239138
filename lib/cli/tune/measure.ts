import type { RunningPrecision } from '../../precision/scorer';
import type { Reranker } from '../../reranker';
import { type Spread, spreadOf } from '../../statistics';
import type { Workload } from '../bench/workload';

export interface Combination {
  precision: RunningPrecision;
  threads: number;
  maxTokensPerChunk: number;
}

export interface Measured extends Combination {
  pairsPerSecond: Spread;
}

/** A visit lasts at least so long: fast models are asked again until it is over. */
export const VISIT_MS = 300;
const WARM_UP_DOCUMENTS = 4;

/**
 * Pairs a second of every combination in every round. Combinations take turns within a round and each round starts at
 * another, so that a machine that slows down for a while slows all of them. One engine is loaded at a time.
 */
export async function measureAll(
  combinations: readonly Combination[],
  rounds: number,
  load: (combination: Combination) => Promise<Reranker>,
  workload: Workload,
  onProgress: (combination: Combination, done: number) => void,
): Promise<Measured[]> {
  const rates = combinations.map((): number[] => []);
  const visits = rounds * combinations.length;
  for (let round = 0, visit = 0; round < rounds; round++) {
    const first = Math.floor((round * combinations.length) / rounds);
    for (let i = 0; i < combinations.length; i++, visit++) {
      const which = (first + i) % combinations.length;
      const combination = combinations[which] as Combination;
      onProgress(combination, visit / visits);
      await using reranker = await load(combination);
      rates[which]?.push(await pairsPerSecond(reranker, workload));
    }
  }
  return combinations.map((each, i) => ({ ...each, pairsPerSecond: spreadOf(rates[i] as number[]) }));
}

/** Measures a loaded model, after a warm-up that pages its memory in. */
export async function pairsPerSecond(reranker: Reranker, workload: Workload): Promise<number> {
  const { query, documents, maxLength } = workload;
  const options = { maxLength, returnDocuments: false, cache: false } as const;
  const warmUp = documents.slice(0, WARM_UP_DOCUMENTS * reranker.info().threads);
  await reranker.rerank(query, warmUp, options);
  const started = performance.now();
  for (let pairs = 0; ; ) {
    await reranker.rerank(query, documents, options);
    pairs += documents.length;
    const elapsedMs = performance.now() - started;
    if (elapsedMs >= VISIT_MS) return (pairs / elapsedMs) * 1000;
  }
}
