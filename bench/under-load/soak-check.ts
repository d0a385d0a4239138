import { CrossrankError, type RankedIndex, type RerankerStats, type RerankResponse } from '../../lib';
import { type Candidates, pairOf, type SoakRequest } from './soak-plan';

/** How requests ended, each counted once. */
export interface SoakCounts {
  settled: number;
  /** With all documents scored. */
  complete: number;
  /** Cut short, with a response. */
  degraded: number;
  timedOut: number;
  aborted: number;
  /** Of the aborted: before the call, so that the engine never saw them. */
  abortedBefore: number;
  refused: number;
  /** In any other way: a fault. */
  failed: number;
  /** Pairs of complete and degraded responses, and of them those that were scored and those not scored anew. */
  pairs: number;
  scored: number;
  cached: number;
  tokens: number;
}

const PROBLEMS_TOLD = 20;

/** Looks at every outcome, and at the end at whether they add up to what the engine has counted. */
export class SoakCheck {
  readonly counts: SoakCounts = {
    ...{
      settled: 0,
      complete: 0,
      degraded: 0,
      timedOut: 0,
      aborted: 0,
      abortedBefore: 0,
      refused: 0,
      failed: 0,
    },
    ...{ pairs: 0, scored: 0, cached: 0, tokens: 0 },
  };
  /** What was wrong; the first ones. */
  readonly problems: string[] = [];
  problemCount = 0;
  readonly #candidates: Candidates;
  /** Times that each request was settled. Lists have their size from the start: memory that grows is not ours. */
  readonly #settlements: Uint8Array;
  /** The first score that each pair got. */
  readonly #scores: Float32Array;
  /** Pairs that requests asked for which share work, each of which may be scored once. */
  readonly #shared: Uint8Array;
  /** Pairs of requests that share none, and are scored for each. */
  #unshared = 0;

  constructor(candidates: Candidates, requests: number) {
    this.#candidates = candidates;
    const pairs = candidates.queries.length * candidates.each;
    this.#settlements = new Uint8Array(requests).fill(0);
    this.#scores = new Float32Array(pairs).fill(Number.NaN);
    this.#shared = new Uint8Array(pairs).fill(0);
  }

  started({ query, first, count, share }: SoakRequest): void {
    if (!share) this.#unshared += count;
    else
      this.#shared.fill(
        1,
        pairOf(this.#candidates, query, first),
        pairOf(this.#candidates, query, first + count),
      );
  }

  answered(number: number, request: SoakRequest, response: RerankResponse<RankedIndex>): void {
    this.#settle(number);
    const { counts } = this;
    if (response.degraded) counts.degraded++;
    else counts.complete++;
    counts.pairs += response.usage.pairs;
    counts.scored += response.scored;
    counts.cached += response.usage.cached;
    counts.tokens += response.usage.tokens;
    for (const problem of problemsOf(request, response)) this.#report(`request ${number}: ${problem}`);
    for (const { index, score } of response.results) {
      if (Number.isNaN(score) || !(index >= 0 && index < request.count)) continue;
      const pair = pairOf(this.#candidates, request.query, request.first + index);
      const known = this.#scores[pair] as number;
      if (Number.isNaN(known)) this.#scores[pair] = score;
      else if (known !== score)
        this.#report(`request ${number}: a pair that scored ${known} before scores ${score}`);
    }
  }

  rejected(number: number, request: SoakRequest, error: unknown, aborted: boolean): void {
    this.#settle(number);
    const { counts } = this;
    const code = error instanceof CrossrankError ? error.code : undefined;
    if (aborted) {
      counts.aborted++;
      if (request.at < 0) counts.abortedBefore++;
    } else if (code === 'ERR_QUEUE_FULL') {
      counts.refused++;
    } else if (code === 'ERR_TIMEOUT' && request.fate === 'timeout' && request.onTimeout === 'error') {
      counts.timedOut++;
    } else {
      counts.failed++;
      this.#report(`request ${number} (${request.fate}) failed: ${(error as Error)?.message ?? error}`);
    }
  }

  /** @param stats - of a reranker that has had these requests alone; without them, settlements alone are checked */
  finish(stats?: RerankerStats): void {
    const unsettled = this.#settlements.filter((times) => times === 0).length;
    const twice = this.#settlements.filter((times) => times > 1).length;
    if (unsettled > 0) this.#report(`${unsettled} requests did not settle`);
    if (twice > 0) this.#report(`${twice} requests settled more than once`);
    if (stats === undefined) return;
    const { counts } = this;
    const equal = (what: string, told: number, counted: number) => {
      if (told !== counted) this.#report(`stats tell ${told} ${what}, and ${counted} were counted`);
    };
    // A request that was aborted while its texts were handed over never came to the engine. Refused ones are counted
    // apart: they were not admitted.
    const unseen = counts.aborted - stats.requests.aborted;
    equal('requests ended', stats.requests.ended, counts.settled - counts.refused - unseen);
    if (unseen < counts.abortedBefore)
      this.#report(
        `stats tell ${stats.requests.aborted} aborted, and ${unseen} of ${counts.abortedBefore} before the call`,
      );
    equal('timed out', stats.requests.timedOut, counts.timedOut + counts.degraded);
    equal('degraded', stats.requests.degraded, counts.degraded);
    equal('refused', stats.requests.refused, counts.refused);
    equal('failed', stats.requests.failed, counts.failed);
    equal('waiting requests', stats.queue.requests, 0);
    equal('waiting tokens', stats.queue.tokens, 0);
    this.#compareWork(stats);
  }

  /** Nothing is lost: what was answered was scored. Nothing is doubled: a pair that may be shared is scored once. */
  #compareWork({ scored, cache }: RerankerStats): void {
    const { counts } = this;
    const anew = counts.scored - counts.cached;
    if (scored.pairs < anew)
      this.#report(`stats tell ${scored.pairs} scored pairs, and ${anew} were answered`);
    const reused = scored.shared + cache.hits;
    if (reused < counts.cached)
      this.#report(`stats tell ${reused} pairs not scored anew, and ${counts.cached} were answered`);
    const distinct = this.#shared.filter((asked) => asked === 1).length;
    const most = distinct + this.#unshared;
    if (scored.pairs > most)
      this.#report(`stats tell ${scored.pairs} scored pairs, of ${most} at most that had to be`);
  }

