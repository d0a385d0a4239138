import { Progress } from '../../lib/cli/progress';
import { nativeBinding } from '../../lib/native/binding';
import { runBench, writeNamed } from '../entry';
import { describeMachine } from '../machine';
import { parseSearchArguments, type SearchBenchOptions, USAGE } from './arguments';
import { measureIndexing, measureSearch } from './measure';
import { indexReport, searchReport } from './report';

async function main(args: readonly string[]): Promise<void> {
  const options = parseSearchArguments(args);
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const progress = new Progress();
  const machine = describeMachine(nativeBinding().cpuFeatures());
  const index = await measureIndexing(options, progress);
  if (options.json !== '-') {
    console.log(`${machine.cpu}, ${machine.usableProcessors} processors, Node.js ${machine.node}`);
    console.log(indexReport(index));
  }
  if (options.indexOnly) return publish(options, { machine, index });
  const run = await measureSearch(options, index, progress);
  if (options.json !== '-') console.log(`\n${searchReport(run)}`);
  publish(options, { machine, ...run });
}

function publish({ json }: SearchBenchOptions, measured: object): void {
  if (json === undefined) return;
  const content = `${JSON.stringify(measured, undefined, 2)}\n`;
  if (json === '-') process.stdout.write(content);
  else writeNamed('json', json, content);
}

runBench(main);
