import { join } from 'node:path';
import type { EmbedderLoadOptions } from '../../lib/embedding/options';
import type { EmbedderInfo } from '../../lib/info';
import { Child } from '../child';
import type { Memory } from '../machine';

export interface LoadedEmbedder {
  info: EmbedderInfo;
  instructionSets: string;
  loadMs: number;
}

/** One pass over all texts. */
export interface Pass {
  tokens: number;
  elapsedMs: number;
  /** Processor time of the whole process, all threads. */
  processorMs: number;
}

/** What a process with an embedder can be asked to do. */
export interface Methods {
  load(argument: { model: string | undefined; options: EmbedderLoadOptions }): Promise<LoadedEmbedder>;
  useTexts(argument: readonly string[]): Promise<void>;
  pass(): Promise<Pass>;
  /** Embeddings of the first texts, for comparison. */
  sample(argument: { count: number }): Promise<number[][]>;
  memory(): Promise<Memory>;
}

/** An embedder in a process of its own. */
export class EmbedSubject extends Child<Methods> {
  constructor() {
    super(join(__dirname, 'subject-process.js'));
  }
}
