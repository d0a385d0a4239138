// @ts-check
import { ApiError, fetchServed, rank } from './api.mjs';
import { CurlView } from './curl-view.mjs';
import { byId, counted, duration, make } from './dom.mjs';
import { EXAMPLES } from './examples.mjs';
import { RankForm } from './form.mjs';
import { ApiKey } from './key.mjs';
import { Lists } from './lists.mjs';
import { movement, rankingOf } from './ranking.mjs';
import { showTimings } from './timings.mjs';

/**
 * @typedef {import('./api.mjs').Served} Served
 * @typedef {import('./api.mjs').ServedModel} ServedModel
 * @typedef {import('./api.mjs').RankRequest} RankRequest
 * @typedef {import('./api.mjs').RankAnswer} RankAnswer
 */

const run = byId('run', HTMLButtonElement);
const cancel = byId('cancel', HTMLButtonElement);
const status = byId('status', HTMLElement);
const failure = byId('failure', HTMLElement);
const running = byId('running', HTMLElement);
const runningText = byId('running-text', HTMLElement);
const results = byId('results', HTMLElement);

const form = new RankForm();
const lists = new Lists();
const curl = new CurlView(byId('curl', HTMLElement));
const key = new ApiKey(() => learn());

/** @type {Served | undefined} */
let served;
/** Of the request that runs. @type {AbortController | undefined} */
let controller;

/** Asks the server what it serves. */
async function learn() {
  try {
    served = await fetchServed(key.value);
  } catch (error) {
    showFailure(error);
    return;
  }
  key.keep();
  hideFailure();
  form.offer(served);
  showFacts(served.models.find(({ task }) => task === 'rerank'));
}

/** @param {ServedModel | undefined} model */
function showFacts(model) {
  const facts = byId('model-facts', HTMLElement);
  if (model === undefined) {
    facts.textContent = 'No reranker is served here.';
    return;
  }
  const { name, precision, threads, parameters, maxLength, kernel } = model;
  const known = [
    name,
    ...(parameters ? [`${Math.round(parameters / 1e6) || '< 1'} M parameters`] : []),
    ...(precision ? [precision] : ['not loaded yet']),
    ...(kernel ? [kernel] : []),
    ...(threads ? [counted(threads, 'thread')] : []),
    ...(maxLength ? [`${maxLength} tokens a pair`] : []),
  ];
  facts.textContent = known.join(' · ');
}

async function start() {
  if (controller !== undefined) return;
  const request = form.read();
  if (request === undefined) return;
  controller = new AbortController();
  hideFailure();
  const stop = showRunning(request.documents.length);
  const started = performance.now();
  try {
    const answer = await rank(request, { key: key.value, signal: controller.signal });
    stop();
    key.keep();
    await showAnswer(request, answer, performance.now() - started);
  } catch (error) {
    stop();
    if (controller?.signal.aborted) status.textContent = 'Cancelled.';
    else showFailure(error);
  } finally {
    controller = undefined;
  }
}

/**
 * Shows that a request is on its way, and how long it has been.
 * @param {number} count
 * @returns {() => void} ends it
 */
function showRunning(count) {
  const started = performance.now();
  const text = `Ranking ${counted(count, 'document')}`;
  const show = () => {
    runningText.textContent = `${text} … ${((performance.now() - started) / 1000).toFixed(1)} s`;
  };
  show();
  status.textContent = `${text}.`;
  running.hidden = false;
  cancel.hidden = false;
  run.setAttribute('aria-disabled', 'true');
  results.setAttribute('aria-busy', 'true');
  const timer = setInterval(show, 100);
  return () => {
    clearInterval(timer);
    if (document.activeElement === cancel) run.focus();
    running.hidden = true;
    cancel.hidden = true;
    run.removeAttribute('aria-disabled');
    results.removeAttribute('aria-busy');
  };
}

/**
 * @param {RankRequest} request
 * @param {RankAnswer} answer
 * @param {number} elapsedMs
 */
async function showAnswer(request, answer, elapsedMs) {
  const ranking = rankingOf(answer, request.documents);
  byId('empty', HTMLElement).hidden = true;
  byId('answer', HTMLElement).hidden = false;
  showFacts(answer.model);
  showTimings(byId('timings', HTMLElement), answer, elapsedMs);
  if (served !== undefined) {
    const input = {
      query: request.query,
      documents: request.documents,
      ...(request.topK === undefined ? {} : { topK: request.topK }),
      reranker: choiceOf(served, 'rerank', answer.model.name),
      embedder: choiceOf(served, 'embed', undefined),
    };
    curl.show(served.apis, input, { base: document.baseURI, hasKey: key.value !== '' });
  }
  if (results.getBoundingClientRect().top > innerHeight / 2) results.scrollIntoView();
  await lists.show(answer, ranking, request.query);
  const [best] = ranking.reranked;
  const moved = best === undefined ? 0 : movement(best);
  const place = moved === 0 ? 'where it was first before' : `up ${moved}`;
  status.textContent =
    `${counted(request.documents.length, 'document')} ranked in ${duration(elapsedMs)}.` +
    (best === undefined ? '' : ` First is document ${best.index + 1}, ${place}.`);
}

/**
 * @param {Served} served
 * @param {'rerank' | 'embed'} task
 * @param {string | undefined} name - Undefined: the first
 */
function choiceOf({ models, namesMatter }, task, name) {
  const [first] = models.filter((model) => model.task === task);
  if (first === undefined) return undefined;
  const chosen = name ?? first.name;
  return { name: chosen, isFirst: chosen === first.name, nameMatters: namesMatter[task] };
}

/** @param {unknown} error */
function showFailure(error) {
  if (!(error instanceof ApiError)) throw error;
  if (error.kind === 'unauthorized') key.ask();
  failure.replaceChildren(make('strong', {}, sentence(error.message)), error.advice);
  failure.hidden = false;
  failure.scrollIntoView({ block: 'nearest' });
  status.textContent = '';
}

function hideFailure() {
  failure.hidden = true;
  failure.replaceChildren();
}

/** @param {string} message */
function sentence(message) {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?。]$/.test(text) ? text : `${text}.`;
}

byId('form', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  start();
});
cancel.addEventListener('click', () => controller?.abort());
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') controller?.abort();
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    start();
  }
});
for (const button of document.querySelectorAll('[data-example]')) {
  button.addEventListener('click', () => {
    const example = EXAMPLES[button.getAttribute('data-example') ?? ''];
    if (example !== undefined) form.fill(example);
    byId('query', HTMLTextAreaElement).focus();
  });
}
learn();
