/** A process that loads one embedder and measures it. Started by `EmbedSubject`; it ends when its parent does. */
import { Embedder } from '../../lib/embedder';
import { nativeBinding } from '../../lib/native/binding';
import { serveParent } from '../child';
import { memoryOfThisProcess } from '../machine';
import type { Methods, Pass } from './subject';

let embedder: Embedder | undefined;
let texts: readonly string[] = [];

function loaded(): Embedder {
  if (embedder === undefined) throw new Error('no model is loaded');
  return embedder;
}

const methods: Methods = {
  async load({ model, options }) {
    const started = performance.now();
    embedder = await Embedder.load(model, {
      maxQueuedTokens: Number.MAX_SAFE_INTEGER,
      cache: false, // rounds repeat
      ...options,
    });
    const loadMs = performance.now() - started;
    return { info: embedder.info(), instructionSets: nativeBinding().cpuFeatures(), loadMs };
  },

  async useTexts(all) {
    texts = all;
    await loaded().warmUp();
  },

  async pass(): Promise<Pass> {
    const before = loaded().stats().scored.tokens;
    const processorStart = process.cpuUsage();
    const started = performance.now();
    await loaded().embed(texts);
    const elapsedMs = performance.now() - started;
    const { user, system } = process.cpuUsage(processorStart);
    const tokens = loaded().stats().scored.tokens - before;
    return { tokens, elapsedMs, processorMs: (user + system) / 1000 };
  },

  async sample({ count }) {
    return (await loaded().embed(texts.slice(0, count))).map((vector) => [...vector]);
  },

  async memory() {
    return memoryOfThisProcess();
  },
};

serveParent(methods);
