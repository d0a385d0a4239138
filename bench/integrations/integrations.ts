import { Progress } from '../../lib/cli/progress';
import { formatTable } from '../../lib/cli/table';
import type { Spread } from '../../lib/statistics';
import { runBench, writeNamed } from '../entry';
import { parseIntegrationArguments, USAGE } from './arguments';
import { type IntegrationsResult, measureIntegrations } from './measure';

async function main(args: readonly string[]): Promise<void> {
  const options = parseIntegrationArguments(args);
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const result = await measureIntegrations(options, new Progress());
  const json = `${JSON.stringify(result, undefined, 2)}\n`;
  if (options.json !== '-') console.log(report(result));
  else process.stdout.write(json);
  if (options.json !== undefined && options.json !== '-') writeNamed('json', options.json, json);
}

function report({ machine, model, documents, overheads }: IntegrationsResult): string {
  const { precision, threads } = model.info;
  const name = `${model.name}${model.synthetic ? ' (random weights)' : ''}`;
  const rows = overheads.map(({ name, rounds, ratio, layerMs, layerShare }) => {
    const best = (side: 'framework' | 'library') =>
      Math.max(...rounds.map((round) => round[side])).toFixed(0);
    return [
      name,
      best('framework'),
      best('library'),
      spread(ratio),
      `${layerMs.toFixed(2)} ms`,
      `${(layerShare * 100).toFixed(2)} %`,
    ];
  });
  return (
    `${machine.cpu}, ${machine.usableProcessors} processors, Node.js ${machine.node}\n` +
    `${name}, ${precision}, ${threads} threads; requests of ${documents} documents, in turns\n\n` +
    `${formatTable(['through', 'a second', 'library', 'ratio', 'layer', 'share'], rows)}\n\n` +
    'a second: pairs, or texts of embeddings, of the median request, in the best round; ratio: to the library in the same round;\n' +
    'layer: a request whose model answers at once, the median; share: of the time that the library takes for a request'
  );
}

function spread({ median, min, max }: Spread): string {
  return `${median.toFixed(3)} (${min.toFixed(3)}-${max.toFixed(3)})`;
}

runBench(main);
