import { CrossrankError } from '../errors';
import type { RankedDocument, RankedIndex, RerankResponse } from '../response';
import { type CascadeOptions, type CascadeStage, readCascadeOptions } from './cascade-options';
import { type Ranker, type RankOptions, readRankCall } from './ranker';

/** Timers fire up to so much early or late; a stage that has no more left than this is not begun. */
const TIMER_RESOLUTION_MS = 1;

/** A document's place in the answer to {@link Cascade.rerank}. */
export interface CascadedDocument<T> extends RankedDocument<T> {
  /** Of the last stage that scored it, and on that stage's scale; so is everything else that a ranker tells of it. */
  score: number;
  /**
   * Number of that stage, from 0. Only scores of results with the same `stage` can be compared. Where time was over
   * before any stage scored the document, it is 0, and the score NaN.
   */
  stage: number;
  /** Its score at every stage that was given it, from the first on; NaN where that stage did not score it. */
  stageScores: number[];
}

/** What the ranker of a stage answered beside its results; also what it adds of its own, such as `windows`. */
export interface StageReport extends Omit<RerankResponse<never>, 'results'> {
  /** Documents that the stage was given. */
  documents: number;
  [more: string]: unknown;
}

/** The answer to {@link Cascade.rerank}. */
export interface CascadeResponse<R> extends RerankResponse<R> {
  /**
   * Best first: what the last stage that ran was given, in its order; then what the stage before sorted out, in that
   * stage's order; and so on to the first stage. So scores fall within each `stage`, but not from one to the next.
   */
  results: R[];
  /** Whether time was over or a stage failed before the cascade's end, or a stage's own answer is degraded. */
  degraded: boolean;
  /** Documents that the first stage scored. */
  scored: number;
  /** Sums over all stages. */
  usage: RerankResponse<R>['usage'];
  /** Sums over all stages; `totalMs` from the call to its answer. */
  timings: RerankResponse<R>['timings'];
  /** The stages that ran to their end, in their order. */
  stages: StageReport[];
  /**
   * Why no further stage ran: it was the last one, `margin` found the order decided, `timeoutMs` passed, or the next
   * stage failed. In the latter two the results are in the order of the stage before.
   */
  endedBy: 'lastStage' | 'decided' | 'timeout' | 'error';
  /** What the failed stage rejected with, where `endedBy` is `'error'`. */
  error?: unknown;
}

/** A document on its way through the stages. */
interface Place {
  index: number;
  stage: number;
  stageScores: number[];
  /** What the stage said of it, with whatever its ranker tells beside the score. */
  result: Omit<RankedIndex, 'index'>;
}

type Ended = Pick<CascadeResponse<never>, 'endedBy' | 'error'>;

const NOT_SCORED = { score: Number.NaN, truncated: false, tokensLost: 0 };

/** A call on its way. */
interface Run<T> {
  query: string;
  texts: readonly string[];
  options: RankOptions<T>;
  started: number;
  /** All documents, best first as far as is known. */
  places: Place[];
  reports: StageReport[];
}

/**
 * Ranks in stages: a cheap model on all documents, a stronger one on those that it found best, and so on. Wang et al.
 * 2011, "A cascade ranking model for efficient ranked retrieval", SIGIR, is where the idea comes from.
 *
 * A cascade does not own its rankers: dispose of them yourself.
 */
export class Cascade implements Ranker {
  readonly #stages: readonly CascadeStage[];
  readonly #onError: 'error' | 'previousStage';

  /** @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` */
  constructor(options: CascadeOptions) {
    const { stages, onError } = readCascadeOptions(options);
    this.#stages = stages;
    this.#onError = onError;
  }

  /**
   * Ranks documents by how well they answer a query.
   *
   * `timeoutMs` is for all stages together. When it passes in the first one, that ranker answers as `onTimeout` says;
   * when it passes in a later one, `'partial'` and `'inputOrder'` both give the order of the last stage that ended.
   * `minScore` is on the scale of the last stage: what that did not score is left out, and no stage is skipped.
   *
   * @throws {@link CrossrankError} with `ERR_INVALID_ARGUMENT` or `ERR_TIMEOUT`; what a stage rejects with, unless
   * `onError` says otherwise; the reason of `signal` when that is aborted
   */
  async rerank<T extends string | object>(
    query: string,
    documents: readonly T[],
    options: RankOptions<T> = {},
  ): Promise<CascadeResponse<CascadedDocument<T>>> {
    const started = performance.now();
    const { texts, kept } = readRankCall(query, documents, options);
    const places = texts.map((_, index): Place => ({ index, stage: 0, stageScores: [], result: NOT_SCORED }));
    const run: Run<T> = { query, texts, options, started, places, reports: [] };
    return this.#response(run, kept, await this.#runStages(run));
  }

