import { fromFloats, type TensorData, type Tensors } from './safetensors';

/** Field numbers of onnx.proto3. */
const MODEL_GRAPH = 7;
const GRAPH_NODE = 1;
const GRAPH_INITIALIZER = 5;
const NODE = { input: 1, name: 3, type: 4 };
const TENSOR = { dims: 1, type: 2, name: 8, raw: 9 };
const FLOAT = 1;

/**
 * The weights of an encoder out of a file as torch.onnx exports it, under their names in the module: a linear layer's
 * weight is an anonymous initializer there, transposed, behind a MatMul node that is named after its module
 * (`/encoder/layer.0/intermediate/dense/MatMul`).
 */
export function encoderWeights(file: Buffer): Tensors {
  const graph = fields(file).find(({ field }) => field === MODEL_GRAPH)?.bytes;
  if (graph === undefined) throw new Error('the file holds no graph');
  const linearOf = new Map<string, string>();
  const tensors: Tensors = new Map();
  const parts = fields(graph);
  for (const { bytes } of parts.filter(({ field }) => field === GRAPH_NODE)) {
    const node = fields(bytes);
    const [, weight] = texts(node, NODE.input);
    const [path, type] = [texts(node, NODE.name)[0], texts(node, NODE.type)[0]];
    if (type === 'MatMul' && weight !== undefined && path !== undefined) {
      linearOf.set(weight, path.split('/').slice(1, -1).join('.'));
    }
  }
  for (const { bytes } of parts.filter(({ field }) => field === GRAPH_INITIALIZER)) {
    const { name, type, shape, values } = tensorOf(fields(bytes));
    if (type !== FLOAT) continue;
    const linear = linearOf.get(name);
    if (linear !== undefined) {
      tensors.set(`${linear}.weight`, transposed(values, shape as [number, number]));
    } else if (/\.(weight|bias)$/.test(name)) {
      tensors.set(name, fromFloats(values, shape));
    }
  }
  return tensors;
}

/** A field of a message: its bytes, or its number. */
interface Field {
  field: number;
  bytes: Buffer;
  value: number;
}

/** https://protobuf.dev/programming-guides/encoding/ */
function fields(message: Buffer): Field[] {
  const found: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++] as number;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const [field, wireType] = [Math.floor(tag / 8), tag % 8];
    if (wireType === 0) {
      found.push({ field, bytes: Buffer.alloc(0), value: varint() });
      continue;
    }
    const length = wireType === 2 ? varint() : wireType === 5 ? 4 : 8;
    found.push({ field, bytes: message.subarray(at, at + length), value: 0 });
    at += length;
  }
  return found;
}

function texts(message: readonly Field[], wanted: number): string[] {
  return message.filter(({ field }) => field === wanted).map(({ bytes }) => bytes.toString());
}

function tensorOf(message: readonly Field[]) {
  const raw = message.find(({ field }) => field === TENSOR.raw)?.bytes ?? Buffer.alloc(0);
  return {
    name: texts(message, TENSOR.name)[0] ?? '',
    type: message.find(({ field }) => field === TENSOR.type)?.value,
    shape: message.filter(({ field }) => field === TENSOR.dims).map(({ value }) => value),
    values: new Float32Array(Uint8Array.from(raw).buffer, 0, Math.floor(raw.length / 4)),
  };
}

function transposed(values: Float32Array, [rows, columns]: [number, number]): TensorData {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      out[column * rows + row] = values[row * columns + column] as number;
    }
  }
  return fromFloats(out, [columns, rows]);
}
