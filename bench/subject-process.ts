/**
 * A process that loads one model and measures it, so that its memory is that model's own. Started by `Subject`, which
 * sends one call after the other; it ends when its parent does.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type LoadOptions, Reranker } from '../lib';
import { nativeBinding } from '../lib/native/binding';
import { type LoadPlan, runLoad, watchEventLoop } from './load';
import { memoryOfThisProcess } from './machine';
import { measureProducts } from './products';
import type { Call, LoadedModel, Methods, Reply, TextPlan } from './subject';
import { makeTexts, type TextSet } from './texts';

const IDLE_MS = 300;
const WARM_UP_DOCUMENTS = 10;

let reranker: Reranker | undefined;
let sets: readonly TextSet[] = [];

function loaded(): Reranker {
  if (reranker === undefined) throw new Error('no model is loaded');
  return reranker;
}

const methods: Methods = {
  async load({ model, options }: { model: string | undefined; options: LoadOptions }): Promise<LoadedModel> {
    const idle = watchEventLoop();
    await delay(IDLE_MS);
    const idleDelayMs = idle();
    const instructionSets = nativeBinding().cpuFeatures();
    const before = memoryOfThisProcess();
    const started = performance.now();
    reranker = await Reranker.load(model, {
      maxQueuedTokens: Number.MAX_SAFE_INTEGER,
      ...options,
      profile: false, // figures to compare between machines
      cache: false, // and of the model: requests repeat
    });
    const loadMs = performance.now() - started;
    return {
      info: reranker.info(),
      instructionSets,
      loadMs,
      idleDelayMs,
      before,
      after: memoryOfThisProcess(),
    };
  },

  async makeTexts({ sets: count, documents, length }: TextPlan): Promise<readonly TextSet[]> {
    sets = await makeTexts(loaded(), count, documents, length);
    return sets;
  },

  async useTexts(texts: readonly TextSet[]): Promise<void> {
    sets = texts;
  },

  async warmUp(): Promise<void> {
    const { query, documents } = sets[0] as TextSet;
    await loaded().rerank(query, documents.slice(0, WARM_UP_DOCUMENTS));
  },

  run(plan: LoadPlan) {
    return runLoad(loaded(), sets, plan, (progress) => send({ progress }));
  },

  async logits(): Promise<number[]> {
    const { query, documents } = sets[0] as TextSet;
    const pairs = documents.map((document): [string, string] => [query, document]);
    return [...(await loaded().predict(pairs, { scores: 'raw' }))];
  },

  async memory() {
    return memoryOfThisProcess();
  },

  products: () => measureProducts(loaded()),
};

function send(reply: Reply): void {
  process.send?.(reply);
}

process.on('message', async ({ method, argument }: Call) => {
  try {
    send({ value: await (methods[method] as (argument: unknown) => Promise<unknown>)(argument) });
  } catch (error) {
    send({ error: error instanceof Error ? error.message : String(error) });
  }
});
process.on('disconnect', () => process.exit());
// The terminal sends it to every process of the group; the parent decides.
process.on('SIGINT', () => {});
