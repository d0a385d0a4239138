import type { Progress } from '../../lib/cli/progress';
import type { EmbedderLoadOptions } from '../../lib/embedding/options';
import type { Pooling } from '../../lib/embedding/pooling-config';
import { randomNumbers } from '../../lib/random';
import { type Spread, spreadOf } from '../../lib/statistics';
import { describeMachine, type Machine, type Memory } from '../machine';
import { chooseModel, exportModel } from '../models';
import { inTurns } from '../turns';
import { WORDS } from '../words';
import type { EmbedBenchOptions } from './arguments';
import { EmbedSubject, type LoadedEmbedder, type Pass } from './subject';

export interface EmbedSide {
  model: LoadedEmbedder;
  passes: Pass[];
  textsPerSecond: Spread;
  tokensPerSecond: Spread;
  memory: Memory;
}

/** The packed engine against the same weights exported to ONNX and run padded. */
export interface EmbedComparison {
  machine: Machine;
  model: string;
  synthetic: boolean;
  tokensPerText: number;
  packed: EmbedSide;
  padded: EmbedSide;
  /** Texts per second of packed over padded, round by round. */
  ratio: Spread;
  /** The same of texts per second of processor time, which other processes do not change. */
  processorRatio: Spread;
  /** Smallest cosine between a text's two embeddings. */
  cosine: number;
}

const COMPARED = 50;

/** Both sides are loaded, each in a process of its own, and embed the same texts in turns. */
export async function compareEmbedders(
  options: EmbedBenchOptions,
  progress: Progress,
): Promise<EmbedComparison> {
  progress.show('preparing the models', 0);
  const chosen = chooseModel(options, 'embedder');
  const [packed, padded] = [new EmbedSubject(), new EmbedSubject()];
  let removeExport = () => {};
  try {
    const { precision, threads } = options;
    const shared = threads === undefined ? {} : { threads };
    const packedModel = await packed.call('load', {
      model: chosen.folder,
      options: { ...shared, ...(precision === undefined ? {} : { precision }) } as EmbedderLoadOptions,
    });
    const { model: folder, normalize, pooling } = packedModel.info;
    const exported = exportModel(chosen, folder, 'last_hidden_state');
    removeExport = exported.remove;
    const paddedModel = await padded.call('load', {
      model: exported.folder,
      options: { ...shared, normalize, pooling: pooling as Pooling },
    });
    const texts = makeTexts(options);
    for (const side of [packed, padded]) await side.call('useTexts', texts);
    const cosine = smallestCosine(
      await packed.call('sample', { count: COMPARED }),
      await padded.call('sample', { count: COMPARED }),
    );
    const rounds = await inTurns(
      options.rounds,
      () => packed.call('pass'),
      () => padded.call('pass'),
      (i) => progress.show(`round ${i + 1} of ${options.rounds}`, i / options.rounds),
    );
    const side = async (
      subject: EmbedSubject,
      model: LoadedEmbedder,
      passes: Pass[],
    ): Promise<EmbedSide> => ({
      model,
      passes,
      textsPerSecond: spreadOf(passes.map(({ elapsedMs }) => (texts.length / elapsedMs) * 1000)),
      tokensPerSecond: spreadOf(passes.map(({ tokens, elapsedMs }) => (tokens / elapsedMs) * 1000)),
      memory: await subject.call('memory'),
    });
    const ratio = (of: 'elapsedMs' | 'processorMs') =>
      spreadOf(rounds.map(([one, other]) => other[of] / one[of]));
    return {
      machine: describeMachine(packedModel.instructionSets),
      model: chosen.folder === undefined ? 'embedded model' : chosen.name,
      synthetic: chosen.synthetic,
      tokensPerText: (rounds[0]?.[0].tokens ?? 0) / texts.length,
      packed: await side(
        packed,
        packedModel,
        rounds.map(([pass]) => pass),
      ),
      padded: await side(
        padded,
        paddedModel,
        rounds.map(([, pass]) => pass),
      ),
      ratio: ratio('elapsedMs'),
      processorRatio: ratio('processorMs'),
      cosine,
    };
  } finally {
    progress.clear();
    packed.close();
    padded.close();
    removeExport();
  }
}

function makeTexts({ texts, words }: EmbedBenchOptions): string[] {
  const random = randomNumbers(1);
  const below = (limit: number) => Math.floor(random() * limit);
  return Array.from({ length: texts }, () => {
    const count = words.min + below(words.max - words.min + 1);
    return Array.from({ length: count }, () => WORDS[below(WORDS.length)]).join(' ');
  });
}

function smallestCosine(one: readonly number[][], other: readonly number[][]): number {
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
  return Math.min(
    ...one.map((a, i) => {
      const b = other[i] as number[];
      return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
    }),
  );
}
