import type { BulkItem } from './items';

/** Items that go to a worker together. */
export interface CutChunk<Sent> {
  /** From 0. */
  number: number;
  items: BulkItem<Sent>[];
  pairs: number;
}

/** A chunk ends with as many UTF-16 units, too, or items: blank queries and wrong lines have no pairs. */
const CHUNK_UNITS = 1 << 19;
const CHUNK_ITEMS = 4096;

/**
 * Cuts items into chunks; an item is never cut. From wherever a chunk begins, the same ones follow, so that a submission
 * which goes on finds its jobs again.
 * @param first - number of the first chunk
 */
export async function* chunksOf<Sent>(
  items: AsyncIterable<BulkItem<Sent>>,
  { first, pairs: most }: { first: number; pairs: number },
): AsyncGenerator<CutChunk<Sent>> {
  let number = first;
  let chunk: CutChunk<Sent> = { number, items: [], pairs: 0 };
  let units = 0;
  for await (const item of items) {
    const pairs = 'error' in item ? 0 : item.pairs;
    if (chunk.items.length > 0 && chunk.pairs + pairs > most) {
      yield chunk;
      chunk = { number: ++number, items: [], pairs: 0 };
      units = 0;
    }
    chunk.items.push(item);
    chunk.pairs += pairs;
    units += 'error' in item ? 0 : item.units;
    if (chunk.pairs < most && units < CHUNK_UNITS && chunk.items.length < CHUNK_ITEMS) continue;
    yield chunk;
    chunk = { number: ++number, items: [], pairs: 0 };
    units = 0;
  }
  if (chunk.items.length > 0) yield chunk;
}
