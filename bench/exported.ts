import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Architecture, describe, type LayerNames } from './architecture';
import { GraphWriter, type Opset } from './onnx';
import { Weights } from './safetensors';

/** How the file differs from torch's usual export. */
export interface ExportOptions {
  /**
   * 17 as torch 2 exports; 12 as torch 1 did: layer normalisation in nine nodes, a bias as the second input of Add. ONNX
   * Runtime 1.30 fuses attention into one node only in the older form (its AttentionFusion asks for MatMul of opset 9),
   * so that is the faster file of the two.
   * @defaultValue 17
   */
  opset?: Opset;
  /** @defaultValue `'model.onnx'` */
  file?: 'model.onnx' | 'onnx/model.onnx';
  /** @defaultValue `'int64'` */
  integers?: 'int32' | 'int64';
  /** With `positions`, position ids are an input too, as some exporters make them. */
  inputNames?: { ids?: string; mask?: string; types?: string; positions?: string };
  /**
   * What the graph ends in: a classifier's scores, the states of all tokens as `AutoModel` is exported, or the first
   * token's, as exporters of sentence-transformers name a pooled output.
   * @defaultValue `'logits'`
   */
  output?: 'logits' | 'last_hidden_state' | 'sentence_embedding';
  /** Weights in `model.onnx_data`. @defaultValue where they would not fit into the file */
  externalData?: boolean;
}

export const BESIDE = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'];
/** torch.finfo(torch.float32).min, which transformers adds to masked attention scores. */
const MASKED = -3.4028234663852886e38;
const ROWS_AT_ONCE = 4096;
const FLOAT = 1;
const INT32 = 6;
const INT64 = 7;

/**
 * Writes the model in `source` (config.json and safetensors) to `target` as an ONNX file as torch.onnx exports
 * transformers' `...ForSequenceClassification` or `...Model` with eager attention: padded inputs, an additive mask, transposed weights
 * in MatMul. Shapes are constants where torch leaves chains of Shape and Gather that ONNX Runtime folds on load, so that
 * its fusions find the same patterns as in a real export.
 */
export function writeExportedModel(source: string, target: string, options: ExportOptions = {}): void {
  const path = join(target, options.file ?? 'model.onnx');
  mkdirSync(dirname(path), { recursive: true });
  const weights = new Weights(source);
  try {
    const architecture = describe(JSON.parse(readFileSync(join(source, 'config.json'), 'utf8')), weights);
    const graph = new EncoderGraph(architecture, weights, options).build();
    graph.write(path, 'main_graph', options.externalData);
  } finally {
    weights.close();
  }
  for (const name of BESIDE) {
    if (existsSync(join(source, name))) copyFileSync(join(source, name), join(target, name));
  }
}

class EncoderGraph {
  readonly #graph: GraphWriter;
  readonly #model: Architecture;
  readonly #weights: Weights;
  readonly #options: ExportOptions;
  readonly #opset: Opset;

  constructor(model: Architecture, weights: Weights, options: ExportOptions) {
    this.#model = model;
    this.#weights = weights;
    this.#options = options;
    this.#opset = options.opset ?? 17;
    this.#graph = new GraphWriter(this.#opset);
  }

  build(): GraphWriter {
    const { layers, projection, hiddenSize } = this.#model;
    const names = this.#options.inputNames;
    const ids = this.#input(names?.ids ?? 'input_ids');
    const mask = this.#input(names?.mask ?? 'attention_mask');
    const types = this.#model.takesTypes ? this.#input(names?.types ?? 'token_type_ids') : undefined;
    const positions = names?.positions === undefined ? this.#positionIds(ids) : this.#input(names.positions);
    let hidden = this.#embeddings(ids, types, positions);
    if (projection !== undefined) hidden = this.#linear(hidden, projection);
    const attentionMask = this.#model.masksWithWhere ? mask : this.#additiveMask(mask);
    for (const layer of layers) hidden = this.#layer(hidden, attentionMask, layer);
    const output = this.#options.output ?? 'logits';
    if (output === 'last_hidden_state') {
      this.#graph.op('Identity', [hidden], {}, output);
      this.#graph.output(output, hiddenSize, 'token');
      return this.#graph;
    }
    const first = this.#graph.op('Gather', [hidden, this.#graph.integers([0], [])], { axis: 1 });
    if (output === 'logits') {
      this.#head(first);
    } else {
      this.#graph.op('Identity', [first], {}, output);
      this.#graph.output(output, hiddenSize);
    }
    return this.#graph;
  }

