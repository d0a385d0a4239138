/**
 * A process that adds batches to a store, telling each when it has resolved, until it is killed: `store-child.js PATH
 * FIRST`. Every third batch is followed by the removal of the one before it.
 */
import { writeSync } from 'node:fs';
import { MemoryStore } from '../../lib/search/memory-store';
import { batchIds, batchOf, CHILD_SPACE } from './store-batches';

async function main(path: string, first: number): Promise<void> {
  const store = await MemoryStore.open({ space: CHILD_SPACE, path });
  for (let batch = first; ; batch++) {
    await store.add(batchOf(batch));
    writeSync(1, `added ${batch}\n`);
    if (batch % 3 !== 2) continue;
    await store.remove(batchIds(batch - 1));
    writeSync(1, `removed ${batch - 1}\n`);
  }
}

void main(process.argv[2] as string, Number(process.argv[3]));
