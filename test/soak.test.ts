import { syntheticModel } from '../bench/synthetic';
import { makeTexts } from '../bench/texts';
import { runSoak, type SoakPlan } from '../bench/under-load/soak';
import { SoakCheck } from '../bench/under-load/soak-check';
import { type Candidates, candidatesOf, drawRequests, type SoakRequest } from '../bench/under-load/soak-plan';
import {
  CrossrankError,
  type LoadOptions,
  type RankedIndex,
  Reranker,
  type RerankerStats,
  type RerankResponse,
} from '../lib';
import { temporaryFolder } from './support/models';

const PLAN = { requests: 300, callers: 24, seed: 7, stallMs: 30_000 };

let folder: string;
let candidates: Candidates;

beforeAll(async () => {
  folder = syntheticModel('tiny', temporaryFolder());
  await using reranker = await Reranker.load(folder, { threads: 1 });
  candidates = candidatesOf(await makeTexts(reranker, 20, 10, { min: 5, max: 30 }), 40);
}, 60_000);

async function soak(options: LoadOptions, plan: Partial<SoakPlan> = {}) {
  await using reranker = await Reranker.load(folder, { threads: 2, ...options });
  return await runSoak(reranker, candidates, { ...PLAN, ...plan });
}

describe('requests that are aborted, time out or are let be', () => {
  test('each settle exactly once, with no wrong result, and no work lost or doubled', async () => {
    const { problems, counts } = await soak({});
    expect(problems).toEqual([]);
    const { complete, degraded, timedOut, aborted, refused, failed, settled } = counts;
    expect(settled).toBe(PLAN.requests);
    expect(complete + degraded + timedOut + aborted).toBe(PLAN.requests);
    expect({ refused, failed }).toEqual({ refused: 0, failed: 0 });
    expect(complete).toBeGreaterThanOrEqual(PLAN.requests / 3); // what nobody cuts short
    expect(aborted).toBeGreaterThan(0);
  }, 60_000);

  test('and share every pair, of which none is scored twice', async () => {
    const { problems, counts } = await soak({}, { unsharedShare: 0 });
    expect(problems).toEqual([]);
    expect(counts.cached).toBeGreaterThan(0);
  }, 60_000);

  test('and so do those that a full queue refuses', async () => {
    const { problems, counts } = await soak({ maxQueuedTokens: 1 });
    expect(problems).toEqual([]);
    expect(counts).toMatchObject({ settled: PLAN.requests, failed: 0 });
    expect(counts.refused).toBeGreaterThan(0);
    expect(counts.complete).toBeGreaterThan(0);
  }, 60_000);
});

test('a soak whose requests stay unanswered ends and tells how many', async () => {
  await using reranker = await Reranker.load(folder);
  // As if no call ever came back.
  const silent = {
    rerank: () => new Promise(() => {}),
    stats: () => reranker.stats(),
  } as unknown as Reranker;
  const { problems } = await runSoak(silent, candidates, { ...PLAN, stallMs: 50 });
  expect(problems).toContain(`${PLAN.requests} requests did not settle`);
});

test('the same seed draws the same requests, of every kind', () => {
  const draw = (seed: number) => Array.from({ length: 90 }, drawRequests(candidates, seed));
  expect(draw(3)).toEqual(draw(3));
  expect(draw(3)).not.toEqual(draw(4));
  const kinds = new Set(draw(3).map(({ fate, onTimeout }) => (fate === 'timeout' ? onTimeout : fate)));
  expect([...kinds].sort()).toEqual(['abort', 'error', 'inputOrder', 'partial', 'plain']);
  for (const { query, first, count } of draw(3)) {
    expect(query).toBeLessThan(candidates.queries.length);
    expect(count).toBeGreaterThan(0);
    expect(first + count).toBeLessThanOrEqual(candidates.each);
  }
});

