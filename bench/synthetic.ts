import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { normalNumbers } from './random';
import type { Shape, ShapeName } from './shapes';
import { SHAPES } from './shapes';
import { tokenizerFiles } from './vocabulary';

/** Goes up when what is written changes, so that folders of an older bench are not reused. */
const VERSION = 1;

interface Tensor {
  name: string;
  shape: number[];
  /** Normal numbers of this spread around this mean. */
  spread: number;
  mean: number;
}

/** What a model is for: an embedder has no head. */
export type Task = 'reranker' | 'embedder';

/**
 * The folder of a model of the named shape with random weights, written once and reused. It is complete when it has its
 * name, so several processes may ask for it at the same time.
 */
export function syntheticModel(name: ShapeName, cacheFolder: string, task: Task = 'reranker'): string {
  const folder = join(cacheFolder, task === 'reranker' ? `${name}-${VERSION}` : `${name}-${task}-${VERSION}`);
  return writeOnce(folder, (partial) => writeModel(SHAPES[name], task, partial));
}

/** Fills a folder under a temporary name and renames it when complete; a folder that is there is left alone. */
export function writeOnce(folder: string, fill: (folder: string) => void): string {
  if (existsSync(folder)) return folder;
  const partial = `${folder}.partial-${process.pid}`;
  mkdirSync(partial, { recursive: true });
  try {
    fill(partial);
    renameSync(partial, folder);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(folder)) throw error; // another process was first
  }
  return folder;
}

function writeModel(shape: Shape, task: Task, folder: string): void {
  const json = (name: string, content: object) => writeFileSync(join(folder, name), JSON.stringify(content));
  const { tokenizer, config } = tokenizerFiles(shape);
  json('tokenizer.json', tokenizer);
  json('tokenizer_config.json', config);
  json('config.json', modelConfig(shape, task));
  writeWeights(join(folder, 'model.safetensors'), shape, tensorsOf(shape, task));
}

function modelConfig(shape: Shape, task: Task): object {
  const roberta = shape.modelType === 'xlm-roberta';
  const suffix = task === 'reranker' ? 'ForSequenceClassification' : 'Model';
  return {
    architectures: [`${roberta ? 'XLMRoberta' : 'Bert'}${suffix}`],
    model_type: shape.modelType,
    vocab_size: shape.vocabSize,
    hidden_size: shape.hiddenSize,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    intermediate_size: shape.intermediateSize,
    max_position_embeddings: shape.positionRows,
    type_vocab_size: roberta ? 1 : 2,
    pad_token_id: roberta ? 1 : 0,
    hidden_act: 'gelu',
    layer_norm_eps: roberta ? 1e-5 : 1e-12,
    id2label: { 0: 'LABEL_0' },
    label2id: { LABEL_0: 0 },
  };
}

