import type { Summary } from '../../lib/statistics';
import type { Held } from './held';
import type { ServeResult, Small, Throughput } from './measure';

const MB = 1024 * 1024;

export function serveReport({ machine, model, throughput, small, held }: ServeResult): string {
  const { precision, threads } = model.info;
  const name = `${model.name}${model.synthetic ? ' (random weights)' : ''}`;
  const parts = [
    `${machine.cpu}, ${machine.usableProcessors} processors, Node.js ${machine.node}\n` +
      `${name}, ${precision}, ${threads} threads; crossrank serve and the library in turns`,
  ];
  if (throughput !== undefined) parts.push(throughputReport(throughput));
  if (small !== undefined) parts.push(smallReport(small));
  if (held !== undefined) parts.push(heldReport(held));
  return parts.join('\n\n');
}

function throughputReport({ callers, documents, rounds, ratio }: Throughput): string {
  const best = (side: 'library' | 'served') => Math.max(...rounds.map((round) => round[side])).toFixed(0);
  return (
    `Throughput, ${callers} requests of ${documents} documents at a time\n` +
    `  library ${best('library')} pairs/s at best, served ${best('served')}; ` +
    `served / library ${ratio.median.toFixed(3)} (${ratio.min.toFixed(3)}-${ratio.max.toFixed(3)})`
  );
}

function smallReport({ rounds, overheadMs }: Small): string {
  const { median, min, max } = overheadMs;
  const first = rounds[0] as Small['rounds'][number];
  return (
    'One small request at a time, one document\n' +
    `  P50 in the first round: library ${first.libraryP50Ms.toFixed(2)} ms, served ${first.servedP50Ms.toFixed(2)} ms; ` +
    `HTTP adds ${median.toFixed(2)} ms (${min.toFixed(2)}-${max.toFixed(2)})`
  );
}

function heldReport(held: Held): string {
  const { connections, seconds, pairs, statuses, latencyMs, healthMs, residentBytes } = held;
  const counts = Object.entries(statuses).map(([status, count]) => `${count} x ${status}`);
  return (
    `${connections} connections held for ${seconds.toFixed(0)} s, 1 to 100 documents a request\n` +
    `  ${counts.join(', ')}; ${(pairs / seconds).toFixed(0)} pairs/s\n` +
    `  answered in ${quantiles(latencyMs)}\n` +
    `  /health meanwhile ${quantiles(healthMs)}, at most ${healthMs.max.toFixed(1)} ms, ${healthMs.count} times\n` +
    `  resident memory ${memory(residentBytes)}`
  );
}

function quantiles({ p50, p95, p99 }: Summary): string {
  return `P50 ${p50.toFixed(1)}, P95 ${p95.toFixed(1)}, P99 ${p99.toFixed(1)} ms`;
}

/** At a quarter, at half and at the end. */
function memory(bytes: readonly number[]): string {
  const at = (share: number) => ((bytes[Math.floor((bytes.length - 1) * share)] as number) / MB).toFixed(0);
  return `${at(0)} MB after the first second, ${at(0.25)} MB at a quarter, ${at(0.5)} MB at half, ${at(1)} MB at the end`;
}
