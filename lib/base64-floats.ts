/** Little-endian, as is every processor that this package runs on. */
export function encodeFloats(values: Float32Array): string {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString('base64');
}

export function decodeFloats(text: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64')); // a copy begins at a multiple of four
  return new Float32Array(bytes.buffer);
}
