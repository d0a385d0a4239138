import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';

/** Where a tensor lies in which file. */
interface Place {
  file: number;
  type: string;
  shape: number[];
  start: number;
}

const BYTES: Record<string, number> = { F32: 4, F16: 2, BF16: 2, I8: 1 };
const SCALE_SUFFIX = '_scale';
const SHARD_INDEX = 'model.safetensors.index.json';

/** Weights of a model folder, read as 32-bit floats a few rows at a time. */
export class Weights {
  readonly #places = new Map<string, Place>();
  readonly #files: number[] = [];

  constructor(folder: string) {
    for (const name of shardNames(folder)) this.#readHeader(join(folder, name));
  }

  has(name: string): boolean {
    return this.#places.has(name);
  }

  /** Of all weights; the scales of quantised ones are no weights of their own. */
  names(): string[] {
    return [...this.#places.keys()].filter((name) => !name.endsWith(SCALE_SUFFIX));
  }

  isQuantised(): boolean {
    return [...this.#places.values()].some(({ type }) => type === 'I8');
  }

  shape(name: string): number[] {
    return this.#place(name).shape;
  }

  /** Number of weights; the scales of quantised ones do not count. */
  parameters(): number {
    let total = 0;
    for (const [name, { shape }] of this.#places) {
      if (!name.endsWith(SCALE_SUFFIX)) total += shape.reduce((product, size) => product * size, 1);
    }
    return total;
  }

  /** Rows `first .. end` of a matrix, or all of a vector. */
  read(name: string, first = 0, end = this.shape(name)[0] as number): Float32Array {
    const place = this.#place(name);
    const width = place.shape.slice(1).reduce((product, size) => product * size, 1);
    const size = (BYTES[place.type] as number) * width;
    const bytes = Buffer.allocUnsafeSlow((end - first) * size);
    for (let done = 0; done < bytes.length; ) {
      const count = readSync(place.file, bytes, done, bytes.length - done, place.start + first * size + done);
      if (count === 0) throw new Error(`${name}: the file ends within the tensor`);
      done += count;
    }
    const values = toFloats(place.type, bytes);
    if (place.type === 'I8') this.#scale(name, values, first, end, width);
    return values;
  }

  close(): void {
    for (const file of this.#files.splice(0)) closeSync(file);
  }

  #place(name: string): Place {
    const place = this.#places.get(name);
    if (place === undefined) throw new Error(`the model has no tensor ${name}`);
    return place;
  }

  /** compressed-tensors: `NAME_scale` [rows, 1] stretches the 8-bit integers of `NAME`. */
  #scale(name: string, values: Float32Array, first: number, end: number, width: number): void {
    const scales = this.read(name + SCALE_SUFFIX, first, end);
    for (let i = 0; i < values.length; i++) (values[i] as number) *= scales[Math.floor(i / width)] as number;
  }

  #readHeader(path: string): void {
    const file = openSync(path, 'r');
    this.#files.push(file);
    const prefix = Buffer.alloc(8);
    readSync(file, prefix, 0, 8, 0);
    const length = Number(prefix.readBigUInt64LE());
    const header = Buffer.alloc(length);
    readSync(file, header, 0, length, 8);
    const tensors: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> =
      JSON.parse(header.toString('utf8'));
    for (const [name, tensor] of Object.entries(tensors)) {
      if (name === '__metadata__') continue;
      if (BYTES[tensor.dtype] === undefined)
        throw new Error(`${name}: weights of type ${tensor.dtype} are not supported`);
      const start = 8 + length + tensor.data_offsets[0];
      this.#places.set(name, { file, type: tensor.dtype, shape: tensor.shape, start });
    }
  }
}

function shardNames(folder: string): string[] {
  const index = join(folder, SHARD_INDEX);
  if (!existsSync(index)) return ['model.safetensors'];
  const map: Record<string, string> = JSON.parse(readFileSync(index, 'utf8')).weight_map;
  return [...new Set(Object.values(map))];
}

function toFloats(type: string, bytes: Buffer): Float32Array {
  const { buffer, byteOffset, length } = bytes;
  if (type === 'F32') return new Float32Array(buffer as ArrayBuffer, byteOffset, length / 4);
  if (type === 'I8') return Float32Array.from(new Int8Array(buffer as ArrayBuffer, byteOffset, length));
  const halves = new Uint16Array(buffer as ArrayBuffer, byteOffset, length / 2);
  const bits = new Uint32Array(halves.length);
  const table = type === 'F16' ? halfTable() : undefined;
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i] as number;
    bits[i] = table === undefined ? half << 16 : (table[half] as number);
  }
  return new Float32Array(bits.buffer);
}

let halves: Uint32Array | undefined;

/** The 32-bit pattern of each of the 65,536 half-precision numbers. */
function halfTable(): Uint32Array {
  if (halves !== undefined) return halves;
  const values = new Float32Array(1 << 16);
  for (let half = 0; half < values.length; half++) {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0x1f) values[half] = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    else if (exponent === 0) values[half] = sign * fraction * 2 ** -24;
    else values[half] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  halves = new Uint32Array(values.buffer);
  return halves;
}
