import { writeFileSync } from 'node:fs';
import { Progress } from '../lib/cli/progress';
import { summarize } from '../lib/cli/statistics';
import { type BenchOptions, parseBenchArguments, USAGE, UsageError } from './arguments';
import { comparePadded } from './compare';
import { measureProfile, type Profile } from './measure';
import { plotProfile } from './plot';
import { comparisonReport, profileReport } from './report';

async function main(args: readonly string[]): Promise<void> {
  const options = parseBenchArguments(args);
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const progress = new Progress();
  if (options.compare === 'padded') {
    const comparison = await comparePadded(options, progress);
    publish(options, comparisonReport(comparison, options), comparison);
    return;
  }
  const profile = await measureProfile(options, progress);
  if (options.plot !== undefined) write('plot', options.plot, plotProfile(profile));
  publish(options, profileReport(profile, options), withSummaries(profile));
}

/** The report on standard output, and JSON where it was asked for. */
function publish(options: BenchOptions, report: string, measured: object): void {
  const { help, json, plot, ...settings } = options;
  const content = `${JSON.stringify({ settings, ...measured }, undefined, 2)}\n`;
  if (json !== '-') console.log(report);
  else process.stdout.write(content);
  if (json !== undefined && json !== '-') write('json', json, content);
}

function withSummaries(profile: Profile): object {
  const levels = profile.levels.map((level) => ({
    ...level,
    pairsPerSecond: (level.pairs / level.elapsedMs) * 1000,
    tokensPerSecond: (level.tokens / level.elapsedMs) * 1000,
    latencyMs: {
      tokenize: summarize(level.times.tokenize),
      queue: summarize(level.times.queue),
      compute: summarize(level.times.compute),
      total: summarize(level.times.total),
    },
  }));
  return { ...profile, levels };
}

function write(option: string, path: string, content: string): void {
  try {
    writeFileSync(path, content);
  } catch (error) {
    throw new UsageError(`--${option}: ${(error as Error).message}`);
  }
}

// An orderly exit: exit handlers run, and a model that is just being written is completed first.
process.once('SIGINT', () => process.exit(130));
main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error instanceof UsageError ? error.message : `bench: ${error.message}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
