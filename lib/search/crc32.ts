import * as zlib from 'node:zlib';

/** CRC-32 of IEEE 802.3 over one part after the other: `crc32(second, crc32(first))`. */
export const crc32: (data: Uint8Array, previous?: number) => number =
  // From Node.js 20.15 on.
  (zlib as { crc32?: (data: Uint8Array, previous?: number) => number }).crc32 ?? tableCrc32;

let table: Uint32Array | undefined;

/** The same, a byte at a time. */
export function tableCrc32(data: Uint8Array, previous = 0): number {
  table ??= makeTable();
  let crc = ~previous;
  for (let i = 0; i < data.length; i++) {
    crc = (table[(crc ^ (data[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

function makeTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    return crc;
  });
}
