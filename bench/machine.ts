import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';

export interface Machine {
  cpu: string;
  /** Logical processors, and those that this process may use. */
  processors: number;
  usableProcessors: number;
  memoryBytes: number;
  /** Instruction sets that the engine looks at. */
  instructionSets: string;
  platform: string;
  node: string;
}

export function describeMachine(instructionSets: string): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() || 'unknown processor',
    processors: processors.length,
    usableProcessors: availableParallelism(),
    memoryBytes: totalmem(),
    instructionSets,
    platform: `${process.platform}-${process.arch}`,
    node: process.versions.node,
  };
}

export interface Memory {
  /** Resident now. */
  residentBytes: number;
  /** The most that was resident at once since the process started. */
  peakBytes: number;
}

export function memoryOfThisProcess(): Memory {
  const residentBytes = process.memoryUsage.rss();
  return { residentBytes, peakBytes: Math.max(residentBytes, peakResidentBytes()) };
}

function peakResidentBytes(): number {
  // On Linux maxRSS survives exec: a child process would show its parent's peak.
  if (process.platform === 'linux') {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  }
  return process.resourceUsage().maxRSS * 1024;
}
