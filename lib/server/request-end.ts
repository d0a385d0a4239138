import type { Served } from './served';

/** A request that has ended, as metrics, log and traces are told of it. */
export interface RequestEnd {
  served: Served;
  /** Of the answer; {@link CLIENT_GONE} where the client went away before it was sent. */
  status: number;
  /** From the head of the request to the end of its answer. */
  durationMs: number;
  /** What made it fail, where it is known; for its span. */
  error?: unknown;
}

/** The status of a request that nobody waits for any more, as nginx has it. */
export const CLIENT_GONE = 499;
