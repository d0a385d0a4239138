import { type Spread, spreadOf } from '../../lib/statistics';
import { makeTexts, type TextSet } from '../texts';
import { inTurns } from '../turns';
import { CALLERS, DOCUMENTS, loadModel, type Settings, type Show, USUAL_LENGTH } from './scenario';

/** Many callers with few documents each against one caller with all of them. */
export interface Throughput {
  callers: number;
  /** Of both sides in a round: the same pairs. */
  pairs: number;
  tokensPerPair: number;
  /** Pairs a second, round by round. */
  rounds: { callers: number; oneCall: number }[];
  callersPerSecond: Spread;
  oneCallPerSecond: Spread;
  /** Callers over one call, round by round. */
  ratio: Spread;
}

const WARM_UP_DOCUMENTS = 32;

/** Each round has texts of its own, so that none repeats. */
export async function measureThroughput(settings: Settings, show: Show): Promise<Throughput> {
  await using reranker = await loadModel(settings);
  const { rounds: count } = settings;
  const all = await makeTexts(reranker, CALLERS * count, DOCUMENTS, USUAL_LENGTH);
  const setsOf = (round: number) => all.slice(round * CALLERS, (round + 1) * CALLERS);
  await reranker.predict(pairsOf(all).slice(0, WARM_UP_DOCUMENTS));

  let tokens = 0;
  const pairs = CALLERS * DOCUMENTS;
  const rate = async (work: () => Promise<unknown>) => {
    const started = performance.now();
    await work();
    return (pairs / (performance.now() - started)) * 1000;
  };
  const results = await inTurns(
    count,
    (round) =>
      rate(async () => {
        const calls = setsOf(round).map(({ query, documents }) =>
          reranker.rerank(query, documents, { topK: 10, returnDocuments: false }),
        );
        for (const { usage } of await Promise.all(calls)) tokens += usage.tokens;
      }),
    (round) => {
      const together = pairsOf(setsOf(round));
      return rate(() => reranker.predict(together));
    },
    (round) => show(round / count),
  );
  return {
    callers: CALLERS,
    pairs,
    tokensPerPair: tokens / (pairs * count),
    rounds: results.map(([callers, oneCall]) => ({ callers, oneCall })),
    callersPerSecond: spreadOf(results.map(([callers]) => callers)),
    oneCallPerSecond: spreadOf(results.map(([, oneCall]) => oneCall)),
    ratio: spreadOf(results.map(([callers, oneCall]) => callers / oneCall)),
  };
}

function pairsOf(sets: readonly TextSet[]): [string, string][] {
  return sets.flatMap(({ query, documents }) =>
    documents.map((document): [string, string] => [query, document]),
  );
}