  #head(first: string): void {
    const { head } = this.#model;
    let out = first;
    for (const [i, step] of head.entries()) {
      const last = i === head.length - 1;
      out = this.#gemm(out, step.name, last ? 'logits' : undefined);
      if (!last) out = this.#activation(step.activation, out);
    }
    this.#graph.output(
      'logits',
      this.#weights.shape(`${(head.at(-1) as { name: string }).name}.weight`)[0] as number,
    );
  }

  #input(name: string): string {
    const integers = this.#options.integers ?? 'int64';
    const input = this.#graph.input(name, integers);
    return integers === 'int64' ? input : this.#graph.op('Cast', [input], { to: INT64 });
  }

  #embeddings(ids: string, types: string | undefined, positionIds: string): string {
    const { words, positions, types: typeTable, embeddingNorm } = this.#model;
    const graph = this.#graph;
    let sum = graph.op('Gather', [this.#table(words), ids]);
    const places = graph.op('Gather', [this.#table(positions), positionIds]);
    if (typeTable !== undefined) {
      const kinds = types ?? graph.op('ConstantOfShape', [graph.op('Shape', [ids])]);
      const zeros = types === undefined ? graph.op('Cast', [kinds], { to: INT64 }) : kinds;
      sum = graph.op('Add', [sum, graph.op('Gather', [this.#table(typeTable), zeros])]);
    }
    return this.#norm(graph.op('Add', [sum, places]), embeddingNorm);
  }

  /** 0, 1, 2 ... for BERT; for RoBERTa counted from the padding id over tokens that are no padding. */
  #positionIds(ids: string): string {
    const { padding, positionRows } = this.#model;
    const graph = this.#graph;
    if (padding === undefined) {
      const all = Array.from({ length: positionRows }, (_, i) => i);
      const length = graph.op('Gather', [graph.op('Shape', [ids]), graph.integers([1], [])], { axis: 0 });
      const end = this.#unsqueeze(length, 0);
      const table = graph.integers(all, [1, positionRows]);
      return graph.op('Slice', [table, graph.integers([0]), end, graph.integers([1]), graph.integers([1])]);
    }
    const pad = graph.integers([padding], []);
    const real = graph.op('Cast', [graph.op('Not', [graph.op('Equal', [ids, pad])])], { to: INT32 });
    const counted = graph.op('CumSum', [real, graph.integers([1], [])]);
    const positions = graph.op('Cast', [graph.op('Mul', [counted, real])], { to: INT64 });
    return graph.op('Add', [positions, pad]);
  }

  #additiveMask(mask: string): string {
    const graph = this.#graph;
    const real = graph.op('Cast', [this.#unsqueeze(this.#unsqueeze(mask, 1), 2)], { to: FLOAT });
    return graph.op('Mul', [graph.op('Sub', [graph.scalar(1), real]), graph.scalar(MASKED)]);
  }

  #layer(hidden: string, mask: string, names: LayerNames): string {
    const graph = this.#graph;
    const attention = this.#linear(this.#attention(hidden, mask, names), names.attentionOutput);
    const attended = this.#norm(graph.op('Add', [attention, hidden]), names.attentionNorm);
    const inner = this.#activation(this.#model.activation, this.#linear(attended, names.inner));
    return this.#norm(graph.op('Add', [this.#linear(inner, names.outer), attended]), names.outputNorm);
  }

  #attention(hidden: string, mask: string, names: LayerNames): string {
    const { hiddenSize, heads, masksWithWhere } = this.#model;
    const graph = this.#graph;
    const headSize = hiddenSize / heads;
    const split = graph.integers([0, 0, heads, headSize]);
    const project = (name: string, perm: number[]) =>
      graph.op('Transpose', [graph.op('Reshape', [this.#linear(hidden, name), split])], { perm });
    const query = project(names.query, [0, 2, 1, 3]);
    const key = project(names.key, [0, 2, 3, 1]);
    const value = project(names.value, [0, 2, 1, 3]);
    const root = graph.scalar(Math.sqrt(headSize));
    let scores: string;
    if (masksWithWhere) {
      const raw = graph.op('MatMul', [graph.op('Div', [query, root]), key]);
      const hole = graph.op('Equal', [mask, graph.integers([0], [])]);
      const rows = graph.op('Reshape', [hole, this.#maskShape(hidden)]);
      const wide = graph.op('Expand', [rows, graph.op('Shape', [raw])]);
      scores = graph.op('Where', [wide, graph.scalar(MASKED), raw]);
    } else {
      scores = graph.op('Add', [graph.op('Div', [graph.op('MatMul', [query, key]), root]), mask]);
    }
    const probabilities = graph.op('Softmax', [scores], { axis: 3 });
    const mixed = graph.op('Transpose', [graph.op('MatMul', [probabilities, value])], { perm: [0, 2, 1, 3] });
    return graph.op('Reshape', [mixed, graph.integers([0, 0, hiddenSize])]);
  }

  /** [batch, 1, 1, sequence], as DistilBERT's `mask.view(...)` is exported. */
  #maskShape(hidden: string): string {
    const graph = this.#graph;
    const shape = graph.op('Shape', [hidden]);
    const size = (axis: number) =>
      this.#unsqueeze(graph.op('Gather', [shape, graph.integers([axis], [])], { axis: 0 }), 0);
    return graph.op('Concat', [size(0), graph.integers([1]), graph.integers([1]), size(1)], { axis: 0 });
  }

  /** The axis is an attribute up to opset 12 and an input after it. */
  #unsqueeze(x: string, axis: number): string {
    if (this.#opset === 12) return this.#graph.op('Unsqueeze', [x], { axes: [axis] });
    return this.#graph.op('Unsqueeze', [x, this.#graph.integers([axis])]);
  }

  #activation(name: Architecture['activation'], x: string): string {
    const graph = this.#graph;
    const scalar = (value: number) => graph.scalar(value);
    switch (name) {
      case 'relu':
        return graph.op('Relu', [x]);
      case 'tanh':
        return graph.op('Tanh', [x]);
      case 'gelu': {
        const erf = graph.op('Erf', [graph.op('Div', [x, scalar(Math.SQRT2)])]);
        return graph.op('Mul', [graph.op('Mul', [x, graph.op('Add', [erf, scalar(1)])]), scalar(0.5)]);
      }
      case 'gelu_tanh': {
        const cubed = graph.op('Mul', [graph.op('Pow', [x, scalar(3)]), scalar(0.044715)]);
        const inner = graph.op('Mul', [graph.op('Add', [x, cubed]), scalar(Math.sqrt(2 / Math.PI))]);
        const factor = graph.op('Add', [graph.op('Tanh', [inner]), scalar(1)]);
        return graph.op('Mul', [graph.op('Mul', [x, scalar(0.5)]), factor]);
      }
    }
  }

  #norm(x: string, name: string): string {
    const gain = this.#vector(`${name}.weight`);
    const bias = this.#vector(`${name}.bias`);
    const epsilon = this.#model.layerNormEpsilon;
    const graph = this.#graph;
    if (this.#opset === 17)
      return graph.op('LayerNormalization', [x, gain, bias], { axis: -1, epsilon: { float: epsilon } });
    const centred = graph.op('Sub', [x, graph.op('ReduceMean', [x], { axes: [-1] })]);
    const variance = graph.op('ReduceMean', [graph.op('Pow', [centred, graph.scalar(2)])], { axes: [-1] });
    const deviation = graph.op('Sqrt', [graph.op('Add', [variance, graph.scalar(epsilon)])]);
    return graph.op('Add', [graph.op('Mul', [graph.op('Div', [centred, deviation]), gain]), bias]);
  }

  /** A linear layer over [batch, sequence, hidden]. */
  #linear(x: string, name: string): string {
    const [rows, columns] = this.#weights.shape(`${name}.weight`) as [number, number];
    const weight = this.#graph.weights(`${name}.weight_transposed`, [columns, rows], () => [
      transpose(this.#weights.read(`${name}.weight`), rows, columns),
    ]);
    const bias = this.#vector(`${name}.bias`);
    const product = this.#graph.op('MatMul', [x, weight]);
    return this.#graph.op('Add', this.#opset === 12 ? [product, bias] : [bias, product]);
  }

  /** A linear layer over [batch, hidden], which torch exports as Gemm. */
  #gemm(x: string, name: string, output?: string): string {
    const inputs = [x, this.#table(name), this.#vector(`${name}.bias`)];
    return this.#graph.op('Gemm', inputs, { transB: 1, alpha: { float: 1 }, beta: { float: 1 } }, output);
  }

  #vector(name: string): string {
    return this.#graph.weights(name, this.#weights.shape(name), () => [this.#weights.read(name)]);
  }

  #table(module: string): string {
    const name = `${module}.weight`;
    const weights = this.#weights;
    const shape = weights.shape(name);
    const rows = shape[0] as number;
    return this.#graph.weights(name, shape, function* () {
      for (let row = 0; row < rows; row += ROWS_AT_ONCE) {
        yield weights.read(name, row, Math.min(rows, row + ROWS_AT_ONCE));
      }
    });
  }
}

function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      out[column * rows + row] = values[row * columns + column] as number;
    }
  }
  return out;
}
