import type { IncomingHttpHeaders } from 'node:http';
import { RequestFailure } from './failure';

/** Header of ours: milliseconds from the arrival of the request to its answer. */
export const TIMEOUT_HEADER = 'x-timeout-ms';

/**
 * When a request has to be answered, on the clock of `performance.now()`.
 *
 * The client says it in `x-timeout-ms`; that it does not mean to wait longer is also known from
 * `x-stainless-timeout` (seconds; the clients of OpenAI and others that are made the same way send it) and
 * `x-envoy-expected-rq-timeout-ms` (Envoy and the meshes built on it). The shortest counts, and none beyond `maxTimeoutMs`.
 *
 * @param arrived - `performance.now()` when the head of the request was here
 * @throws RequestFailure with `invalid` where `x-timeout-ms` is no positive number; the others are not the caller's to fix
 */
export function deadlineOf(
  headers: IncomingHttpHeaders,
  arrived: number,
  { timeoutMs, maxTimeoutMs }: { timeoutMs: number; maxTimeoutMs: number },
): number {
  const own = headers[TIMEOUT_HEADER];
  const ownMs = own === undefined ? undefined : positive(own);
  if (own !== undefined && ownMs === undefined) {
    throw new RequestFailure(
      'invalid',
      `the header ${TIMEOUT_HEADER} takes a positive number of milliseconds`,
      {
        field: TIMEOUT_HEADER,
      },
    );
  }
  const seconds = positive(headers['x-stainless-timeout']);
  const named = [
    ownMs,
    seconds === undefined ? undefined : seconds * 1000,
    positive(headers['x-envoy-expected-rq-timeout-ms']),
  ].filter((ms) => ms !== undefined);
  const allowedMs = named.length === 0 ? timeoutMs : Math.min(...named);
  return arrived + Math.min(allowedMs, maxTimeoutMs);
}

function positive(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string' || !/^\d{1,12}(\.\d{1,6})?$/.test(header)) return undefined;
  const value = Number(header);
  return value > 0 ? value : undefined;
}
