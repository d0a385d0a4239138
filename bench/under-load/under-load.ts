import { Progress } from '../../lib/cli/progress';
import { runBench, writeNamed } from '../entry';
import { parseLoadArguments, USAGE } from './arguments';
import { underLoadChart } from './chart';
import { measureUnderLoad } from './measure';
import { underLoadReport } from './report';

async function main(args: readonly string[]): Promise<void> {
  const options = parseLoadArguments(args);
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const result = await measureUnderLoad(options, new Progress());
  const json = `${JSON.stringify(result, undefined, 2)}\n`;
  if (options.json !== '-') console.log(underLoadReport(result));
  else process.stdout.write(json);
  if (options.json !== undefined && options.json !== '-') writeNamed('json', options.json, json);
  if (options.svg !== undefined) writeNamed('svg', options.svg, underLoadChart(result));
  const wrong = result.soak?.problemCount ?? 0;
  if (wrong > 0) throw new Error(`the soak found ${wrong} faults: ${result.soak?.problems[0]}`);
}

runBench(main);
