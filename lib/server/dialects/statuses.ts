import type { FailureKind } from '../failure';

/** HTTP statuses of failures as most APIs have them; a dialect replaces those it has its own for. */
export const STATUSES: Readonly<Record<FailureKind, number>> = {
  malformed: 400,
  invalid: 400,
  'too-large': 413,
  'too-many': 400,
  'too-long': 400,
  'unknown-model': 404,
  unsupported: 422,
  unauthorized: 401,
  'not-found': 404,
  method: 405,
  'media-type': 415,
  'queue-full': 429,
  closing: 503,
  timeout: 504,
  internal: 500,
};
