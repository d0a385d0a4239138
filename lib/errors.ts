/**
 * Every error this package throws or rejects with, other than an `AbortError`.
 *
 * - `ERR_INVALID_ARGUMENT`: an argument or option is wrong; the message names it, what was expected and what came.
 * - `ERR_MODEL_NOT_FOUND`: there is no model folder there, or files that every model needs are missing.
 * - `ERR_MODEL_INVALID`: model files are broken or contradict each other.
 * - `ERR_MODEL_UNSUPPORTED`: the model is sound, but this version does not run it.
 * - `ERR_PRECISION`: this CPU lacks what the precision needs, or the model loses too much by it.
 * - `ERR_MEMORY`: the model does not fit into `memoryBudget`.
 * - `ERR_CLOSED`: the reranker has been disposed.
 * - `ERR_RUNTIME`: ONNX Runtime is missing, too old, or failed.
 * - `ERR_NATIVE_LOAD`: the native addon does not load on this machine.
 */
export type ErrorCode =
  | 'ERR_INVALID_ARGUMENT'
  | 'ERR_MODEL_NOT_FOUND'
  | 'ERR_MODEL_INVALID'
  | 'ERR_MODEL_UNSUPPORTED'
  | 'ERR_PRECISION'
  | 'ERR_MEMORY'
  | 'ERR_CLOSED'
  | 'ERR_RUNTIME'
  | 'ERR_NATIVE_LOAD';

/** An error with a `code` to branch on and a message that says what to do. */
export class CrossrankError extends Error {
  /** What kind of error this is; see {@link ErrorCode}. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'CrossrankError';
    this.code = code;
  }
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
