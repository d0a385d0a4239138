import type { Progress } from '../lib/cli/progress';
import { type Spread, spreadOf } from '../lib/statistics';
import type { BenchOptions } from './arguments';
import { describeMachine, type Machine, type Memory } from './machine';
import { loadOptions, type ModelFacts, startSubject, textSets } from './measure';
import { chooseModel, exportModel } from './models';
import { Subject } from './subject';
import { inTurns } from './turns';

/** One side of a comparison. */
export interface Side {
  model: ModelFacts;
  pairsPerSecond: Spread;
  /** Pairs in a second of one processor's time: what other processes take does not count. */
  pairsPerProcessorSecond: Spread;
  /** After all rounds. */
  memory: Memory;
}

interface Speed {
  pairsPerSecond: number;
  pairsPerProcessorSecond: number;
}

interface Round {
  packed: Speed;
  padded: Speed;
}

/** The packed engine against the same weights exported to ONNX and run padded. */
export interface Comparison {
  machine: Machine;
  packed: Side;
  padded: Side;
  rounds: Round[];
  tokensPerPair: number;
  /** Pairs per second of packed over padded, round by round. */
  ratio: Spread;
  /** The same of pairs per processor second. */
  processorRatio: Spread;
  /** Largest absolute difference between raw scores. */
  scoreDifference: number;
  /** Largest absolute raw score. */
  scoreSize: number;
}

/** Both sides are loaded, each in a process of its own, and run the same queries in turns. */
export async function comparePadded(options: BenchOptions, progress: Progress): Promise<Comparison> {
  progress.show('preparing the models', 0);
  const chosen = chooseModel(options);
  const packed = new Subject();
  const padded = new Subject();
  let removeExport = () => {};
  try {
    const packedModel = await startSubject(packed, chosen, options);
    const exported = exportModel(chosen, packedModel.info.model);
    removeExport = exported.remove;
    const paddedModel: ModelFacts = {
      ...(await padded.call('load', {
        model: exported.folder,
        options: loadOptions({ ...options, precision: undefined }),
      })),
      name: `${chosen.name}, exported`,
      synthetic: chosen.synthetic,
    };
    const { documents, length } = options;
    const texts = await packed.call('makeTexts', { sets: textSets(documents), documents, length });
    await padded.call('useTexts', texts);
    for (const side of [packed, padded]) await side.call('warmUp');

    const difference = compareLogits(await packed.call('logits'), await padded.call('logits'));
    const { rounds, tokensPerPair } = await runRounds(packed, padded, options.rounds, progress);
    const side = async (subject: Subject, model: ModelFacts, speeds: Speed[]): Promise<Side> => ({
      model,
      pairsPerSecond: spreadOf(speeds.map((speed) => speed.pairsPerSecond)),
      pairsPerProcessorSecond: spreadOf(speeds.map((speed) => speed.pairsPerProcessorSecond)),
      memory: await subject.call('memory'),
    });
    return {
      machine: describeMachine(packedModel.instructionSets),
      packed: await side(
        packed,
        packedModel,
        rounds.map((round) => round.packed),
      ),
      padded: await side(
        padded,
        paddedModel,
        rounds.map((round) => round.padded),
      ),
      rounds,
      tokensPerPair,
      ratio: ratio(rounds, 'pairsPerSecond'),
      processorRatio: ratio(rounds, 'pairsPerProcessorSecond'),
      ...difference,
    };
  } finally {
    progress.clear();
    packed.close();
    padded.close();
    removeExport();
  }
}

function ratio(rounds: readonly Round[], of: keyof Speed): Spread {
  return spreadOf(rounds.map(({ packed, padded }) => packed[of] / padded[of]));
}

async function runRounds(packed: Subject, padded: Subject, count: number, progress: Progress) {
  let allPairs = 0;
  let allTokens = 0;
  const run = async (subject: Subject): Promise<Speed> => {
    const { pairs, tokens, elapsedMs, processorMs } = await subject.call('run', {
      concurrency: 1,
      requests: 1,
    });
    allPairs += pairs;
    allTokens += tokens;
    return {
      pairsPerSecond: (pairs / elapsedMs) * 1000,
      pairsPerProcessorSecond: (pairs / processorMs) * 1000,
    };
  };
  const results = await inTurns(
    count,
    () => run(packed),
    () => run(padded),
    (i) => progress.show(`round ${i + 1} of ${count}`, i / count),
  );
  const rounds = results.map(([packed, padded]): Round => ({ packed, padded }));
  return { rounds, tokensPerPair: allTokens / allPairs };
}

function compareLogits(packed: readonly number[], padded: readonly number[]) {
  return {
    scoreDifference: Math.max(...packed.map((score, i) => Math.abs(score - (padded[i] as number)))),
    scoreSize: Math.max(...packed.map(Math.abs)),
  };
}
