import { readFileSync, writeFileSync } from 'node:fs';

/** Reading and writing of the safetensors format, apart from the engine's own. */
export interface TensorData {
  dtype: string;
  shape: number[];
  data: Buffer;
}

export type Tensors = Map<string, TensorData>;

export function readTensors(path: string): Tensors {
  const file = readFileSync(path);
  const size = Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, 8 + size));
  const tensors: Tensors = new Map();
  for (const [name, entry] of Object.entries<{
    dtype: string;
    shape: number[];
    data_offsets: [number, number];
  }>(header)) {
    if (name === '__metadata__') continue;
    const [begin, end] = entry.data_offsets;
    tensors.set(name, {
      dtype: entry.dtype,
      shape: entry.shape,
      data: Buffer.from(file.subarray(8 + size + begin, 8 + size + end)),
    });
  }
  return tensors;
}

export function writeTensors(path: string, tensors: Tensors): void {
  const header: Record<string, unknown> = {};
  let offset = 0;
  // Wide types first, so that every tensor is aligned, as the reference implementation does.
  const entries = [...tensors].sort((a, b) => width(b[1].dtype) - width(a[1].dtype));
  for (const [name, { dtype, shape, data }] of entries) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.length] };
    offset += data.length;
  }
  writeRaw(path, JSON.stringify(header), Buffer.concat(entries.map(([, tensor]) => tensor.data)));
}

/** A file with any header text, for broken ones. */
export function writeRaw(path: string, header: string, data: Buffer): void {
  const padded = Buffer.from(header.padEnd(Math.ceil(header.length / 8) * 8));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(padded.length));
  writeFileSync(path, Buffer.concat([size, padded, data]));
}

function width(dtype: string): number {
  return Number(/\d+/.exec(dtype)?.[0] ?? 8);
}

export function floats(tensor: TensorData): Float32Array {
  const copy = Uint8Array.from(tensor.data);
  return new Float32Array(copy.buffer);
}

export function fromFloats(values: Float32Array, shape: number[]): TensorData {
  return { dtype: 'F32', shape, data: Buffer.from(values.buffer, values.byteOffset, values.byteLength) };
}
