import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { BESIDE } from '../exported';
import { Weights } from '../safetensors';
import { writeOnce } from '../synthetic';

const ROWS_AT_ONCE = 4096;

/** A folder with the same weights in a type that every peer reads: one with 8-bit rows is written to `target` as F32. */
export function readableByPeers(source: string, target: () => string): string {
  const weights = new Weights(source);
  try {
    return weights.isQuantised()
      ? writeOnce(target(), (folder) => writeExpanded(weights, source, folder))
      : source;
  } finally {
    weights.close();
  }
}

function writeExpanded(weights: Weights, source: string, folder: string): void {
  for (const name of BESIDE) {
    if (existsSync(join(source, name))) copyFileSync(join(source, name), join(folder, name));
  }
  const { quantization_config: _, ...config } = JSON.parse(readFileSync(join(source, 'config.json'), 'utf8'));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));

  const header: Record<string, object> = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const name of weights.names()) {
    const shape = weights.shape(name);
    const start = end;
    end += shape.reduce((product, size) => product * size, 4);
    header[name] = { dtype: 'F32', shape, data_offsets: [start, end] };
  }
  const text = JSON.stringify(header);
  const head = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(head.length));
  const file = openSync(join(folder, 'model.safetensors'), 'w');
  try {
    writeSync(file, size);
    writeSync(file, head);
    for (const name of weights.names()) {
      const rows = weights.shape(name)[0] ?? 1;
      for (let row = 0; row < rows; row += ROWS_AT_ONCE) {
        writeSync(file, weights.read(name, row, Math.min(rows, row + ROWS_AT_ONCE)));
      }
    }
  } finally {
    closeSync(file);
  }
}
