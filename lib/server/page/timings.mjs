// @ts-check
import { counted, duration, make } from './dom.mjs';

/** @typedef {import('./api.mjs').RankAnswer} RankAnswer */

const STAGES = /** @type {const} */ ([
  ['first', 'first stage'],
  ['tokenize', 'tokenize'],
  ['queue', 'queue'],
  ['compute', 'compute'],
  ['rest', 'rest of the server'],
  ['network', 'network and browser'],
]);

/**
 * Where the time went: a bar of stages, and their numbers.
 * @param {HTMLElement} target
 * @param {RankAnswer} answer
 * @param {number} elapsedMs - From the click to the answer, as the page saw it
 */
export function showTimings(target, { timings, usage, model }, elapsedMs) {
  const { firstStageMs, tokenizeMs, queueMs, computeMs, totalMs } = timings;
  const known = firstStageMs + tokenizeMs + queueMs + computeMs;
  const times = {
    first: firstStageMs,
    tokenize: tokenizeMs,
    queue: queueMs,
    compute: computeMs,
    rest: Math.max(0, totalMs - known), // stages may overlap
    network: Math.max(0, elapsedMs - totalMs),
  };
  const bar = make('div', { class: 'stages', 'aria-hidden': 'true' });
  const legend = make('dl', { class: 'legend' }, entry('total', 'total', elapsedMs));
  for (const [name, title] of STAGES) {
    const part = make('span', { class: `stage-${name}` });
    part.style.setProperty('--share', String(times[name]));
    if (times[name] > 0) bar.append(part);
    legend.append(entry(`stage-${name}`, title, times[name]));
  }
  const used = [
    counted(usage.pairs, 'pair'),
    ...(usage.windows > usage.pairs ? [counted(usage.windows, 'window')] : []),
    `${counted(usage.tokens, 'token')} computed`,
    ...(usage.cached > 0 ? [`${usage.cached.toLocaleString('en')} from the cache`] : []),
    ...(computeMs > 0 && usage.tokens > 0 ? [`${speed(usage, computeMs)} pairs/s`] : []),
    model.name,
  ];
  target.replaceChildren(bar, legend, make('p', { class: 'help usage' }, used.join(' · ')));
}

/**
 * @param {RankAnswer['usage']} usage
 * @param {number} computeMs
 */
function speed({ windows, cached }, computeMs) {
  return Math.round(((windows - cached) / computeMs) * 1000).toLocaleString('en');
}

/**
 * @param {string} name
 * @param {string} title
 * @param {number} ms
 */
function entry(name, title, ms) {
  return make('div', { class: name }, make('dt', {}, title), make('dd', {}, duration(ms)));
}
