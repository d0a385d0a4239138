import type { Reranker } from '../lib';
import type { LoadResult } from '../lib/cli/bench/load';
import { nativeBinding, runtimeLibraries } from '../lib/native/binding';
import type { ProductRate } from './subject';

const SECONDS = 0.5;

/**
 * How fast this machine multiplies matrices of the model's sizes in its precision, on as many threads, and does nothing
 * else: what a whole encoder is measured against.
 */
export async function measureProducts(reranker: Reranker): Promise<ProductRate | null> {
  const { model, precision, kernels, threads, packed } = reranker.info();
  if (!packed || precision === 'model') return null;
  if (precision !== 'fp32' && kernels.linear === 'onnxruntime') return null; // the library's, between our operators
  // The same model once more shares its weights.
  const libraries = runtimeLibraries(undefined);
  const engine = await nativeBinding().load({
    pooling: null,
    folder: model,
    libraryPaths: libraries.paths,
    libraryRequired: false,
    literalSpecialTokens: false,
    precision,
    cpu: kernels.level,
    threads,
    maxTokensPerChunk: 0,
    maxQueuedTokens: 0,
    cacheBytes: 0,
    cacheTtlMs: 0,
    nice: 0,
    idleUnloadMs: null,
    memoryBudget: null,
  });
  try {
    const { hiddenSize, intermediateSize } = engine.info();
    return {
      multiplyAddsPerSecond: await engine.measureProducts(SECONDS),
      multiplyAddsPerTokenAndLayer: 4 * hiddenSize ** 2 + 2 * hiddenSize * intermediateSize,
    };
  } finally {
    await engine.dispose();
  }
}

/**
 * Share of that speed which the encoder reached. Attention and all else count as time and not as work. Of the last
 * layer, keys and values are counted: the rest is computed for first tokens alone.
 */
export function shareOfProducts(
  rate: ProductRate,
  model: { layers: number; hiddenSize: number },
  level: LoadResult,
): number {
  const lastLayer = 2 * model.hiddenSize ** 2;
  const perToken = rate.multiplyAddsPerTokenAndLayer * (model.layers - 1) + lastLayer;
  return (perToken * level.tokens) / (level.elapsedMs / 1000) / rate.multiplyAddsPerSecond;
}
