import type { PrecisionClass } from './arguments';

/** What has to be written beside a model's own folder before a peer can load it; see python/convert.py. */
export type ModelFiles =
  | 'source'
  | 'onnx'
  | 'onnx-o2'
  | 'onnx-int8'
  | 'transformers-js'
  | 'openvino'
  | 'openvino-int8';

export type Runtime = 'crossrank' | 'python' | 'npm';

/** One way to use a peer. */
export interface Way {
  /** For people. */
  how: string;
  /** The class of python/worker.py; of no meaning to other runtimes. */
  api: string;
  files: ModelFiles;
  /** What its `load` takes. */
  settings: object;
}

/** A peer at one precision. */
export interface Contender {
  name: string;
  peer: string;
  precision: PrecisionClass;
  runtime: Runtime;
  /** As its own documentation says. */
  documented: Way;
  /** Tried before the rounds; where one is faster than what is documented, it takes part as well. */
  others: readonly Way[];
}

/** The batch that sentence-transformers and OpenVINO's guides take. */
const BATCH = 32;
const OPENVINO_INT8 = 'openvino_model_qint8_quantized.xml';

export const PEERS = ['crossrank', 'torch', 'onnxruntime', 'openvino', 'transformers.js'] as const;

export const CONTENDERS: readonly Contender[] = [
  crossrank('fp32', 'fp32'),
  crossrank('bf16x3', 'fp32'),
  crossrank('bf16', 'bf16'),
  crossrank('int8', 'int8'),
  torch('fp32', 'float32'),
  torch('bf16', 'bfloat16'),
  onnxRuntime('fp32', sentenceTransformers('onnx', 'onnx', { file_name: 'model.onnx' }, 'as exported'), [
    sentenceTransformers('onnx', 'onnx-o2', { file_name: 'model_O2.onnx' }, 'optimized O2'),
  ]),
  onnxRuntime(
    'int8',
    sentenceTransformers('onnx', 'onnx-int8', { file_name: 'model_qint8.onnx' }, 'dynamic quantization'),
  ),
  openVino('fp32', 'openvino', 'openvino_model.xml', ['f32']),
  openVino('bf16', 'openvino', 'openvino_model.xml', ['bf16']),
  // What is not quantised runs in the type that the CPU's default gives (bf16 where it can), or in f32.
  openVino('int8', 'openvino-int8', OPENVINO_INT8, [undefined, 'f32']),
  transformersJs('fp32', 'fp32'),
  transformersJs('int8', 'q8'),
];

function crossrank(precision: string, precisionClass: PrecisionClass): Contender {
  const how = 'rerank() from JavaScript';
  return {
    name: `crossrank ${precision}`,
    peer: 'crossrank',
    precision: precisionClass,
    runtime: 'crossrank',
    documented: { how, api: '', files: 'source', settings: { precision } },
    others: [],
  };
}

function sentenceTransformers(backend: string, files: ModelFiles, modelKwargs: object, more: string): Way {
  const how = `CrossEncoder.predict, batch ${BATCH}, ${more}`;
  return { how, api: 'sentence-transformers', files, settings: { backend, modelKwargs, batch: BATCH } };
}

function torch(precision: PrecisionClass, dtype: string): Contender {
  const documented = sentenceTransformers('torch', 'source', { dtype }, `dtype ${dtype}`);
  return { name: `torch ${precision}`, peer: 'torch', precision, runtime: 'python', documented, others: [] };
}

function onnxRuntime(precision: PrecisionClass, documented: Way, others: Way[] = []): Contender {
  const name = `onnxruntime ${precision}`;
  return { name, peer: 'onnxruntime', precision, runtime: 'python', documented, others };
}

function openVino(
  precision: PrecisionClass,
  files: ModelFiles,
  file: string,
  types: readonly (string | undefined)[],
): Contender {
  const config = (type: string | undefined) => (type === undefined ? {} : { INFERENCE_PRECISION_HINT: type });
  const predicted = types.map((type) =>
    sentenceTransformers(
      'openvino',
      files,
      { file_name: file, ov_config: config(type) },
      `${type ?? 'default'}`,
    ),
  );
  const direct = (hint: string, batch: number, type: string | undefined): Way => ({
    how: `${hint} hint, batch ${batch} by length, ${type ?? 'default'}`,
    api: 'openvino',
    files,
    settings: { file, batch, config: { ...config(type), PERFORMANCE_HINT: hint } },
  });
  const others = types.flatMap((type) => [
    ...[32, 8].map((batch) => direct('LATENCY', batch, type)),
    ...[32, 16, 8, 4, 1].map((batch) => direct('THROUGHPUT', batch, type)),
  ]);
  return {
    name: `openvino ${precision}`,
    peer: 'openvino',
    precision,
    runtime: 'python',
    documented: predicted[0] as Way,
    others: [...predicted.slice(1), ...others],
  };
}

function transformersJs(precision: PrecisionClass, dtype: string): Contender {
  return {
    name: `transformers.js ${precision}`,
    peer: 'transformers.js',
    precision,
    runtime: 'npm',
    documented: {
      how: `text_pair, batch ${BATCH}, dtype ${dtype}`,
      api: '',
      files: 'transformers-js',
      settings: { dtype, batch: BATCH },
    },
    others: [],
  };
}
