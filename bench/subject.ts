import { join } from 'node:path';
import type { LoadOptions, RerankerInfo } from '../lib';
import type { EventLoopDelay, LoadPlan, LoadResult } from '../lib/cli/bench/load';
import type { Range } from './arguments';
import { Child } from './child';
import type { Memory } from './machine';
import type { TextSet } from './texts';

export interface LoadedModel {
  info: RerankerInfo;
  instructionSets: string;
  loadMs: number;
  /** The event loop before anything is loaded. */
  idleDelayMs: EventLoopDelay;
  before: Memory;
  after: Memory;
}

export interface TextPlan {
  sets: number;
  documents: number;
  length: Range;
}

/** What a process with a model can be asked to do. */
export interface Methods {
  load(argument: { model: string | undefined; options: LoadOptions }): Promise<LoadedModel>;
  makeTexts(argument: TextPlan): Promise<readonly TextSet[]>;
  useTexts(argument: readonly TextSet[]): Promise<void>;
  /** A few pairs, so that the first measured request meets warm memory. */
  warmUp(): Promise<void>;
  run(argument: LoadPlan, show: (share: number) => void): Promise<LoadResult>;
  /** Raw scores of the first query's documents. */
  logits(): Promise<number[]>;
  memory(): Promise<Memory>;
  /** The model's matrices multiplied and nothing else; null where they are an exported graph's. */
  products(): Promise<ProductRate | null>;
}

export interface ProductRate {
  /** Of all threads together. */
  multiplyAddsPerSecond: number;
  /** That a token takes in one layer. */
  multiplyAddsPerTokenAndLayer: number;
}

/** A model in a process of its own. */
export class Subject extends Child<Methods> {
  constructor() {
    super(join(__dirname, 'subject-process.js'));
  }
}
