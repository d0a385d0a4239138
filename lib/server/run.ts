import { orAbort, withDeadline } from '../deadline';
import type { Embedder } from '../embedder';
import type { Reranker } from '../reranker';
import type { Tokenizer } from '../tokenize';
import type { Answer, Call, EmbedCall, RankCall, ScoreCall } from './calls';
import { RequestFailure } from './failure';
import type { ModelPool } from './model-pool';
import type { Served } from './served';

/** What a call brings along of its request. */
export interface Circumstances {
  pool: ModelPool;
  maxDocuments: number;
  /** Tokens of a pair or text; undefined: as many as the model reads. */
  maxLength: number | undefined;
  /** On the clock of `performance.now()`. */
  deadline: number;
  /** Aborted when the client has gone or the server ends. */
  signal: AbortSignal;
  /** Is filled in. */
  served: Served;
}

/**
 * One call on the engine, which admits or refuses it as a whole.
 * @throws RequestFailure, CrossrankError, or the signal's reason
 */
export async function runCall(call: Call, circumstances: Circumstances): Promise<Answer> {
  const { served, maxDocuments } = circumstances;
  served.operation = call.kind;
  served.items = itemsOf(call);
  if (served.items > maxDocuments) {
    const what = { rank: 'documents', score: 'pairs', embed: 'texts' }[call.kind];
    throw new RequestFailure(
      'too-many',
      `${served.items} ${what} are more than the ${maxDocuments} of a request`,
    );
  }
  switch (call.kind) {
    case 'rank':
      return rank(call, circumstances);
    case 'score':
      return score(call, circumstances);
    case 'embed':
      return embed(call, circumstances);
  }
}

function itemsOf(call: Call): number {
  if (call.kind === 'rank') return call.documents.length;
  return call.kind === 'score' ? call.pairs.length : (call.counted ?? call.texts.length);
}

async function rank(call: RankCall, circumstances: Circumstances): Promise<Answer> {
  const { served, signal } = circumstances;
  const { model, reranker } = await loaded(circumstances, (pool) => pool.reranker(call.model));
  served.model = model.name;
  const maxLength = lengthOf(call, reranker, circumstances);
  if (call.tooLong === 'refuse') {
    const pairs = call.documents.map((document) => [call.query, document] as const);
    await refuseLongPairs(pairs, maxLength, reranker);
  }
  const { results, usage, timings, degraded } = await reranker.rerank(call.query, call.documents, {
    returnDocuments: false,
    // What was cut may be any of them.
    ...(call.topK === undefined || call.tooLong === 'refuse' ? {} : { topK: call.topK }),
    maxLength,
    scores: call.scores,
    timeoutMs: timeLeft(circumstances),
    signal,
  });
  if (call.tooLong === 'refuse') {
    const lost = results.map(({ tokensLost }) => tokensLost);
    refuseCut(lost, maxLength);
  }
  Object.assign(served, { tokens: allTokens(usage), cached: usage.cached, degraded, timings });
  const best = results.slice(0, call.topK);
  served.scores = scoreSummary(best.map((result) => result.score));
  return { kind: 'rank', model: model.name, id: served.id, results: best, tokens: allTokens(usage) };
}

async function score(call: ScoreCall, circumstances: Circumstances): Promise<Answer> {
  const { served, signal } = circumstances;
  const { model, reranker } = await loaded(circumstances, (pool) => pool.reranker(call.model));
  served.model = model.name;
  const maxLength = lengthOf(call, reranker, circumstances);
  if (call.tooLong === 'refuse') await refuseLongPairs(call.pairs, maxLength, reranker);
  const { scores, tokensLost, usage, timings } = await reranker.score(call.pairs, {
    maxLength,
    scores: call.scores,
    timeoutMs: timeLeft(circumstances),
    signal,
  });
  if (call.tooLong === 'refuse') refuseCut(tokensLost, maxLength);
  Object.assign(served, { tokens: allTokens(usage), cached: usage.cached, timings });
  served.scores = scoreSummary(scores);
  return { kind: 'score', model: model.name, id: served.id, scores, tokens: allTokens(usage) };
}

async function embed(call: EmbedCall, circumstances: Circumstances): Promise<Answer> {
  const { served, signal } = circumstances;
  const { model, embedder } = await loaded(circumstances, (pool) => pool.embedder(call.model));
  served.model = model.name;
  const { dimension } = embedder.space;
  const { dimensions = dimension } = call;
  if (!(Number.isInteger(dimensions) && dimensions >= 1 && dimensions <= dimension)) {
    throw new RequestFailure('invalid', `dimensions must be an integer from 1 to ${dimension}`, {
      field: 'dimensions',
    });
  }
  const maxLength = lengthOf(call, embedder, circumstances);
  if (call.tooLong === 'refuse') await refuseLongTexts(call, maxLength, embedder);
  const { embeddings, tokensLost, usage, timings } = await embedder.embedWithUsage(call.texts, {
    ...(call.role === undefined ? {} : { kind: call.role }),
    maxLength,
    timeoutMs: timeLeft(circumstances),
    signal,
  });
  if (call.tooLong === 'refuse') refuseCut(tokensLost, maxLength);
  Object.assign(served, { tokens: allTokens(usage), cached: usage.cached, timings });
  const cut = dimensions === dimension ? embeddings : embeddings.map((each) => each.subarray(0, dimensions));
  if (call.normalize || dimensions < dimension) cut.forEach(scaleToUnit);
  return { kind: 'embed', model: model.name, id: served.id, embeddings: cut, tokens: allTokens(usage) };
}

