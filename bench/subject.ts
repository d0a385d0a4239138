import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { LoadOptions, RerankerInfo } from '../lib';
import type { Range } from './arguments';
import type { EventLoopDelay, LoadPlan, LoadResult } from './load';
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
  run(argument: LoadPlan): Promise<LoadResult>;
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

export interface Call {
  method: keyof Methods;
  argument: unknown;
}

export type Reply = { value: unknown } | { error: string } | { progress: number };

/** A model in a process of its own, called by messages. */
export class Subject {
  readonly #process: ChildProcess;
  #waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void } | undefined;
  #onProgress: ((share: number) => void) | undefined;

  constructor() {
    this.#process = fork(join(__dirname, 'subject-process.js'), [], { execArgv: [] });
    this.#process.on('message', (reply: Reply) => this.#receive(reply));
    this.#process.on('exit', (code, signal) => this.#fail(`the measuring process ended (${signal ?? code})`));
    this.#process.on('error', (error) => this.#fail(error.message));
  }

  call<Method extends keyof Methods>(
    method: Method,
    argument?: Parameters<Methods[Method]>[0],
    onProgress?: (share: number) => void,
  ): ReturnType<Methods[Method]> {
    this.#onProgress = onProgress;
    const answer = new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#process.send({ method, argument } satisfies Call, (error) => {
        if (error) this.#fail(error.message);
      });
    });
    return answer as ReturnType<Methods[Method]>;
  }

  /** Ends the process; what it was asked is not answered. */
  close(): void {
    this.#waiting = undefined;
    if (this.#process.connected) this.#process.disconnect();
  }

  #receive(reply: Reply): void {
    if ('progress' in reply) {
      this.#onProgress?.(reply.progress);
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if ('error' in reply) waiting?.reject(new Error(reply.error));
    else waiting?.resolve(reply.value);
  }

  #fail(message: string): void {
    this.#waiting?.reject(new Error(message));
    this.#waiting = undefined;
  }
}