  async #runStages<T>(run: Run<T>): Promise<Ended> {
    const last = this.#stages.length - 1;
    let candidates = run.texts.length;
    for (const [number, stage] of this.#stages.entries()) {
      const early = await this.#runStage(run, number, candidates);
      if (early !== undefined) return early;
      if (number === last) break;
      candidates = survivorsOf(stage, candidates);
      if (candidates === 0 || isDecided(run, stage, candidates)) return { endedBy: 'decided' };
    }
    return { endedBy: 'lastStage' };
  }

  /** Puts the first `candidates` in the stage's order, or tells why it could not and the cascade ends here. */
  async #runStage<T>(run: Run<T>, number: number, candidates: number): Promise<Ended | undefined> {
    const { signal, priority, timeoutMs, onTimeout } = run.options;
    signal?.throwIfAborted();
    const left = timeoutMs === undefined ? undefined : timeoutMs - (performance.now() - run.started);
    if (number > 0 && left !== undefined && left <= TIMER_RESOLUTION_MS) {
      return this.#endByTimeout(number, run);
    }
    const texts = run.places.slice(0, candidates).map(({ index }) => run.texts[index] as string);
    const { ranker } = this.#stages[number] as CascadeStage;
    try {
      const answer = await ranker.rerank(run.query, texts, {
        signal,
        priority,
        timeoutMs: left === undefined ? undefined : Math.max(left, TIMER_RESOLUTION_MS),
        onTimeout: number === 0 ? onTimeout : 'error',
      });
      takeAnswer(run, number, candidates, answer);
      return undefined;
    } catch (error) {
      signal?.throwIfAborted();
      if (number === 0 || error instanceof BrokenContract) throw error;
      if (left !== undefined && (error as { code?: unknown })?.code === 'ERR_TIMEOUT') {
        return this.#endByTimeout(number, run, error);
      }
      if (this.#onError === 'error') throw error;
      return { endedBy: 'error', error };
    }
  }

  #endByTimeout<T>(number: number, { options }: Run<T>, cause?: unknown): Ended {
    if (options.onTimeout === 'partial' || options.onTimeout === 'inputOrder') return { endedBy: 'timeout' };
    const message = `timeoutMs passed in stage ${number + 1} of ${this.#stages.length}`;
    throw new CrossrankError('ERR_TIMEOUT', message, { cause });
  }

  #response<T>(
    { places, reports, options, started }: Run<T>,
    documents: readonly T[],
    ended: Ended,
  ): CascadeResponse<CascadedDocument<T>> {
    const { topK, minScore } = options;
    const last = this.#stages.length - 1;
    const sum = (figure: (report: StageReport) => number) =>
      reports.reduce((total, report) => total + figure(report), 0);
    return {
      results: places
        .filter(({ stage, result }) => minScore === undefined || (stage === last && result.score >= minScore))
        .slice(0, topK)
        .map(({ result, ...place }) => ({ ...result, ...place, document: documents[place.index] as T })),
      degraded:
        ended.endedBy === 'timeout' || ended.endedBy === 'error' || reports.some(({ degraded }) => degraded),
      scored: reports[0]?.scored ?? 0,
      usage: {
        pairs: sum(({ usage }) => usage.pairs),
        windows: sum(({ usage }) => usage.windows),
        cached: sum(({ usage }) => usage.cached),
        tokens: sum(({ usage }) => usage.tokens),
        cachedTokens: sum(({ usage }) => usage.cachedTokens),
      },
      timings: {
        tokenizeMs: sum(({ timings }) => timings.tokenizeMs),
        queueMs: sum(({ timings }) => timings.queueMs),
        computeMs: sum(({ timings }) => timings.computeMs),
        totalMs: performance.now() - started,
      },
      stages: reports,
      ...ended,
    };
  }
}

/** A ranker answered with results that name no document, or one twice. No option hides that. */
class BrokenContract extends CrossrankError {}

/** How many of a stage's documents go on. */
function survivorsOf({ keep = 1 }: CascadeStage, candidates: number): number {
  if (keep >= 1) return Math.min(keep, candidates);
  const share = Math.ceil(keep * candidates - 1e-9); // 0.07 of 100 is 7.000000000000001
  return Math.max(share, Math.min(candidates, 1));
}

/** Brings the candidates into the order of a stage's results; what these leave out follows in the order it had. */
function takeAnswer<T>(
  run: Run<T>,
  number: number,
  candidates: number,
  { results, ...report }: RerankResponse<RankedDocument<string>>,
): void {
  const before = run.places.slice(0, candidates);
  const left = new Set(before);
  const after = results.map(({ index, document: _, ...result }) => {
    const place = before[index];
    if (place === undefined || !left.delete(place)) {
      const what = `stages[${number}].ranker answered index ${index}, twice or of ${candidates} documents`;
      throw new BrokenContract(
        'ERR_INVALID_ARGUMENT',
        `${what}; a Ranker names different documents of the call`,
      );
    }
    place.stageScores[number] = result.score;
    if (!Number.isNaN(result.score)) Object.assign(place, { stage: number, result });
    return place;
  });
  for (const place of left) place.stageScores[number] = Number.NaN;
  run.places.splice(0, candidates, ...after, ...left);
  run.reports.push({ ...report, documents: candidates });
}

/** Whether a stage has decided the answer so clearly that the next one is not asked; see {@link CascadeStage.margin}. */
function isDecided<T>(
  { places, reports, options }: Run<T>,
  { margin, marginOf = 'order' }: CascadeStage,
  survivors: number,
): boolean {
  if (margin === undefined || options.minScore !== undefined || reports.at(-1)?.degraded) return false;
  if (survivors === 1) return true;
  const { topK = survivors } = options;
  if (marginOf === 'set' && topK >= survivors) return false;
  // The ranks, from 1, that have to lead the next survivor.
  const first = marginOf === 'set' ? topK : 1;
  const last = Math.min(topK, survivors - 1);
  for (let rank = first; rank <= last; rank++) {
    const lead = (places[rank - 1] as Place).result.score - (places[rank] as Place).result.score;
    if (!(lead >= margin)) return false; // NaN leads nothing
  }
  return true;
}
