import { tracingChannel } from 'node:diagnostics_channel';

/** What a subscriber of `tracing:crossrank:call:*` gets: the same object at every step of a call. */
export interface CallTrace {
  method: 'rerank' | 'predict' | 'embed';
  /** Folder of the model. */
  model: string;
  /** (query, document) pairs of the call; of `embed`, texts. */
  pairs: number;
  priority: 'interactive' | 'bulk';
  /** Once the call has ended: its answer, of `predict` that of `score`, of `embed` that of `embedWithUsage`. */
  result?: unknown;
  /** Once the call has failed. */
  error?: unknown;
}

/** What a subscriber of `tracing:crossrank:load:*` gets. */
export interface LoadTrace {
  /** Folder of the model; of one of the hub its name, as it was given: its download is a part of the load. */
  model: string;
  /** Once the model is loaded: the `Reranker` or `Embedder`. */
  result?: unknown;
  error?: unknown;
}

const calls = tracingChannel<string, CallTrace>('crossrank:call');
const loads = tracingChannel<string, LoadTrace>('crossrank:load');

type Channels = typeof calls | typeof loads;

function isHeard({ start, end, asyncStart, asyncEnd, error }: Channels): boolean {
  return [start, end, asyncStart, asyncEnd, error].some((channel) => channel.hasSubscribers);
}

/** Runs a call and tells those who listen; `describe` is only called where somebody does. */
export function traceCall<T>(describe: () => CallTrace, run: () => Promise<T>): Promise<T> {
  return isHeard(calls) ? calls.tracePromise(run, describe()) : run();
}

/** As {@link traceCall}, for a load. */
export function traceLoad<T>(model: string, run: () => Promise<T>): Promise<T> {
  return isHeard(loads) ? loads.tracePromise(run, { model }) : run();
}
