import { monitorEventLoopDelay } from 'node:perf_hooks';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

const RESOLUTION_MS = 10;
const NS_PER_SECOND = 1e9;

let metrics: Registry | undefined;

/** Those of Node.js and the operating system: of the process, however many servers run in it. */
export function processMetrics(): Registry {
  metrics ??= collect();
  return metrics;
}

function collect(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  // prom-client leaves it out where several processes are added up; the newest start shows that one began anew.
  Object.assign(registry.getSingleMetric('process_start_time_seconds') ?? {}, { aggregator: 'max' });
  eventLoopDelay(registry);
  return registry;
}

/**
 * How late timers are. Node's histogram holds the whole time between two of them, of which the resolution is no delay:
 * `nodejs_eventloop_lag_*` shows 10 ms where there is none.
 */
function eventLoopDelay(registry: Registry): void {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  const gauge = (name: string, what: string) =>
    new Gauge({
      name: `crossrank_event_loop_delay_${name}_seconds`,
      help: `${what} of the delay of the event loop since the last look; of several workers, the slowest`,
      aggregator: 'max',
      registers: [registry],
    });
  const p50 = gauge('p50', 'P50');
  const p99 = gauge('p99', 'P99');
  const max = gauge('max', 'Most');
  const seconds = (ns: number) => Math.max(0, ns / NS_PER_SECOND - RESOLUTION_MS / 1000);
  // One collector for the three, since it also starts anew.
  Object.assign(p50, {
    collect: () => {
      if (histogram.count === 0) return;
      p50.set(seconds(histogram.percentile(50)));
      p99.set(seconds(histogram.percentile(99)));
      max.set(seconds(histogram.max));
      histogram.reset();
    },
  });
}
