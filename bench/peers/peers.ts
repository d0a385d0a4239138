import { writeFileSync } from 'node:fs';
import { UsageError } from '../../lib/cli/command-line';
import { Progress } from '../../lib/cli/progress';
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
  if (options.install) await installPeers((line) => console.error(line));
  // Alone, it is all that was asked for.
  if (options.install && args.length === 1) return;
  const result = await comparePeers(options, new Progress());
  console.log(peersReport(result));
  if (options.json !== undefined) write('json', options.json, `${JSON.stringify(result, undefined, 2)}\n`);
  if (options.svg !== undefined) write('svg', options.svg, peersChart(result));
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
