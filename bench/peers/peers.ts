import { Progress } from '../../lib/cli/progress';
import { runBench, writeNamed } from '../entry';
import { parsePeersArguments, USAGE } from './arguments';
import { peersChart } from './chart';
import { comparePeers } from './compare';
import { installPeers } from './environment';
import { peersReport } from './report';

async function main(args: readonly string[]): Promise<void> {
  const options = parsePeersArguments(args);
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const say = (line: string): void => console.error(line);
  if (options.install) await installPeers(say);
  // Alone, it is all that was asked for.
  if (options.install && args.length === 1) return;
  const result = await comparePeers(options, new Progress(), say);
  console.log(peersReport(result));
  if (options.json !== undefined)
    writeNamed('json', options.json, `${JSON.stringify(result, undefined, 2)}\n`);
  if (options.svg !== undefined) writeNamed('svg', options.svg, peersChart(result));
}

runBench(main);
