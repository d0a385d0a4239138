import { Progress } from '../lib/cli/progress';
import { summarize } from '../lib/statistics';
import { type BenchOptions, parseBenchArguments, USAGE } from './arguments';
import { comparePadded } from './compare';
import { runBench, writeNamed } from './entry';
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
  if (options.plot !== undefined) writeNamed('plot', options.plot, plotProfile(profile));
  publish(options, profileReport(profile, options), withSummaries(profile));
}

/** The report on standard output, and JSON where it was asked for. */
function publish(options: BenchOptions, report: string, measured: object): void {
  const { help, json, plot, ...settings } = options;
  const content = `${JSON.stringify({ settings, ...measured }, undefined, 2)}\n`;
  if (json !== '-') console.log(report);
  else process.stdout.write(content);
  if (json !== undefined && json !== '-') writeNamed('json', json, content);
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

runBench(main);
