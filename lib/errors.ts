/**
 * Every error this package throws or rejects with, other than an `AbortError`.
 *
 * - `ERR_INVALID_ARGUMENT`: an argument or option is wrong; the message names it, what was expected and what came.
 * - `ERR_MODEL_NOT_FOUND`: there is no model folder there, or files that every model needs are missing.
 * - `ERR_MODEL_INVALID`: model files are broken or contradict each other.
 * - `ERR_MODEL_UNSUPPORTED`: the model is sound, but this version does not run it.
 * - `ERR_PRECISION`: this CPU lacks what the precision needs, or the model loses too much by it.
 * - `ERR_QUEUE_FULL`: too much work waits already; the error has `queuedRequests`, `queuedTokens` and `retryAfterMs`.
 * - `ERR_TIMEOUT`: the call's `timeoutMs` passed before all pairs were scored.
 * - `ERR_MEMORY`: the model does not fit into `memoryBudget`.
 * - `ERR_CLOSED`: the reranker, embedder or store has been disposed or closed.
 * - `ERR_STORE`: a store cannot be reached or failed; the message tells what to check.
 * - `ERR_STORE_MISMATCH`: a store was made with another embedding model or dimension.
 * - `ERR_INDEX_INVALID`: an index file is broken, or none of ours.
 * - `ERR_DATASET_INVALID`: a corpus, a run, queries or qrels cannot be read; the message names file and line.
 * - `ERR_MISSING_PACKAGE`: an optional package is not installed; the message has the command that installs it.
 * - `ERR_PACKAGE_VERSION`: an optional package is of a version that this one does not work with; the message has the command
 * that installs one that does.
 * - `ERR_ENDPOINT`: a model behind HTTP cannot be reached or refused a call; the message has the status and what to check.
 * - `ERR_DOWNLOAD`: a model cannot be fetched from the hub, or what came is not what was announced; the message has what to check.
 * - `ERR_REDIS`: Redis, which bulk jobs go through, cannot be reached or refuses; the message has what to do.
 * - `ERR_QUEUE_MISMATCH`: a queue of bulk jobs is for another model, or for another version of this package.
 * - `ERR_OUTPUT`: results cannot be written, or what is there is of other work; what was done is kept.
 * - `ERR_RUNTIME`: ONNX Runtime is missing, too old, or failed.
 * - `ERR_NATIVE_LOAD`: the native addon does not load on this machine.
 */
export type ErrorCode =
  | 'ERR_INVALID_ARGUMENT'
  | 'ERR_MODEL_NOT_FOUND'
  | 'ERR_MODEL_INVALID'
  | 'ERR_MODEL_UNSUPPORTED'
  | 'ERR_PRECISION'
  | 'ERR_QUEUE_FULL'
  | 'ERR_TIMEOUT'
  | 'ERR_MEMORY'
  | 'ERR_CLOSED'
  | 'ERR_STORE'
  | 'ERR_STORE_MISMATCH'
  | 'ERR_INDEX_INVALID'
  | 'ERR_DATASET_INVALID'
  | 'ERR_MISSING_PACKAGE'
  | 'ERR_PACKAGE_VERSION'
  | 'ERR_ENDPOINT'
  | 'ERR_DOWNLOAD'
  | 'ERR_REDIS'
  | 'ERR_QUEUE_MISMATCH'
  | 'ERR_OUTPUT'
  | 'ERR_RUNTIME'
  | 'ERR_NATIVE_LOAD';

/** What an `ERR_QUEUE_FULL` tells beside its message. */
export interface QueueDepth {
  /** Requests that were admitted and have not ended. */
  queuedRequests?: number;
  /** Tokens left of them. */
  queuedTokens?: number;
  /** Estimate of when enough of them will be done, from the speed measured so far. */
  retryAfterMs?: number;
}

/** An error with a `code` to branch on and a message that says what to do. */
export class CrossrankError extends Error implements QueueDepth {
  /** What kind of error this is; see {@link ErrorCode}. */
  readonly code: ErrorCode;
  /** Only of `ERR_QUEUE_FULL`; see {@link QueueDepth}. */
  declare readonly queuedRequests?: number;
  /** Only of `ERR_QUEUE_FULL`; see {@link QueueDepth}. */
  declare readonly queuedTokens?: number;
  /** Only of `ERR_QUEUE_FULL`; see {@link QueueDepth}. */
  declare readonly retryAfterMs?: number;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown } & QueueDepth) {
    const { cause, ...depth } = options ?? {};
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CrossrankError';
    this.code = code;
    Object.assign(this, depth);
  }
}

/** What an error says; of anything else that was thrown, what it is. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** "Expected a string for query but received 42 of type number" */
export function invalidArgument(name: string, expected: string, received: unknown): CrossrankError {
  return new CrossrankError(
    'ERR_INVALID_ARGUMENT',
    `Expected ${expected} for ${name} but received ${describe(received)}`,
  );
}

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'undefined';
  if (typeof value === 'string')
    return `${JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)} of type string`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'object') return Array.isArray(value) ? 'an array' : 'an object';
  return `${String(value)} of type ${typeof value}`;
}