function tensorsOf(shape: Shape, task: Task): Tensor[] {
  const roberta = shape.modelType === 'xlm-roberta';
  const prefix = roberta ? 'roberta' : 'bert';
  const { hiddenSize, intermediateSize } = shape;
  const tensors: Tensor[] = [];
  const matrix = (name: string, rows: number, columns: number, spread = 0.04) =>
    tensors.push({ name: `${name}.weight`, shape: [rows, columns], spread, mean: 0 });
  const linear = (name: string, rows: number, columns: number) => {
    matrix(name, rows, columns);
    tensors.push({ name: `${name}.bias`, shape: [rows], spread: 0.02, mean: 0 });
  };
  const norm = (name: string) => {
    tensors.push({ name: `${name}.weight`, shape: [hiddenSize], spread: 0.05, mean: 1 });
    tensors.push({ name: `${name}.bias`, shape: [hiddenSize], spread: 0.05, mean: 0 });
  };
  matrix(`${prefix}.embeddings.word_embeddings`, shape.vocabSize, hiddenSize);
  matrix(`${prefix}.embeddings.position_embeddings`, shape.positionRows, hiddenSize);
  matrix(`${prefix}.embeddings.token_type_embeddings`, roberta ? 1 : 2, hiddenSize);
  norm(`${prefix}.embeddings.LayerNorm`);
  for (let i = 0; i < shape.layers; i++) {
    const layer = `${prefix}.encoder.layer.${i}`;
    for (const part of ['query', 'key', 'value'])
      linear(`${layer}.attention.self.${part}`, hiddenSize, hiddenSize);
    linear(`${layer}.attention.output.dense`, hiddenSize, hiddenSize);
    norm(`${layer}.attention.output.LayerNorm`);
    linear(`${layer}.intermediate.dense`, intermediateSize, hiddenSize);
    linear(`${layer}.output.dense`, hiddenSize, intermediateSize);
    norm(`${layer}.output.LayerNorm`);
  }
  if (task === 'embedder') return tensors;
  linear(roberta ? 'classifier.dense' : 'bert.pooler.dense', hiddenSize, hiddenSize);
  linear(roberta ? 'classifier.out_proj' : 'classifier', 1, hiddenSize);
  return tensors;
}

function writeWeights(path: string, shape: Shape, tensors: readonly Tensor[]): void {
  const width = shape.weights === 'F32' ? 4 : 2;
  const header: Record<string, object> = {};
  let offset = 0;
  for (const { name, shape: sizes } of tensors) {
    const end = offset + sizes.reduce((product, size) => product * size, width);
    header[name] = { dtype: shape.weights, shape: sizes, data_offsets: [offset, end] };
    offset = end;
  }
  const text = JSON.stringify(header);
  const head = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(head.length));

  const file = openSync(path, 'w');
  try {
    writeSync(file, size);
    writeSync(file, head);
    const blocks = new RandomBlocks(shape.weights);
    for (const tensor of tensors) blocks.write(file, tensor);
  } finally {
    closeSync(file);
  }
}

/** A prime, so that the block's repetition falls on no row of a matrix. */
const BLOCK_LENGTH = 1_048_573;

/** Writes stretches of one block of random numbers, a block for each mean and spread: gigabytes take seconds. */
class RandomBlocks {
  readonly #type: Shape['weights'];
  readonly #blocks = new Map<string, { bytes: Uint8Array; next: number }>();

  constructor(type: Shape['weights']) {
    this.#type = type;
  }

  write(file: number, { shape, mean, spread }: Tensor): void {
    const width = this.#type === 'F32' ? 4 : 2;
    const key = `${mean} ${spread}`;
    const block = this.#blocks.get(key) ?? { bytes: this.#make(mean, spread), next: 0 };
    this.#blocks.set(key, block);
    for (let rest = shape.reduce((product, size) => product * size, width); rest > 0; ) {
      const count = writeSync(file, block.bytes, block.next, Math.min(rest, block.bytes.length - block.next));
      block.next = (block.next + count) % block.bytes.length;
      rest -= count;
    }
  }

  #make(mean: number, spread: number): Uint8Array {
    const values = normalNumbers(BLOCK_LENGTH, mean, spread, this.#blocks.size + 1);
    return this.#type === 'F32' ? new Uint8Array(values.buffer) : new Uint8Array(toHalves(values).buffer);
  }
}

/** IEEE half precision, rounded to nearest; numbers here are between 2^-24 and 2. */
function toHalves(values: Float32Array): Uint16Array {
  return Uint16Array.from(values, (value) => {
    const sign = value < 0 ? 0x8000 : 0;
    const size = Math.abs(value);
    if (size < 2 ** -14) return sign | Math.round(size * 2 ** 24);
    const exponent = Math.floor(Math.log2(size));
    // A fraction that rounds up to 1024 carries into the exponent, which is the right number.
    return sign | (((exponent + 15) << 10) + Math.round((size / 2 ** exponent - 1) * 1024));
  });
}
