// @ts-check

import { FormatError, formatOfFile, readDocuments } from './documents.mjs';
import { byId, counted, make } from './dom.mjs';

/**
 * @typedef {import('./api.mjs').RankRequest} RankRequest
 * @typedef {import('./api.mjs').Served} Served
 * @typedef {import('./documents.mjs').DocumentFormat} DocumentFormat
 */

/** After the last key, before the documents are counted anew. */
const COUNT_DELAY_MS = 150;

/** Query, documents and options, as they are typed, pasted, dropped or opened. */
export class RankForm {
  #query = byId('query', HTMLTextAreaElement);
  #documents = byId('documents', HTMLTextAreaElement);
  #format = byId('format', HTMLSelectElement);
  #model = byId('model', HTMLSelectElement);
  #top = byId('top', HTMLInputElement);
  #long = byId('long', HTMLSelectElement);
  #count = byId('count', HTMLElement);
  #limits = { maxDocuments: Number.POSITIVE_INFINITY, maxBodyBytes: Number.POSITIVE_INFINITY };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #counting;

  constructor() {
    this.#documents.addEventListener('input', () => this.#countSoon());
    this.#format.addEventListener('change', () => this.#countNow());
    this.#query.addEventListener('input', () => problem(this.#query, ''));
    const file = byId('file', HTMLInputElement);
    byId('open', HTMLButtonElement).addEventListener('click', () => file.click());
    file.addEventListener('change', () => {
      this.#open(file.files?.[0]);
      file.value = ''; // the same file may be opened again
    });
    this.#acceptDrops(byId('drop', HTMLElement));
    this.#countNow();
  }

  /** @param {Served} served */
  offer({ models, limits }) {
    this.#limits = limits;
    const chosen = this.#model.value;
    const rerankers = models.filter(({ task }) => task === 'rerank').map(({ name }) => name);
    this.#model.replaceChildren(...rerankers.map((name) => make('option', { value: name }, name)));
    if (rerankers.includes(chosen)) this.#model.value = chosen;
    const embedder = radio('embedder');
    const served = models.find(({ task }) => task === 'embed');
    embedder.disabled = served === undefined;
    if (served === undefined && embedder.checked) radio('keywords').checked = true;
    const label = served === undefined ? 'Embedder (none is served)' : 'Embedder';
    byId('embedder-choice', HTMLElement).replaceChildren(embedder, ` ${label}`);
    this.#countNow();
  }

  /** @param {import('./examples.mjs').Example} example */
  fill({ query, documents }) {
    this.#query.value = query;
    this.#documents.value = documents.map((document) => document.replace(/\n\s*\n/g, '\n')).join('\n\n');
    this.#format.value = 'blocks';
    problem(this.#query, '');
    this.#countNow();
  }

  /**
   * What is asked, or undefined where something is missing: then that is said, and the field has the focus.
   * @returns {RankRequest | undefined}
   */
  read() {
    const query = this.#query.value.trim();
    if (query === '') return missing(this.#query, 'Type a query first.');
    const documents = this.#countNow();
    if (documents === undefined) return missing(this.#documents, undefined);
    if (documents.length === 0) return missing(this.#documents, 'Paste documents first, or load an example.');
    const top = this.#top.value.trim();
    if (this.#top.validity.badInput || (top !== '' && !(Number.isInteger(Number(top)) && Number(top) >= 1))) {
      this.#top.setAttribute('aria-invalid', 'true');
      return missing(this.#top, undefined);
    }
    this.#top.removeAttribute('aria-invalid');
    return {
      ...(this.#model.value === '' ? {} : { model: this.#model.value }),
      query,
      documents,
      firstStage: firstStage(),
      longDocuments: /** @type {RankRequest['longDocuments']} */ (this.#long.value),
      ...(top === '' ? {} : { topK: Number(top) }),
    };
  }

  #countSoon() {
    clearTimeout(this.#counting);
    this.#counting = setTimeout(() => this.#countNow(), COUNT_DELAY_MS);
  }

  /** @returns {string[] | undefined} undefined: they are not in the format that was chosen, or too many */
  #countNow() {
    clearTimeout(this.#counting);
    try {
      const documents = readDocuments(
        this.#documents.value,
        /** @type {DocumentFormat} */ (this.#format.value),
      );
      this.#count.textContent = documents.length === 0 ? 'none yet' : counted(documents.length, 'document');
      const tooMany = documents.length > this.#limits.maxDocuments;
      const limit = this.#limits.maxDocuments.toLocaleString('en');
      problem(this.#documents, tooMany ? `The server takes ${limit} documents at most.` : '');
      return tooMany ? undefined : documents;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#count.textContent = '';
      problem(this.#documents, `${error.message} Choose how the documents are separated.`);
      return undefined;
    }
  }

  /** @param {File | undefined} file */
  async #open(file) {
    if (file === undefined) return;
    if (file.size > this.#limits.maxBodyBytes) {
      const limit = Math.floor(this.#limits.maxBodyBytes / 2 ** 20);
      problem(this.#documents, `${file.name} is larger than the ${limit} MB that the server takes.`);
      return;
    }
    let text;
    try {
      text = await file.text();
    } catch {
      problem(this.#documents, `${file.name} cannot be read.`);
      return;
    }
    if (text.includes('\0')) {
      problem(this.#documents, `${file.name} is no text file.`);
      return;
    }
    this.#documents.value = text;
    this.#format.value = formatOfFile(file.name, text);
    this.#countNow();
  }

  /** @param {HTMLElement} target */
  #acceptDrops(target) {
    const hasFile = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files') === true;
    target.addEventListener('dragover', (event) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      target.classList.add('dragging');
    });
    target.addEventListener('dragleave', () => target.classList.remove('dragging'));
    target.addEventListener('drop', (event) => {
      target.classList.remove('dragging');
      if (!hasFile(event)) return;
      event.preventDefault();
      this.#open(event.dataTransfer?.files[0]);
    });
  }
}

/** @param {RankRequest['firstStage']} value */
function radio(value) {
  const found = document.querySelector(`input[name="first-stage"][value="${value}"]`);
  if (!(found instanceof HTMLInputElement)) throw new Error(`the page has no first stage ${value}`);
  return found;
}

function firstStage() {
  const all = /** @type {const} */ (['given', 'keywords', 'embedder']);
  return all.find((value) => radio(value).checked) ?? 'given';
}

/**
 * Says what is wrong with a field below it; empty: nothing is.
 * @param {HTMLElement} field
 * @param {string} message
 */
function problem(field, message) {
  byId(`${field.id}-problem`, HTMLElement).textContent = message;
  if (message === '') field.removeAttribute('aria-invalid');
  else field.setAttribute('aria-invalid', 'true');
}

/**
 * @param {HTMLElement} field
 * @param {string | undefined} message - Undefined: it has been said
 */
function missing(field, message) {
  if (message !== undefined) problem(field, message);
  field.focus();
  return undefined;
}