/** The same for the same request, whether its scores were there already or not. */
export function allTokens({ tokens, cachedTokens }: { tokens: number; cachedTokens: number }): number {
  return tokens + cachedTokens;
}

/** A load may take longer than this request has time; it goes on for the next one. */
export function loaded<R>(circumstances: Circumstances, find: (pool: ModelPool) => Promise<R>): Promise<R> {
  const { pool, signal } = circumstances;
  return withDeadline(signal, timeLeft(circumstances), (within) => orAbort(find(pool), within));
}

/** @throws RequestFailure with `timeout` */
export function timeLeft({ deadline }: Circumstances): number {
  const left = deadline - performance.now();
  if (left > 0) return left;
  throw new RequestFailure('timeout', 'the deadline of the request has passed');
}

/**
 * Tokens that are read of each pair or text: what the request names, and no more than the server or the model takes. A token
 * of either text is read in any case.
 */
export function lengthOf(
  call: Pick<Call, 'maxTokens'>,
  model: Reranker | Embedder,
  { maxLength }: Pick<Circumstances, 'maxLength'>,
): number {
  return Math.max(
    model.info().specialTokens + 2,
    Math.min(
      call.maxTokens ?? readLength(model),
      maxLength ?? Number.POSITIVE_INFINITY,
      model.info().maxLength,
    ),
  );
}

/** Tokens that a model reads by itself: a reranker all that it can, an embedder as many as it was trained for. */
function readLength(model: Reranker | Embedder): number {
  const info = model.info();
  return 'defaultMaxLength' in info ? info.defaultMaxLength : info.maxLength;
}

/**
 * UTF-8 bytes that a UTF-16 unit has at most: no tokenizer makes more tokens of them than that, but of ligatures, which
 * normalisation writes out. What is too long for these alone is found by {@link refuseCut}.
 */
const BYTES_PER_UNIT = 3;

async function refuseLongPairs(
  pairs: readonly (readonly [query: string, document: string])[],
  limit: number,
  reranker: Reranker,
): Promise<void> {
  const { specialTokens } = reranker.info();
  const room = limit - specialTokens;
  const long = pairs.filter(([query, document]) => (query.length + document.length) * BYTES_PER_UNIT > room);
  if (long.length === 0) return;
  const counts = await tokenCounts(reranker, long.flat());
  for (const [query, document] of long) {
    const tokens = (counts.get(query) as number) + (counts.get(document) as number);
    if (tokens > room) throw tooLong(tokens + specialTokens, limit);
  }
}

async function refuseLongTexts({ texts, role }: EmbedCall, limit: number, embedder: Embedder): Promise<void> {
  const info = embedder.info();
  const prefix = role === undefined ? '' : info.prefixes[role];
  const room = limit - info.specialTokens;
  const long = texts.filter((text) => (prefix.length + text.length) * BYTES_PER_UNIT > room);
  if (long.length === 0) return;
  const prefixed = long.map((text) => prefix + text);
  for (const tokens of (await tokenCounts(embedder, prefixed)).values()) {
    if (tokens > room) throw tooLong(tokens + info.specialTokens, limit);
  }
}

/** Each text once. */
async function tokenCounts(tokenizer: Tokenizer, texts: readonly string[]): Promise<Map<string, number>> {
  const distinct = [...new Set(texts)];
  const tokens = await tokenizer.tokenize(distinct);
  return new Map(distinct.map((text, i) => [text, tokens[i]?.ids.length ?? 0]));
}

/** @param tokensLost - Of each pair or text */
function refuseCut(tokensLost: Iterable<number>, limit: number): void {
  for (const lost of tokensLost) if (lost > 0) throw tooLong(limit + lost, limit);
}

function tooLong(tokens: number, limit: number): RequestFailure {
  return new RequestFailure(
    'too-long',
    `a text of ${tokens} tokens is longer than the ${limit} that are read`,
  );
}

function scaleToUnit(vector: Float32Array): void {
  let squares = 0;
  for (const value of vector) squares += value * value;
  if (squares === 0) return;
  const scale = 1 / Math.sqrt(squares);
  for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] as number) * scale;
}

export function scoreSummary(scores: ArrayLike<number>): Served['scores'] {
  const count = scores.length;
  if (count === 0) return undefined;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const score = scores[i] as number;
    min = Math.min(min, score);
    max = Math.max(max, score);
    sum += score;
  }
  return { count, min, max, mean: sum / count };
}
