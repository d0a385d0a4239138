import type { EmbeddedDocument, EmbeddingSpace } from '../../lib/search/types';

export const CHILD_SPACE: EmbeddingSpace = { model: 'child', dimension: 16 };
export const BATCH_DOCUMENTS = 600;

export function batchIds(batch: number): string[] {
  return Array.from({ length: BATCH_DOCUMENTS }, (_, i) => `${batch}-${i}`);
}

/** Enough for more than one segment, and each document told from all others by its vector and text. */
export function batchOf(batch: number): EmbeddedDocument[] {
  return batchIds(batch).map((id, i) => ({
    id,
    text: `text of ${id} ${'long '.repeat(100)}`,
    metadata: { batch },
    vector: Float32Array.from({ length: CHILD_SPACE.dimension }, (_, axis) =>
      axis === 0 ? 1 + batch : Math.sin((i + 1) * axis),
    ),
  }));
}
