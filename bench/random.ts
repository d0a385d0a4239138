import { randomNumbers } from '../lib/random';

/** Normally distributed numbers (Box and Muller 1958). */
export function normalNumbers(count: number, mean: number, spread: number, seed: number): Float32Array {
  const random = randomNumbers(seed);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = spread * Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    values[i] = mean + radius * Math.cos(angle);
    if (i + 1 < count) values[i + 1] = mean + radius * Math.sin(angle);
  }
  return values;
}
