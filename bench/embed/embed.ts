import { Progress } from '../../lib/cli/progress';
import type { Spread } from '../../lib/statistics';
import { runBench, writeNamed } from '../entry';
import { type EmbedBenchOptions, parseEmbedArguments, USAGE } from './arguments';
import { compareEmbedders, type EmbedComparison, type EmbedSide } from './compare';

async function main(args: readonly string[]): Promise<void> {
  const options = parseEmbedArguments(args);
  if (options.help) {
    console.log(USAGE);
    return;
  }
  const comparison = await compareEmbedders(options, new Progress());
  const { help, json, ...settings } = options;
  const content = `${JSON.stringify({ settings, ...comparison }, undefined, 2)}\n`;
  if (json === '-') process.stdout.write(content);
  else console.log(report(comparison, options));
  if (json !== undefined && json !== '-') writeNamed('json', json, content);
}

function report(comparison: EmbedComparison, { texts, words }: EmbedBenchOptions): string {
  const { machine, packed, padded, ratio, processorRatio, cosine, tokensPerText } = comparison;
  const { info, loadMs } = packed.model;
  return [
    `Machine            ${machine.cpu}, ${machine.usableProcessors} of ${machine.processors} processors; ` +
      `${machine.platform}, Node ${machine.node}`,
    `                   ${machine.instructionSets}`,
    `Model              ${comparison.model}${comparison.synthetic ? ' (random weights)' : ''}: ${info.architecture}, ` +
      `${fixed(info.parameters / 1e6, 1)} M parameters, ${info.layers} layers of ${info.hiddenSize}, pooling ${info.pooling}`,
    `                   ${info.precision}, ${info.threads} threads, ${info.kernels.linear} and ${info.kernels.attention} kernels, ` +
      `ONNX Runtime ${info.onnxRuntime.version}; loaded in ${fixed(loadMs, 0)} ms`,
    `Load               ${texts} texts of ${words.min}-${words.max} words, ${fixed(tokensPerText, 1)} tokens each; ` +
      `${packed.passes.length} rounds in turns`,
    'Padded             the same weights as an exported model.onnx in fp32, 32 rows a batch, sorted by length, same ONNX Runtime',
    '',
    'texts/s                    min    median       max      tokens/s',
    sideRow('packed', packed),
    sideRow('padded', padded),
    `  packed / padded   ${spread(ratio, 2)}`,
    `  of processor time ${spread(processorRatio, 2)}`,
    '',
    `Agreement          cosine of a text's two embeddings at least ${cosine.toFixed(6)}`,
    `Memory             resident at most: packed ${megabytes(packed)} MB, padded ${megabytes(padded)} MB`,
  ].join('\n');
}

function sideRow(name: string, { textsPerSecond, tokensPerSecond }: EmbedSide): string {
  return `  ${name.padEnd(18)}${spread(textsPerSecond, 1)}${fixed(tokensPerSecond.median, 0).padStart(14)}`;
}

function spread({ min, median, max }: Spread, digits: number): string {
  return [min, median, max].map((value) => fixed(value, digits).padStart(10)).join('');
}

function megabytes({ memory }: EmbedSide): string {
  return fixed(memory.peakBytes / 1e6, 0);
}

function fixed(value: number, digits: number): string {
  return value.toFixed(digits);
}

runBench(main);
