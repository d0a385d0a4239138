// @ts-check

/**
 * @typedef {object} ServedModel
 * @property {string} name
 * @property {'rerank' | 'embed'} task
 * @property {boolean} loaded
 * @property {string} [precision]
 * @property {number} [threads]
 * @property {number} [parameters]
 * @property {number} [maxLength]
 * @property {string} [kernel]
 *
 * @typedef {object} ApiEndpoint
 * @property {string} path - `:model` in it takes a model's name
 * @property {string} summary
 * @property {'rank' | 'score' | 'embed'} kind
 * @property {Record<string, unknown>} example
 * @property {boolean} takesModel - Whether a body may name the model
 * @property {boolean} isAmbiguous - Whether only the model's name tells that a body is for this API
 *
 * @typedef {object} Api
 * @property {string} name
 * @property {string} title
 * @property {ApiEndpoint[]} endpoints
 *
 * @typedef {object} Served
 * @property {ServedModel[]} models
 * @property {Record<'rerank' | 'embed', boolean>} namesMatter - Else any name is taken for the one model
 * @property {Api[]} apis
 * @property {{ maxDocuments: number, maxBodyBytes: number }} limits
 *
 * @typedef {object} RankRequest
 * @property {string} [model]
 * @property {string} query
 * @property {string[]} documents
 * @property {'given' | 'keywords' | 'embedder'} firstStage
 * @property {'truncate' | 'window' | 'chunk'} longDocuments
 * @property {number} [topK]
 *
 * @typedef {object} Result
 * @property {number} index
 * @property {number} score
 * @property {boolean} truncated
 * @property {number} tokensLost
 * @property {number} [windows]
 * @property {{ start: number, end: number }} [span]
 *
 * @typedef {object} RankAnswer
 * @property {string} id
 * @property {ServedModel & { activation: 'sigmoid' | 'identity' }} model
 * @property {{ kind: 'given' | 'keywords' | 'embedder', model?: string, order: number[], scores: number[] | null }} firstStage
 * @property {Result[]} results
 * @property {{ pairs: number, windows: number, cached: number, tokens: number, cachedTokens: number }} usage
 * @property {{ firstStageMs: number, tokenizeMs: number, queueMs: number, computeMs: number, totalMs: number }} timings
 */

/** What kept an answer from coming, in words for a person. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {string} kind - As the server names it, or `network`
   * @param {number} [retryAfterSeconds]
   */
  constructor(message, kind, retryAfterSeconds) {
    super(message);
    this.name = 'ApiError';
    this.kind = kind;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  /** What the person can do about it. */
  get advice() {
    switch (this.kind) {
      case 'unauthorized':
        return 'Enter an API key of this server in the field “API key”, then run again.';
      case 'queue-full':
        return this.retryAfterSeconds === undefined
          ? 'The server has enough to do already. Wait a moment, then run again.'
          : `The server has enough to do already. Run again in ${this.retryAfterSeconds} s.`;
      case 'too-large':
      case 'too-many':
        return 'Send fewer or shorter documents.';
      case 'too-long':
        return 'Shorten the text, or choose “best chunk counts” for long documents.';
      case 'unknown-model':
        return 'Reload the page to see the models that are served now, and pick one of them.';
      case 'timeout':
        return 'Send fewer documents, or let the server have more time.';
      case 'closing':
        return 'The server is shutting down. Run again when it is back.';
      case 'network':
        return 'Check that crossrank serve is still running, then run again.';
      case 'internal':
        return 'The log of the server says what went wrong.';
      default:
        return 'Change what the message names, then run again.';
    }
  }
}

/**
 * @param {string} path - Relative: the page may be served below a prefix
 * @param {RequestInit} options
 * @param {string} key - Of the API; empty: none
 * @returns {Promise<unknown>}
 */
async function call(path, options, key) {
  const headers = new Headers(options.headers);
  if (key !== '') headers.set('authorization', `Bearer ${key}`);
  let response;
  let text;
  try {
    response = await fetch(path, { ...options, headers, cache: 'no-store', credentials: 'same-origin' });
    text = await response.text();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError('The server cannot be reached.', 'network');
  }
  const body = parsed(text);
  if (response.ok && body !== undefined) return body;
  const { kind = 'internal', message = `The server answered with status ${response.status}.` } =
    body?.error ?? {};
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  throw new ApiError(message, kind, Number.isFinite(seconds) ? seconds : undefined);
}

/**
 * @param {string} text
 * @returns {any}
 */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * What the server serves: models, APIs, limits.
 * @param {string} key
 */
export async function fetchServed(key) {
  return /** @type {Served} */ (await call('page/models', {}, key));
}

/**
 * @param {RankRequest} request
 * @param {{ key: string, signal: AbortSignal }} options
 */
export async function rank(request, { key, signal }) {
  const options = {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
    signal,
  };
  return /** @type {RankAnswer} */ (await call('page/rank', options, key));
}