  #settle(number: number): void {
    this.#settlements[number] = (this.#settlements[number] as number) + 1;
    this.counts.settled++;
  }

  #report(problem: string): void {
    this.problemCount++;
    if (this.problems.length < PROBLEMS_TOLD) this.problems.push(problem);
  }
}

function problemsOf(request: SoakRequest, response: RerankResponse<RankedIndex>): string[] {
  const { count, topK = count } = request;
  const { results, degraded, scored, usage } = response;
  const problems: string[] = [];
  const expect = (holds: boolean, otherwise: string) => {
    if (!holds) problems.push(otherwise);
  };
  const indexes = results.map(({ index }) => index);
  const finite = results.filter(({ score }) => Number.isFinite(score));
  expect(results.length === Math.min(topK, count), `${results.length} results of ${count} documents`);
  expect(
    indexes.every((index) => Number.isInteger(index) && index >= 0 && index < count),
    'an index out of range',
  );
  expect(new Set(indexes).size === indexes.length, 'an index twice');
  expect(usage.pairs === count, `${usage.pairs} pairs of ${count} documents`);
  expect(usage.cached <= scored, `${usage.cached} cached of ${scored} scored pairs`);
  if (!degraded) {
    expect(scored === count, `${scored} of ${count} documents scored, and not degraded`);
    expect(finite.length === results.length, 'a score that is not a number, and not degraded');
    expect(isDescending(results), 'results that are not sorted');
    return problems;
  }
  expect(request.fate === 'timeout' && request.onTimeout !== 'error', 'degraded, and not asked for');
  expect(scored < count, 'all documents scored, and degraded');
  if (topK >= count) expect(finite.length === scored, `${finite.length} scores, and ${scored} scored`);
  if (request.onTimeout === 'inputOrder') {
    expect(
      indexes.every((index, rank) => index === rank),
      'results that are not in input order',
    );
    return problems;
  }
  const rest = results.slice(finite.length);
  expect(isDescending(results.slice(0, finite.length)), 'scored results that are not sorted');
  expect(
    rest.every(({ score }) => Number.isNaN(score)),
    'a scored result behind one that is not',
  );
  expect(
    rest.every(({ index }, i) => i === 0 || (rest[i - 1] as RankedIndex).index < index),
    'the rest not in input order',
  );
  return problems;
}

function isDescending(results: readonly RankedIndex[]): boolean {
  return results.every(({ score }, i) => i === 0 || (results[i - 1] as RankedIndex).score >= score);
}
