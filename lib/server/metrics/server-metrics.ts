import { AggregatorRegistry, Gauge, Registry } from 'prom-client';
import type { ModelPool } from '../model-pool';
import type { RequestEnd } from '../request-end';
import { EngineMetrics } from './engine-metrics';
import { processMetrics } from './process-metrics';
import { RequestMetrics } from './request-metrics';
import { TeiMetrics } from './tei-metrics';

/** All metrics of one process, as it sends them to another: plain data. */
export type MetricPart = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** The metrics of a server, in a registry of their own. */
export class ServerMetrics {
  /** Of what {@link text} and {@link combine} write: the Prometheus text format 0.0.4. */
  static readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;

  readonly #registry = new Registry();
  readonly #requests = new RequestMetrics(this.#registry);
  readonly #tei = new TeiMetrics(this.#registry);
  readonly #engines: EngineMetrics;

  /** @param version - Of the package */
  constructor(pool: ModelPool, version: string) {
    this.#engines = new EngineMetrics(this.#registry, pool);
    const build = new Gauge({
      name: 'crossrank_build_info',
      help: 'What runs here; always 1',
      labelNames: ['version', 'node', 'platform'],
      aggregator: 'first',
      registers: [this.#registry],
    });
    build.set({ version, node: process.versions.node, platform: `${process.platform}-${process.arch}` }, 1);
    const processes = new Gauge({
      name: 'crossrank_processes',
      help: 'Processes that answer requests; more than 1 with --workers',
      registers: [this.#registry],
    });
    processes.set(1);
    processMetrics();
  }

  /** A request has come; {@link ended} has to follow. */
  started(): void {
    this.#requests.started();
  }

  ended(end: RequestEnd): void {
    this.#requests.ended(end);
    this.#tei.ended(end.served);
    if (end.served.model !== undefined) this.#engines.note(end.served.model);
  }

  async text(): Promise<string> {
    this.#engines.publish();
    return Registry.merge([this.#registry, processMetrics()]).metrics();
  }

  /** What {@link combine} adds up with that of other processes. */
  async part(): Promise<MetricPart> {
    this.#engines.publish();
    return Registry.merge([this.#registry, processMetrics()]).getMetricsAsJSON();
  }

  close(): void {
    this.#engines.close();
  }

  /** The metrics of several processes as one: sums, but for the percentiles, of which the worst is shown. */
  static combine(parts: readonly MetricPart[]): Promise<string> {
    return AggregatorRegistry.aggregate([...parts]).metrics();
  }
}
