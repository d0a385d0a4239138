import { closeSync, openSync, writeSync } from 'node:fs';
import { basename } from 'node:path';

/**
 * Writes ONNX files: the few messages of onnx.proto3 that a graph of standard operators needs, in protocol-buffer wire
 * format. Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.
 */

/** An attribute: an integer, a list of integers, or a float. */
export type Attribute = number | readonly number[] | { float: number };

export type Opset = 12 | 17;

/** A constant of the graph; its content is produced piece by piece when the file is written. */
interface Initializer {
  name: string;
  type: number;
  shape: readonly number[];
  bytes: number;
  pieces: () => Iterable<Uint8Array>;
}

const FLOAT = 1;
const INT32 = 6;
const INT64 = 7;
const IR_VERSION = 8;

/** Protocol buffers end at 2 GiB; torch writes what is larger as external data. */
const INLINE_LIMIT = 1.9e9;
/** Below this a constant stays in the graph even then, because shape inference reads it. */
const EXTERNAL_BYTES = 1024;
const EXTERNAL_ALIGNMENT = 4096;

export class GraphWriter {
  readonly #nodes: Buffer[] = [];
  readonly #inputs: Buffer[] = [];
  readonly #outputs: Buffer[] = [];
  readonly #initializers = new Map<string, Initializer>();
  readonly #opset: Opset;
  #count = 0;

  constructor(opset: Opset) {
    this.#opset = opset;
  }

  /** Adds a node and names its output after it. */
  op(
    type: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    output?: string,
  ): string {
    const out = output ?? `${type}_${this.#count}`;
    const fields = inputs.map((input) => text(1, input));
    fields.push(text(2, out), text(3, `node_${type}_${this.#count++}`), text(4, type));
    for (const [name, value] of Object.entries(attributes)) fields.push(block(5, attribute(name, value)));
    this.#nodes.push(Buffer.concat(fields));
    return out;
  }