describe('the check of the soak finds', () => {
  const request: SoakRequest = {
    ...{ query: 0, first: 0, count: 3, bulk: false, share: true, topK: undefined },
    ...{ fate: 'timeout', onTimeout: 'partial', at: 1 },
  };
  const place = (index: number, score: number): RankedIndex => ({
    ...{ index, score, truncated: false, tokensLost: 0 },
  });
  const response = (
    results: RankedIndex[],
    more: Partial<RerankResponse<RankedIndex>> = {},
  ): RerankResponse<RankedIndex> => ({
    ...{ results, degraded: false, scored: 3 },
    usage: { pairs: 3, windows: 3, cached: 0, tokens: 30, cachedTokens: 0 },
    ...{ timings: { tokenizeMs: 0, queueMs: 0, computeMs: 0, totalMs: 0 } },
    ...more,
  });
  const good = () => response([place(1, 0.75), place(0, 0.5), place(2, 0.25)]);
  const stats = (more: object = {}): RerankerStats => ({
    ...{ queue: { requests: 0, tokens: 0, maxTokens: 1 }, running: { chunks: 0, pairs: 0 } },
    requests: { ended: 1, refused: 0, failed: 0, aborted: 0, timedOut: 0, degraded: 0 },
    scored: { pairs: 3, tokens: 30, shared: 0, restarted: 0 },
    ...{ tokensPerSecond: 1, cache: { entries: 0, bytes: 0, hits: 0, misses: 0 } },
    endedRuns: { count: 0, meanMs: 0, maxMs: 0 },
    latencyMs: { queue: NO_TIMES, compute: NO_TIMES, total: NO_TIMES },
    sizes: { runPairs: NO_SIZES, runTokens: NO_SIZES, pairTokens: NO_SIZES },
    scores: [],
    ...more,
  });
  const NO_SIZES = { sum: 0, bins: [] };
  const NO_TIMES = { count: 0, p50: 0, p95: 0, p99: 0, max: 0 };

  function problems(act: (check: SoakCheck) => void, told?: RerankerStats): string[] {
    const check = new SoakCheck(candidates, 1);
    check.started(request);
    act(check);
    check.finish(told);
    return check.problems;
  }
  const answered = (with_: RerankResponse<RankedIndex>, asked = request) =>
    problems((check) => check.answered(0, asked, with_));

  test('nothing where all is well', () => {
    expect(problems((check) => check.answered(0, request, good()), stats())).toEqual([]);
  });

  test('a request that never settles, and one that settles twice', () => {
    expect(problems(() => {})).toEqual(['1 requests did not settle']);
    const twice = problems((check) => {
      check.answered(0, request, good());
      check.rejected(0, request, new CrossrankError('ERR_TIMEOUT', 'late'), false);
    });
    expect(twice).toContain('1 requests settled more than once');
  });

  test('results that are missing, doubled, out of range, unsorted or not numbers', () => {
    expect(answered(response([place(1, 0.75), place(0, 0.5)]))).toHaveLength(1);
    expect(answered(response([place(1, 0.75), place(1, 0.75), place(2, 0.25)]))).toHaveLength(1);
    expect(answered(response([place(1, 0.75), place(3, 0.5), place(2, 0.25)]))).toHaveLength(1);
    expect(answered(response([place(1, 0.5), place(0, 0.75), place(2, 0.25)]))).toHaveLength(1);
    expect(answered(response([place(1, 0.75), place(0, 0.5), place(2, Number.NaN)]))).not.toEqual([]);
  });

  test('a response that is degraded in the wrong way, or not asked to be', () => {
    const cut = response([place(2, 0.5), place(0, Number.NaN), place(1, Number.NaN)], {
      degraded: true,
      scored: 1,
    });
    expect(answered(cut)).toEqual([]);
    expect(answered({ ...cut, scored: 2 })).toHaveLength(1);
    expect(answered(cut, { ...request, fate: 'plain' })).toHaveLength(1);
    expect(answered(cut, { ...request, onTimeout: 'inputOrder' })).toHaveLength(1);
  });

  test('a pair that scores differently the second time', () => {
    const found = problems((check) => {
      check.answered(0, request, good());
      check.answered(0, request, response([place(1, 0.625), place(0, 0.5), place(2, 0.25)]));
    });
    expect(found.some((problem) => problem.includes('scored 0.75'))).toBe(true);
  });

  test('a failure that nobody asked for', () => {
    const failed = problems((check) =>
      check.rejected(0, request, new CrossrankError('ERR_RUNTIME', 'broken'), false),
    );
    expect(failed).toEqual(['request 0 (timeout) failed: broken']);
  });

  test.each([
    ['a request that ended twice', { requests: { ...stats().requests, ended: 2 } }],
    ['a request still waiting', { queue: { requests: 1, tokens: 9, maxTokens: 9 } }],
    ['a refusal that nobody got', { requests: { ...stats().requests, refused: 1 } }],
    ['an abort that nobody asked for', { requests: { ...stats().requests, aborted: 1 } }],
    ['a pair scored twice', { scored: { ...stats().scored, pairs: 4 } }],
    ['an answer without work', { scored: { ...stats().scored, pairs: 2 } }],
  ])('in stats, %s', (_, more) => {
    expect(problems((check) => check.answered(0, request, good()), stats(more))).not.toEqual([]);
  });
});
