import { Progress } from '../../lib/cli/progress';
import { runBench, writeNamed } from '../entry';
import { parseServeArguments, USAGE } from './arguments';
import { measureServe } from './measure';
import { serveReport } from './report';

async function main(args: readonly string[]): Promise<void> {
  const options = parseServeArguments(args);
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const result = await measureServe(options, new Progress());
  const json = `${JSON.stringify(result, undefined, 2)}\n`;
  if (options.json !== '-') console.log(serveReport(result));
  else process.stdout.write(json);
  if (options.json !== undefined && options.json !== '-') writeNamed('json', options.json, json);
  const unexpected = Object.entries(result.held?.statuses ?? {}).filter(
    ([status]) => status !== '200' && status !== '429',
  );
  if (unexpected.length > 0)
    throw new Error(
      `held connections met ${unexpected.map(([status, count]) => `${count} x ${status}`).join(', ')}`,
    );
}

runBench(main);
