import { percentile, type Spread, spreadOf } from '../../lib/statistics';
import type { Machine } from '../machine';
import type { Agreement } from './agreement';
import type { PrecisionClass } from './arguments';
import type { Probe, RoundResult } from './contest';

/** A contender that ran every round. */
export interface Measured {
  name: string;
  peer: string;
  precision: PrecisionClass;
  how: string;
  versions: Record<string, string>;
  execution: string;
  loadMs: number;
  peakBytes: number;
  pairsPerSecond: Spread;
  tokensPerSecond: Spread;
  /** Of requests of `requestDocuments`. */
  requestMs: { p50: number; p95: number };
  agreement: Agreement;
  rounds: readonly RoundResult[];
}

/** A contender that did not, and why. */
export interface Absent {
  name: string;
  precision: PrecisionClass;
  reason: string;
}

/** crossrank's pairs per second over a peer's, round by round. */
export interface Ratio {
  precision: PrecisionClass;
  of: string;
  over: string;
  ratio: Spread;
  rounds: number[];
}

export interface PeersResult {
  date: string;
  command: string;
  machine: Machine;
  model: { name: string; synthetic: boolean; parameters: number };
  documents: number;
  requestDocuments: number;
  rounds: number;
  tokensPerPair: number;
  /** Whether contenders of all precisions were in memory at the same time, or those of one after the other. */
  together: boolean;
  /** Whose logits agreement is measured against. */
  reference: string;
  measured: Measured[];
  absent: Absent[];
  probes: Probe[];
  ratios: Ratio[];
}

export function summarizeRounds(rounds: readonly RoundResult[]) {
  const requests = rounds.flatMap(({ requestMs }) => requestMs);
  return {
    pairsPerSecond: spreadOf(rounds.map(({ pairsPerSecond }) => pairsPerSecond)),
    tokensPerSecond: spreadOf(rounds.map(({ tokensPerSecond }) => tokensPerSecond)),
    requestMs: { p50: percentile(requests, 50), p95: percentile(requests, 95) },
    rounds,
  };
}

/** Every crossrank over the fastest way to use OpenVINO, or where that is absent the fastest peer, of its class. */
export function ratiosOf(measured: readonly Measured[]): Ratio[] {
  return measured
    .filter(({ peer }) => peer === 'crossrank')
    .flatMap((ours) => {
      const rivals = measured.filter(
        ({ peer, precision }) => peer !== 'crossrank' && precision === ours.precision,
      );
      const rival = fastest(rivals.filter(({ peer }) => peer === 'openvino')) ?? fastest(rivals);
      return rival === undefined ? [] : [ratioOf(ours, rival)];
    });
}

function fastest(measured: readonly Measured[]): Measured | undefined {
  return [...measured].sort((a, b) => b.pairsPerSecond.median - a.pairsPerSecond.median)[0];
}

/** Of the same round: what slows a shared machine for a while slows both sides of it. */
function ratioOf(ours: Measured, rival: Measured): Ratio {
  const rounds = ours.rounds.map(
    ({ pairsPerSecond }, i) => pairsPerSecond / (rival.rounds[i] as RoundResult).pairsPerSecond,
  );
  return {
    precision: ours.precision,
    of: ours.name,
    over: rival.name,
    ratio: spreadOf(rounds),
    rounds,
  };
}
