import { CrossrankError } from '../errors';
import { type FailureKind, RequestFailure } from './failure';

/** Where the engine tells no better. */
const RETRY_AFTER_MS = 1000;
/** Of a client whose own fault it is, by the codes of fastify. */
const FRAMEWORK_FAILURES: Readonly<Record<string, [FailureKind, string]>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'media-type',
    'the body must be JSON: send content-type: application/json',
  ],
  FST_ERR_CTP_EMPTY_TYPE: ['media-type', 'the body must be JSON: send content-type: application/json'],
  FST_ERR_CTP_BODY_TOO_LARGE: ['too-large', 'the body is too large'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['malformed', 'the body is not as long as content-length says'],
  FST_ERR_BAD_URL: ['not-found', 'the address is not well formed'],
  FST_ERR_MAX_URL_LENGTH: ['not-found', 'the address is too long'],
};

/**
 * What a client is told of any error. Messages of the engine may name paths, so only those of refusals and of the
 * client's own mistakes are passed on; the rest is `internal`, with the error as its cause for the log.
 */
export function toFailure(error: unknown): RequestFailure {
  if (error instanceof RequestFailure) return error;
  if (error instanceof CrossrankError) return failureOfEngine(error);
  // Errors of fastify are made without `class`, so no check of a native error finds them.
  const { code } = (error ?? {}) as { code?: unknown };
  const known = typeof code === 'string' ? FRAMEWORK_FAILURES[code] : undefined;
  if (known !== undefined) return new RequestFailure(known[0], known[1], { cause: error });
  return new RequestFailure('internal', 'the server failed; its log tells why', { cause: error });
}

function failureOfEngine(error: CrossrankError): RequestFailure {
  switch (error.code) {
    case 'ERR_QUEUE_FULL':
      return new RequestFailure('queue-full', 'too much work waits already; come back later', {
        retryAfterMs: error.retryAfterMs ?? RETRY_AFTER_MS,
        cause: error,
      });
    case 'ERR_TIMEOUT':
      return new RequestFailure('timeout', 'the deadline of the request has passed', { cause: error });
    case 'ERR_CLOSED':
      return new RequestFailure('closing', 'the server is shutting down', { cause: error });
    case 'ERR_INVALID_ARGUMENT':
      return new RequestFailure('invalid', error.message, { cause: error });
    case 'ERR_DOWNLOAD':
    case 'ERR_MODEL_NOT_FOUND':
    case 'ERR_MODEL_INVALID':
    case 'ERR_MODEL_UNSUPPORTED':
    case 'ERR_PRECISION':
      return new RequestFailure(
        'internal',
        'the model cannot be loaded or run; the log of the server tells why',
        {
          cause: error,
        },
      );
    case 'ERR_MEMORY':
      return new RequestFailure('internal', 'the model does not fit into the memory that it may take', {
        cause: error,
      });
    default:
      return new RequestFailure('internal', 'the server failed; its log tells why', { cause: error });
  }
}
