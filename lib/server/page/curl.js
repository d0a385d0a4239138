// @ts-check

/** @typedef {import('./api.js').ApiEndpoint} ApiEndpoint */

/**
 * @typedef {object} CurlInput
 * @property {string} query
 * @property {string[]} documents
 * @property {number} [topK]
 * @property {string} [reranker] - Name of the model that ranks
 * @property {string} [embedder] - Name of the model that embeds
 */

/** The longest body put into one argument: Linux takes 128 KiB in each. */
const LONGEST_ARGUMENT = 60_000;

const QUERY_FIELDS = new Set(['query', 'text_1', 'queries']);
const DOCUMENT_FIELDS = new Set(['documents', 'texts', 'text_2', 'inputs', 'input', 'passages', 'items']);
const TOP_FIELDS = new Set(['top_n', 'top_k', 'topK', 'top']);

/**
 * The body that asks an API what was asked on the page. The server's own example of the API says which fields there are
 * and of what shape: texts, model and count in it are exchanged, anything else stays.
 * @param {ApiEndpoint} endpoint
 * @param {CurlInput} input
 * @returns {Record<string, unknown>}
 */
export function bodyFor(endpoint, input) {
  /** @type {Record<string, unknown>} */
  const body = {};
  for (const [field, value] of Object.entries(endpoint.example)) {
    body[field] = exchanged(field, value, endpoint, input);
  }
  return body;
}

/**
 * @param {string} field
 * @param {unknown} value
 * @param {ApiEndpoint} endpoint
 * @param {CurlInput} input
 * @returns {unknown}
 */
function exchanged(field, value, endpoint, input) {
  const { query, documents, topK = documents.length } = input;
  if (field === 'model') return modelFor(endpoint, input) ?? value;
  if (TOP_FIELDS.has(field) && typeof value === 'number') return Math.max(1, Math.min(topK, documents.length));
  if (QUERY_FIELDS.has(field) && typeof value === 'string') return query;
  if (!DOCUMENT_FIELDS.has(field)) return value;
  if (Array.isArray(value)) return documents.map((document) => shaped(value[0], query, document));
  if (typeof value === 'string') return documents[0] ?? value;
  return typeof value === 'object' && value !== null
    ? bodyFor({ ...endpoint, example: /** @type {Record<string, unknown>} */ (value) }, input)
    : value;
}

/**
 * A document as the example has one: a string, an object with `text`, or with `text` and `text_pair`, or a pair.
 * @param {unknown} pattern
 * @param {string} query
 * @param {string} document
 * @returns {unknown}
 */
function shaped(pattern, query, document) {
  if (Array.isArray(pattern)) return [query, document];
  if (typeof pattern !== 'object' || pattern === null) return document;
  if ('text_pair' in pattern) return { ...pattern, text: query, text_pair: document };
  return { ...pattern, text: document };
}

/**
 * @param {ApiEndpoint} endpoint
 * @param {CurlInput} input
 */
function modelFor({ kind }, { reranker, embedder }) {
  return kind === 'embed' ? embedder : reranker;
}

/**
 * The call as a command for a POSIX shell. The key is not in it, only the name of a variable that has it.
 * @param {ApiEndpoint} endpoint
 * @param {CurlInput} input
 * @param {{ base: string, hasKey: boolean }} server - `base`: the address of the page
 */
export function curlCommand(endpoint, input, { base, hasKey }) {
  const model = modelFor(endpoint, input) ?? '';
  const path = endpoint.path.replace(':model', model.split('/').map(encodeURIComponent).join('/'));
  const lines = [`curl -sS ${quoted(new URL(path.replace(/^\//, ''), base).href)}`];
  lines.push("-H 'content-type: application/json'");
  if (hasKey) lines.push('-H "authorization: Bearer $CROSSRANK_API_KEY"');
  const json = visible(JSON.stringify(bodyFor(endpoint, input), null, 2));
  const long = json.length > LONGEST_ARGUMENT;
  lines.push(long ? `--data-binary @- <<'JSON'\n${json}\nJSON` : `--data-raw ${quoted(json)}`);
  return lines.join(' \\\n  ');
}

/**
 * One word for the shell, whatever is in it.
 * @param {string} text
 */
export function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Characters that reorder or hide what stands beside them become escapes: a command should do what it seems to.
 * @param {string} json
 */
function visible(json) {
  return json.replace(
    /[\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
