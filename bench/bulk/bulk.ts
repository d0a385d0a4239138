import { Progress } from '../../lib/cli/progress';
import { runBench, writeNamed } from '../entry';
import { parseBulkArguments, USAGE } from './arguments';
import { type BulkResult, measureBulk } from './measure';

function bulkReport({ machine, model, workers, pairs, rounds, ratio }: BulkResult): string {
  const name = `${model.name}${model.synthetic ? ' (random weights)' : ''}`;
  const best = (side: 'library' | 'bulk') => Math.max(...rounds.map((round) => round[side])).toFixed(0);
  return (
    `${machine.cpu}, ${machine.usableProcessors} processors, Node.js ${machine.node}\n` +
    `${name}, ${model.info.precision}; ${workers} workers through Redis and the library with ${model.info.threads} threads ` +
    `in turns, ${rounds.length} rounds of ${pairs} pairs\n\n` +
    `library ${best('library')} pairs/s at best, workers ${best('bulk')}; ` +
    `workers / library ${ratio.median.toFixed(3)} (${ratio.min.toFixed(3)}-${ratio.max.toFixed(3)})`
  );
}

async function main(args: readonly string[]): Promise<void> {
  const options = parseBulkArguments(args);
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const result = await measureBulk(options, new Progress());
  const json = `${JSON.stringify(result, undefined, 2)}\n`;
  if (options.json !== '-') console.log(bulkReport(result));
  else process.stdout.write(json);
  if (options.json !== undefined && options.json !== '-') writeNamed('json', options.json, json);
}

runBench(main);
