/**
 * A process that loads one model and measures it, so that its memory is that model's own. Started by `Subject`, which
 * sends one call after the other; it ends when its parent does.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type LoadOptions, Reranker } from '../lib';
import { type LoadPlan, runLoad, watchEventLoop } from '../lib/cli/bench/load';
import { nativeBinding } from '../lib/native/binding';
import { serveParent } from './child';
import { memoryOfThisProcess } from './machine';
import { measureProducts } from './products';
import type { LoadedModel, Methods, TextPlan } from './subject';
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

  run: (plan: LoadPlan, show: (share: number) => void) => runLoad(loaded(), sets, plan, show),

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

serveParent(methods);