  input(name: string, integers: 'int32' | 'int64'): string {
    this.#inputs.push(
      valueInfo(name, integers === 'int32' ? INT32 : INT64, ['batch_size', 'sequence_length']),
    );
    return name;
  }

  /** Rows of `columns` floats, one a sequence or one a token. */
  output(name: string, columns: number, of: 'sequence' | 'token' = 'sequence'): void {
    const rows = of === 'sequence' ? ['batch_size'] : ['batch_size', 'sequence_length'];
    this.#outputs.push(valueInfo(name, FLOAT, [...rows, columns]));
  }

  weights(name: string, shape: readonly number[], pieces: () => Iterable<Float32Array>): string {
    const bytes = shape.reduce((product, size) => product * size, 4);
    this.#initializers.set(name, { name, type: FLOAT, shape, bytes, pieces: () => map(pieces(), bytesOf) });
    return name;
  }

  scalar(value: number): string {
    const name = `float_${value}`;
    return this.weights(name, [], () => [Float32Array.of(value)]);
  }

  integers(values: readonly number[], shape: readonly number[] = [values.length]): string {
    const name = `int_${shape.join('x')}_${values.length > 8 ? `to_${values.length}` : values.join('_')}`;
    const content = BigInt64Array.from(values, BigInt);
    const bytes = content.byteLength;
    this.#initializers.set(name, { name, type: INT64, shape, bytes, pieces: () => [bytesOf(content)] });
    return name;
  }

  /** Writes the model, with its weights beside it in `PATH_data` where they do not fit in. */
  write(path: string, name: string, externalData?: boolean): void {
    const initializers = [...this.#initializers.values()];
    const total = initializers.reduce((sum, { bytes }) => sum + bytes, 0);
    const external = (externalData ?? total > INLINE_LIMIT) ? `${path}_data` : undefined;
    let offset = 0;
    const heads = initializers.map((tensor) => {
      if (external === undefined || tensor.bytes < EXTERNAL_BYTES) return tensorHead(tensor);
      offset = Math.ceil(offset / EXTERNAL_ALIGNMENT) * EXTERNAL_ALIGNMENT;
      const head = externalHead(tensor, basename(external), offset);
      offset += tensor.bytes;
      return head;
    });
    const isInside = (tensor: Initializer) => external === undefined || tensor.bytes < EXTERNAL_BYTES;

    const graph = Buffer.concat([
      ...this.#nodes.map((node) => block(1, node)),
      text(2, name),
      ...this.#inputs.map((input) => block(11, input)),
      ...this.#outputs.map((output) => block(12, output)),
    ]);
    const lengths = initializers.map(
      (tensor, i) => (heads[i] as Buffer).length + (isInside(tensor) ? tensor.bytes : 0),
    );
    const graphLength = lengths.reduce(
      (sum, length) => sum + tag(5, 2).length + varint(length).length + length,
      0,
    );
    const opset = Buffer.concat([text(1, ''), number(2, this.#opset)]);
    const file = openSync(path, 'w');
    try {
      writeAll(file, number(1, IR_VERSION), text(2, 'crossrank bench'), block(8, opset));
      writeAll(file, tag(7, 2), varint(graph.length + graphLength), graph);
      for (const [i, tensor] of initializers.entries()) {
        writeAll(file, tag(5, 2), varint(lengths[i] as number), heads[i] as Buffer);
        if (isInside(tensor)) for (const piece of tensor.pieces()) writeAll(file, piece);
      }
    } finally {
      closeSync(file);
    }
    if (external !== undefined)
      writeExternal(
        external,
        initializers.filter((tensor) => !isInside(tensor)),
      );
  }
}

function writeExternal(path: string, tensors: readonly Initializer[]): void {
  const file = openSync(path, 'w');
  try {
    let offset = 0;
    for (const tensor of tensors) {
      const aligned = Math.ceil(offset / EXTERNAL_ALIGNMENT) * EXTERNAL_ALIGNMENT;
      writeAll(file, Buffer.alloc(aligned - offset));
      for (const piece of tensor.pieces()) writeAll(file, piece);
      offset = aligned + tensor.bytes;
    }
  } finally {
    closeSync(file);
  }
}

/** A TensorProto up to its content, which follows in the file. */
function tensorHead({ name, type, shape, bytes }: Initializer): Buffer {
  return Buffer.concat([
    ...shape.map((size) => number(1, size)),
    number(2, type),
    text(8, name),
    tag(9, 2),
    varint(bytes),
  ]);
}

function externalHead({ name, type, shape, bytes }: Initializer, location: string, offset: number): Buffer {
  const entries = { location, offset: String(offset), length: String(bytes) };
  const external = Object.entries(entries).map(([key, value]) =>
    block(13, Buffer.concat([text(1, key), text(2, value)])),
  );
  const sizes = shape.map((size) => number(1, size));
  return Buffer.concat([...sizes, number(2, type), text(8, name), ...external, number(14, 1)]);
}

function attribute(name: string, value: Attribute): Buffer {
  if (typeof value === 'number') return Buffer.concat([text(1, name), number(3, value), number(20, 2)]);
  if ('float' in value) {
    const bits = Buffer.alloc(4);
    bits.writeFloatLE(value.float);
    return Buffer.concat([text(1, name), tag(2, 5), bits, number(20, 1)]);
  }
  return Buffer.concat([text(1, name), ...value.map((item) => number(8, item)), number(20, 7)]);
}

function valueInfo(name: string, type: number, sizes: readonly (string | number)[]): Buffer {
  const dimensions = sizes.map((size) =>
    block(1, typeof size === 'string' ? text(2, size) : number(1, size)),
  );
  const tensor = Buffer.concat([number(1, type), block(2, Buffer.concat(dimensions))]);
  return Buffer.concat([text(1, name), block(2, block(1, tensor))]);
}

function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 128 : low);
  } while (rest > 0n);
  return Buffer.from(bytes);
}

function tag(field: number, wireType: number): Buffer {
  return varint((field << 3) | wireType);
}

function number(field: number, value: number): Buffer {
  return Buffer.concat([tag(field, 0), varint(value)]);
}

function block(field: number, content: Buffer): Buffer {
  return Buffer.concat([tag(field, 2), varint(content.length), content]);
}

function text(field: number, value: string): Buffer {
  return block(field, Buffer.from(value));
}

function bytesOf(values: Float32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function* map<T, U>(items: Iterable<T>, change: (item: T) => U): Iterable<U> {
  for (const item of items) yield change(item);
}

function writeAll(file: number, ...pieces: readonly Uint8Array[]): void {
  for (const piece of pieces) {
    for (let done = 0; done < piece.length; ) done += writeSync(file, piece, done);
  }
}
