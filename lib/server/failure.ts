/**
 * Why a request gets no answer. Each API has its own status and shape for these, see {@link Dialect.writeError}.
 *
 * - `malformed`: the body is no JSON object
 * - `invalid`: a field is missing, of the wrong type or out of range
 * - `too-large`: the body has more bytes than the server takes
 * - `too-many`: more documents, pairs or texts than the server takes
 * - `too-long`: a text has more tokens than the model takes, and was not to be cut
 * - `unknown-model`: no model of that name is served for what was asked
 * - `unsupported`: the model, or this server, cannot do what was asked
 * - `unauthorized`: no API key, or a wrong one
 * - `not-found`, `method`, `media-type`: no such path; not with this method; the body is not declared as JSON
 * - `queue-full`: too much waits already; come back after `retryAfterMs`
 * - `closing`: the server is shutting down
 * - `timeout`: the deadline of the request has passed
 * - `internal`: anything else; the message tells nothing of it, the log does
 */
export type FailureKind =
  | 'malformed'
  | 'invalid'
  | 'too-large'
  | 'too-many'
  | 'too-long'
  | 'unknown-model'
  | 'unsupported'
  | 'unauthorized'
  | 'not-found'
  | 'method'
  | 'media-type'
  | 'queue-full'
  | 'closing'
  | 'timeout'
  | 'internal';

/** A request that gets no answer; the message is for whoever sent it: no path, no stack. */
export class RequestFailure extends Error {
  readonly kind: FailureKind;
  /** Of the body, such as `documents` or `input.texts`. */
  readonly field: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(
    kind: FailureKind,
    message: string,
    { field, retryAfterMs, cause }: { field?: string; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'RequestFailure';
    this.kind = kind;
    this.field = field;
    this.retryAfterMs = retryAfterMs;
  }
}
