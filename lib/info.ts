import type { Pooling } from './embedding/pooling-config';
import type { NativeInfo } from './native/binding';
import type { CpuLevel, Precision } from './options';

/** What is known of every loaded model. */
export interface EngineInfo {
  /** Folder the model was loaded from. */
  model: string;
  /** `model_type` of config.json, such as `'xlm-roberta'`. */
  modelType: string;
  /** Such as `'XLMRobertaForSequenceClassification'`; the file name of an exported graph. */
  architecture: string;
  /** Whether the engine wrote the graph itself and runs it without padding; false for an exported `.onnx`. */
  packed: boolean;
  /** Number of weights; 0 for an exported `.onnx`. */
  parameters: number;
  layers: number;
  hiddenSize: number;
  heads: number;
  /** The most tokens of a pair, or of a text that is embedded, special tokens included. */
  maxLength: number;
  /** That the model puts around a pair, or a text that is embedded; they count. */
  specialTokens: number;
  /** That runs, after `'auto'` was resolved; `'model'`: as the exported graph was written. */
  precision: Exclude<Precision, 'auto'> | 'model';
  threads: number;
  maxTokensPerChunk: number;
  kernels: {
    /** Level of instruction sets that was chosen; see {@link LoadOptions.cpu}. */
    level: CpuLevel;
    /** What multiplies matrices: `'onnxruntime'` in fp32, else such as `'avx512-vnni'` or `'amx-bf16'`. */
    linear: string;
    /** What computes attention, such as `'avx512'` or `'avx512-bf16'`. */
    attention: string;
    /** What the CPU has and the operating system refuses to this process, and why. */
    refused?: string;
  };
  /** Whether the model is in memory: not after `idleUnloadMs`, when another load needed the memory, or after dispose. */
  loaded: boolean;
  memory: {
    /** Bytes that the weights take: matrices as the precision keeps them, embedding tables as in the file. */
    weights: number;
  };
  onnxRuntime: { version: string; path: string };
}

/** What {@link Reranker.info} tells. */
export interface RerankerInfo extends EngineInfo {
  /** Scores a pair gets; a reranker has 1. */
  labels: number;
  /** What `scores: 'model'` does. */
  activation: 'sigmoid' | 'identity';
  /** Path of the profile of `crossrank tune` that filled in options, or null where none did. */
  profile: string | null;
}

/** What {@link Embedder.info} tells. */
export interface EmbedderInfo extends EngineInfo {
  /** Values of an embedding. */
  dimension: number;
  /** How the states of a text's tokens become one embedding; `'model'`: the exported graph does it. */
  pooling: Pooling | 'model';
  /** Whether embeddings have length 1. */
  normalize: boolean;
  /** What `kind` puts before each text; empty where nothing. */
  prefixes: { query: string; document: string };
  /** Where texts are cut unless a call says otherwise, in tokens. */
  defaultMaxLength: number;
}

export function describe(info: NativeInfo, loaded: boolean): EngineInfo {
  return {
    model: info.folder,
    modelType: info.modelType,
    architecture: info.architecture,
    packed: info.packed,
    parameters: info.parameters,
    layers: info.layers,
    hiddenSize: info.hiddenSize,
    heads: info.heads,
    maxLength: info.maxLength,
    specialTokens: info.specialTokens,
    precision: info.packed ? info.precision : 'model',
    threads: info.threads,
    maxTokensPerChunk: info.maxTokensPerChunk,
    kernels: {
      level: info.kernelLevel as CpuLevel,
      linear: info.linearKernel,
      attention: info.attentionKernel,
      ...(info.refusedFeatures === '' ? {} : { refused: info.refusedFeatures }),
    },
    loaded: loaded,
    memory: { weights: info.weightBytes },
    onnxRuntime: { version: info.runtimeVersion, path: info.runtimePath },
  };
}
