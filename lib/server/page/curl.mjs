// @ts-check

/** @typedef {import('./api.mjs').ApiEndpoint} ApiEndpoint */

/**
 * @typedef {object} CurlInput
 * @property {string} query
 * @property {string[]} documents
 * @property {number} [topK]
 * @property {ModelChoice | undefined} reranker
 * @property {ModelChoice | undefined} embedder
 *
 * @typedef {object} ModelChoice
 * @property {string} name
 * @property {boolean} isFirst - Whether it answers requests that name none
 * @property {boolean} nameMatters - Else any name is taken for it
 */

/** The longest body put into one argument: Linux takes 128 KiB in each. */
const LONGEST_ARGUMENT = 60_000;

const QUERY_FIELDS = new Set(['query', 'text_1', 'source_sentence']);
const DOCUMENT_FIELDS = new Set(['documents', 'texts', 'text_2', 'inputs', 'input', 'sentences']);
const TOP_FIELDS = new Set(['top_n', 'top_k']);

/**
 * The body that asks an API what was asked on the page. The server's own example of the API says which fields there are
 * and of what shape: texts and counts in it are exchanged, and the model where its name matters; anything else stays.
 * @param {ApiEndpoint} endpoint
 * @param {CurlInput} input
 * @returns {Record<string, unknown>}
 */
export function bodyFor(endpoint, input) {
  const { example, takesModel } = endpoint;
  const texts = isOfQuery(endpoint) ? [input.query] : input.documents;
  const body = exchanged(example, { ...input, documents: texts });
  const model = modelFor(endpoint, input);
  return takesModel && model?.nameMatters ? { ...body, model: model.name } : body;
}

/**
 * Whether an example embeds a query: it says so in one of its fields.
 * @param {ApiEndpoint} endpoint
 */
function isOfQuery({ kind, example }) {
  return (
    kind === 'embed' &&
    Object.values(example).some((value) => typeof value === 'string' && /\bquery$/.test(value))
  );
}

/**
 * @param {Record<string, unknown>} example
 * @param {CurlInput} input
 * @returns {Record<string, unknown>}
 */
function exchanged(example, input) {
  const { query, documents, topK = documents.length } = input;
  /** @type {Record<string, unknown>} */
  const body = {};
  for (const [field, value] of Object.entries(example)) {
    if (TOP_FIELDS.has(field)) body[field] = Math.min(topK, documents.length);
    else if (QUERY_FIELDS.has(field)) body[field] = query;
    else if (!DOCUMENT_FIELDS.has(field)) body[field] = value;
    else if (Array.isArray(value)) body[field] = documents;
    else body[field] = exchanged(/** @type {Record<string, unknown>} */ (value), input);
  }
  return body;
}

/**
 * @param {ApiEndpoint} endpoint
 * @param {CurlInput} input
 */
function modelFor({ kind }, { reranker, embedder }) {
  return kind === 'embed' ? embedder : reranker;
}

/**
 * What a person should know before the command does what the page did.
 * @param {ApiEndpoint} endpoint
 * @param {CurlInput} input
 * @param {string} api - As `--api` has it
 * @returns {string | undefined}
 */
export function noteFor(endpoint, input, api) {
  const model = modelFor(endpoint, input);
  if (model === undefined) return 'No model for this is served here.';
  if (!endpoint.takesModel && !endpoint.path.includes(':model') && !model.isFirst) {
    return 'This API does not name a model: the first one that is served answers.';
  }
  if (endpoint.isAmbiguous && model.nameMatters) {
    return `Other APIs have this path, too: the server takes this body for theirs unless it is started with --api ${api}.`;
  }
  return undefined;
}

/**
 * The call as a command for a POSIX shell. The key is not in it, only the name of a variable that has it.
 * @param {ApiEndpoint} endpoint
 * @param {CurlInput} input
 * @param {{ base: string, hasKey: boolean }} server - `base`: the address of the page
 */
export function curlCommand(endpoint, input, { base, hasKey }) {
  const model = modelFor(endpoint, input)?.name ?? 'model';
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
