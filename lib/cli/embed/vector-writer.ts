import { type FileHandle, open, rename } from 'node:fs/promises';
import { UsageError } from '../command-line';
import type { Output } from '../output';

export const VECTOR_FORMATS = ['jsonl', 'f32', 'npy'] as const;
/**
 * `f32`: values alone, little-endian float32, a vector after the other. `npy`: the same behind the header of NumPy's
 * format 1.0, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
export type VectorFormat = (typeof VECTOR_FORMATS)[number];

export interface EmbeddedText {
  id: string | undefined;
  vector: Float32Array;
}

/** By the end of the name. */
export function vectorFormatOf(path: string | undefined): VectorFormat {
  if (path !== undefined && /\.npy$/i.test(path)) return 'npy';
  return path !== undefined && /\.f32$/i.test(path) ? 'f32' : 'jsonl';
}

/** The magic string, the version and the length of the rest, a multiple of 64 in all; room for any number of rows. */
export const NPY_HEADER_BYTES = 128;

/** Takes vectors one batch after the other. */
export interface VectorWriter {
  write(batch: readonly EmbeddedText[]): Promise<void>;
  /** All is written. */
  finish(): Promise<void>;
  /** No more comes; what has come is kept where `partial` says, whole as far as it goes. */
  abandon(): Promise<void>;
  /** Undefined on standard output. */
  partial?: string;
}

/** @param path - Undefined: standard output */
export async function openVectorWriter(
  path: string | undefined,
  format: VectorFormat,
  dimension: number,
  output: Output,
): Promise<VectorWriter> {
  if (path !== undefined) return VectorFile.open(path, format, dimension);
  return {
    write: (batch) => output.write(encodeVectors(batch, format)),
    finish: async () => undefined,
    abandon: async () => undefined,
  };
}

class VectorFile implements VectorWriter {
  readonly partial: string;
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #format: VectorFormat;
  readonly #dimension: number;
  #rows = 0;

  private constructor(path: string, handle: FileHandle, format: VectorFormat, dimension: number) {
    this.partial = partialOf(path);
    this.#path = path;
    this.#handle = handle;
    this.#format = format;
    this.#dimension = dimension;
  }

  static async open(path: string, format: VectorFormat, dimension: number): Promise<VectorFile> {
    const handle = await open(partialOf(path), 'w').catch((cause: NodeJS.ErrnoException) => {
      throw new UsageError(`--output ${path} cannot be written (${cause.code})`);
    });
    const file = new VectorFile(path, handle, format, dimension);
    if (format === 'npy') await handle.write(npyHeader(0, dimension));
    return file;
  }

  async write(batch: readonly EmbeddedText[]): Promise<void> {
    await this.#handle.writeFile(encodeVectors(batch, this.#format));
    this.#rows += batch.length;
  }

  async finish(): Promise<void> {
    await this.#end();
    await rename(this.partial, this.#path);
  }

  abandon(): Promise<void> {
    return this.#end();
  }

  async #end(): Promise<void> {
    if (this.#format === 'npy') {
      await this.#handle.write(npyHeader(this.#rows, this.#dimension), 0, NPY_HEADER_BYTES, 0);
    }
    await this.#handle.sync();
    await this.#handle.close();
  }
}

function partialOf(path: string): string {
  return `${path}.partial`;
}

export function encodeVectors(batch: readonly EmbeddedText[], format: VectorFormat): string | Buffer {
  if (format === 'jsonl') return batch.map(jsonLine).join('');
  return Buffer.concat(
    batch.map(({ vector }) => Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength)),
  );
}

/** Nine digits tell every float32 from its neighbours. */
function jsonLine({ id, vector }: EmbeddedText): string {
  const embedding = Array.from(vector, (value) => Number(value.toPrecision(9)));
  return `${JSON.stringify(id === undefined ? { embedding } : { id, embedding })}\n`;
}

export function npyHeader(rows: number, dimension: number): Buffer {
  const facts = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${dimension}), }`;
  const header = Buffer.alloc(NPY_HEADER_BYTES, ' ');
  header.write('\x93NUMPY\x01\x00', 0, 'latin1');
  header.writeUInt16LE(NPY_HEADER_BYTES - 10, 8);
  header.write(facts, 10, 'latin1');
  header.write('\n', NPY_HEADER_BYTES - 1, 'latin1');
  return header;
}
