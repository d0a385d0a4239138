// @ts-check

/**
 * @typedef {import('./api.mjs').RankAnswer} RankAnswer
 * @typedef {import('./api.mjs').Result} Result
 *
 * @typedef {object} Place
 * @property {number} index - Of the document in the request, from 0
 * @property {string} text
 * @property {number} firstRank - From 1
 * @property {number | undefined} firstScore
 * @property {number | undefined} rank - After reranking; undefined: not among the results
 * @property {Result | undefined} result
 *
 * @typedef {object} Ranking
 * @property {Place[]} first - In the order of the first stage
 * @property {Place[]} reranked - Best first
 */

/**
 * Both orders of an answer.
 * @param {RankAnswer} answer
 * @param {readonly string[]} documents
 * @returns {Ranking}
 */
export function rankingOf({ firstStage, results }, documents) {
  /** @type {Place[]} */
  const places = documents.map((text, index) => ({
    index,
    text,
    firstRank: 0,
    firstScore: undefined,
    rank: undefined,
    result: undefined,
  }));
  const at = (/** @type {number} */ index) => /** @type {Place} */ (places[index]);
  const first = firstStage.order.map((index, i) => Object.assign(at(index), { firstRank: i + 1 }));
  firstStage.scores?.forEach((score, i) => {
    const place = first[i];
    if (place !== undefined) place.firstScore = score;
  });
  const reranked = results.map((result, i) => Object.assign(at(result.index), { rank: i + 1, result }));
  return { first, reranked };
}

/**
 * How far reranking moved a document: positive is up.
 * @param {Place} place
 */
export function movement({ firstRank, rank }) {
  return rank === undefined ? 0 : firstRank - rank;
}

/**
 * A function that turns scores into lengths of bars, from 0 to 1. What is between 0 and 1 anyway stays; scores without
 * such limits are spread over the bar, and the least one keeps a stub.
 * @param {readonly number[]} scores
 * @param {'unit' | 'positive' | 'open'} scale
 * @returns {(score: number) => number}
 */
export function barScale(scores, scale) {
  if (scale === 'unit') return (score) => Math.min(1, Math.max(0, score));
  let most = Number.NEGATIVE_INFINITY;
  let least = scale === 'positive' ? 0 : Number.POSITIVE_INFINITY;
  for (const score of scores) {
    most = Math.max(most, score);
    least = Math.min(least, score);
  }
  if (!(most > least)) return () => (scale === 'positive' ? 0 : 1);
  const stub = scale === 'positive' ? 0 : 0.03;
  return (score) => stub + (1 - stub) * ((score - least) / (most - least));
}

/**
 * @param {number} score
 * @param {'unit' | 'positive' | 'open'} scale
 */
export function scoreText(score, scale) {
  const least = scale === 'unit' ? 0.001 : 0.01;
  if (score !== 0 && Math.abs(score) < least) return score.toExponential(1).replaceAll('-', '−');
  return score.toFixed(scale === 'unit' ? 3 : 2).replace('-', '−');
}
